package dev.pgbelay.examples.demo.payment;

import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.name;
import static org.jooq.impl.DSL.primaryKey;
import static org.jooq.impl.DSL.table;

import dev.pgbelay.idempotency.testing.FakeCharge;
import java.io.IOException;
import java.net.http.HttpResponse;
import java.util.Locale;
import java.util.Optional;
import java.util.UUID;
import org.jooq.DSLContext;
import org.jooq.Field;
import org.jooq.Record;
import org.jooq.Table;
import org.jooq.impl.SQLDataType;

/** The table of keys that every team writes: insert the key, do the work, update the key. */
final class HandWrittenKeys {
  /** What becomes of a key whose work threw an exception. */
  enum OnException {
    /** It is free again, as if "no answer" meant "not done": the next click charges. */
    FREE,
    /** It stays taken, as after a crash: nobody comes back to it. */
    STAY
  }

  private static final Field<String> KEY = field(name("key"), SQLDataType.VARCHAR(60));
  private static final Field<String> ANSWER = field(name("answer"), SQLDataType.VARCHAR(60));

  private final DSLContext dsl;
  private final Table<Record> keys;
  private final Cards cards;
  private final OnException onException;

  HandWrittenKeys(DSLContext dsl, Cards cards, OnException onException) {
    this.dsl = dsl;
    this.keys = table(name("naive_key_" + onException.name().toLowerCase(Locale.ROOT)));
    this.cards = cards;
    this.onException = onException;
    dsl.dropTableIfExists(keys).execute();
    dsl.createTable(keys).columns(KEY, ANSWER).constraints(primaryKey(KEY)).execute();
  }

  /** Empty if the customer sees an error. */
  Optional<String> pay(String order) throws InterruptedException {
    boolean first = dsl.insertInto(keys, KEY).values(order).onConflictDoNothing().execute() == 1;
    if (!first) {
      return Optional.ofNullable(
          dsl.select(ANSWER).from(keys).where(KEY.eq(order)).fetchOne(ANSWER));
    }
    try {
      String charge = charge(order);
      dsl.update(keys).set(ANSWER, charge).where(KEY.eq(order)).execute();
      return Optional.of(charge);
    } catch (IOException e) {
      if (onException == OnException.FREE) {
        dsl.deleteFrom(keys).where(KEY.eq(order)).execute();
      }
      return Optional.empty();
    }
  }

  /**
   * The provider is sent a key too, made for the call: it protects from nothing but the network.
   */
  private String charge(String order) throws IOException, InterruptedException {
    HttpResponse<String> answer =
        cards.client().charge(UUID.randomUUID().toString(), order, 1_990, "EUR");
    return FakeCharge.parse(answer.body()).id();
  }
}
