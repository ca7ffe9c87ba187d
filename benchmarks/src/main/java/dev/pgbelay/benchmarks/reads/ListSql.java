package dev.pgbelay.benchmarks.reads;

final class ListSql {
  static final String CREATE_TABLES =
      """
      drop table if exists list_line, list_order, list_customer;
      create table list_customer (id bigint primary key, name text not null, city text not null);
      create table list_order (id bigint primary key, customer_id bigint not null);
      create table list_line (
        order_id bigint not null,
        position int not null,
        product text not null,
        quantity int not null,
        primary key (order_id, position)
      )
      """;

  /** Bind: customers. */
  static final String FILL_CUSTOMERS =
      """
      insert into list_customer
      select i, 'customer ' || i, 'city ' || i % 500 from generate_series(1, ?::bigint) as i
      """;

  /** Binds: customers, orders. */
  static final String FILL_ORDERS =
      """
      insert into list_order
      select i, 1 + (hashint8extended(i, 0) >> 20 & 2147483647) % ?
      from generate_series(1, ?::bigint) as i
      """;

  /** None to nine lines an order; bind: orders. */
  static final String FILL_LINES =
      """
      insert into list_line
      select i, p, 'product ' || (i * 7 + p) % 3000, 1 + (i + p)::int % 9
      from generate_series(1, ?::bigint) as i,
           generate_series(1, (hashint8extended(i, 1) >> 20 & 2147483647) % 10) as p
      """;

  static final String VACUUM_ANALYZE =
      """
      vacuum (analyze) list_customer, list_order, list_line
      """;

  static final String ORDERS_OF_PAGE =
      """
      select id, customer_id from list_order where id <= ? order by id desc limit ?
      """;

  static final String CUSTOMER =
      """
      select id, name, city from list_customer where id = ?
      """;

  static final String LINES =
      """
      select position, product, quantity from list_line where order_id = ? order by position limit ?
      """;

  static final String CUSTOMERS =
      """
      select id, name, city from list_customer where id = any (?)
      """;

  static final String LINES_OF_ALL =
      """
      select k.id, l.position, l.product, l.quantity
      from unnest(?::bigint[]) with ordinality as k(id, place)
      cross join lateral (
        select position, product, quantity
        from list_line
        where order_id = k.id
        order by position
        limit 3
      ) as l
      order by k.place, l.position
      """;

  private ListSql() {}
}
