package dev.pgbelay.examples.demo.outbox;

import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.name;
import static org.jooq.impl.DSL.primaryKey;
import static org.jooq.impl.DSL.table;

import java.util.HashSet;
import java.util.Set;
import org.jooq.DSLContext;
import org.jooq.Field;
import org.jooq.Record;
import org.jooq.Table;
import org.jooq.impl.SQLDataType;

/** What the events are about. */
final class Purchases {
  private static final Table<Record> PURCHASE = table(name("shop", "purchase"));
  private static final Field<String> NUMBER =
      field(name("number"), SQLDataType.VARCHAR(50).nullable(false));

  private Purchases() {}

  static void create(DSLContext dsl) {
    dsl.dropTableIfExists(PURCHASE).execute();
    dsl.createTable(PURCHASE).column(NUMBER).constraints(primaryKey(NUMBER)).execute();
  }

  static void insert(DSLContext dsl, String number) {
    dsl.insertInto(PURCHASE).set(NUMBER, number).execute();
  }

  static Set<String> all(DSLContext dsl) {
    return new HashSet<>(dsl.select(NUMBER).from(PURCHASE).fetch(NUMBER));
  }
}
