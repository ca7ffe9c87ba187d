package dev.pgbelay.examples.demo.orders;

import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.name;
import static org.jooq.impl.DSL.table;

import java.math.BigDecimal;
import java.time.OffsetDateTime;
import org.jooq.Field;
import org.jooq.Record;
import org.jooq.Table;
import org.jooq.impl.SQLDataType;

/**
 * The shop's orders. Shaped as production data is: a few customers place most orders, imports wrote
 * a thousand orders with one {@code created_at}, {@code shipped_at} is NULL until an order leaves
 * the house, and six statuses share all the rows unevenly.
 */
public final class Orders {
  public static final Table<Record> ORDERS = table(name("shop", "orders"));

  public static final Field<Long> ID = field(name("id"), SQLDataType.BIGINT.nullable(false));
  public static final Field<Long> CUSTOMER_ID =
      field(name("customer_id"), SQLDataType.BIGINT.nullable(false));
  public static final Field<String> STATUS =
      field(name("status"), SQLDataType.CLOB.nullable(false));
  public static final Field<OffsetDateTime> CREATED_AT =
      field(name("created_at"), SQLDataType.TIMESTAMPWITHTIMEZONE.nullable(false));
  public static final Field<OffsetDateTime> SHIPPED_AT =
      field(name("shipped_at"), SQLDataType.TIMESTAMPWITHTIMEZONE);
  public static final Field<BigDecimal> TOTAL =
      field(name("total"), SQLDataType.NUMERIC(12, 2).nullable(false));

  private Orders() {}
}
