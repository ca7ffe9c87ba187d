package dev.pgbelay.examples.demo.locking;

import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.name;
import static org.jooq.impl.DSL.primaryKey;
import static org.jooq.impl.DSL.select;
import static org.jooq.impl.DSL.table;

import dev.pgbelay.lock.LockClass;
import dev.pgbelay.lock.LockOrder;
import java.math.BigDecimal;
import java.util.List;
import java.util.Random;
import org.jooq.DSLContext;
import org.jooq.Field;
import org.jooq.Record;
import org.jooq.Table;
import org.jooq.impl.DSL;
import org.jooq.impl.SQLDataType;

/** Fifty accounts with money, and how it moves between three of them. */
final class Accounts {
  static final Table<Record> ACCOUNT = table(name("shop", "account"));
  static final Field<Long> ID = field(name("id"), SQLDataType.BIGINT.nullable(false));
  static final Field<Long> BALANCE = field(name("balance"), SQLDataType.BIGINT.nullable(false));
  static final LockClass ACCOUNTS = LockClass.rows(ACCOUNT, ID);
  static final LockOrder ORDER = LockOrder.builder().rank(100, ACCOUNTS).build();
  static final int COUNT = 50;
  private static final long START = 1_000;

  private Accounts() {}

  static void create(DSLContext dsl) {
    dsl.dropTableIfExists(ACCOUNT).execute();
    dsl.createTable(ACCOUNT).columns(ID, BALANCE).constraints(primaryKey(ID)).execute();
    Field<Integer> id = field(name("ids", "id"), SQLDataType.INTEGER);
    dsl.insertInto(ACCOUNT, ID, BALANCE)
        .select(
            select(id.cast(SQLDataType.BIGINT), DSL.inline(START))
                .from(DSL.generateSeries(1, COUNT).asTable("ids", "id")))
        .execute();
  }

  static void requireNothingLost(DSLContext dsl) {
    BigDecimal sum = dsl.select(DSL.sum(BALANCE)).from(ACCOUNT).fetchSingle().value1();
    if (sum.longValueExact() != START * COUNT) {
      throw new IllegalStateException("there were " + START * COUNT + ", and now there are " + sum);
    }
  }

  /** Three of them, in any order. */
  static List<Long> three(Random random) {
    return random.longs(1, COUNT + 1L).distinct().limit(3).boxed().toList();
  }

  /** Two units from the first, one each to the others. */
  static void move(DSLContext dsl, List<Long> accounts) {
    dsl.update(ACCOUNT)
        .set(BALANCE, BALANCE.plus(DSL.case_(ID).when(accounts.get(0), -2L).else_(1L)))
        .where(ID.in(accounts))
        .execute();
  }
}
