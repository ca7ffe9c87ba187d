package dev.pgbelay.keyset;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.pgbelay.core.token.KeyRing;
import java.time.OffsetDateTime;
import org.jooq.Field;
import org.jooq.Record;
import org.jooq.Table;
import org.jooq.impl.DSL;
import org.jooq.impl.SQLDataType;

/** The table that most tests page through, and how to name it. */
final class OrdersSchema {
  static final Table<Record> ORDERS = DSL.table(DSL.name("orders"));
  static final Field<Long> ID = DSL.field(DSL.name("orders", "id"), SQLDataType.BIGINT.notNull());
  static final Field<Long> CUSTOMER =
      DSL.field(DSL.name("orders", "customer_id"), SQLDataType.BIGINT.notNull());
  static final Field<Integer> STATUS =
      DSL.field(DSL.name("orders", "status"), SQLDataType.INTEGER.notNull());
  static final Field<OffsetDateTime> CREATED_AT =
      DSL.field(DSL.name("orders", "created_at"), SQLDataType.TIMESTAMPWITHTIMEZONE.notNull());
  static final Field<OffsetDateTime> SHIPPED_AT =
      DSL.field(DSL.name("orders", "shipped_at"), SQLDataType.TIMESTAMPWITHTIMEZONE);

  static final CursorCodec CODEC =
      CursorCodec.signed(KeyRing.of("t", "only for tests: 32 bytes or more".getBytes(UTF_8)));

  private OrdersSchema() {}
}
