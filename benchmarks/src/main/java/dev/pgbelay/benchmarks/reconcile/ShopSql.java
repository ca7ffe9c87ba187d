package dev.pgbelay.benchmarks.reconcile;

final class ShopSql {
  static final String CREATE =
      """
      drop table if exists shop_line, shop_order, shop_customer;
      create table shop_customer (id bigint not null, name text not null, hits bigint not null default 0);
      create table shop_order (id bigint not null, customer_id bigint, note text not null,
                               hits bigint not null default 0,
                               changed_at timestamptz not null default now() - interval '1 day')
      """;

  /** Bind: customers. */
  static final String FILL_CUSTOMERS =
      """
      insert into shop_customer select i, md5(i::text), 0 from generate_series(1, ?::bigint) i
      """;

  /** Every n-th order's customer is not there; bind: customers, customers, n, orders. */
  static final String FILL_ORDERS =
      """
      insert into shop_order (id, customer_id, note, hits)
      select i, 1 + i % ?::bigint + case when i % ?::bigint = 0 then ?::bigint else 0 end, md5(i::text), 0
        from generate_series(1, ?::bigint) i
      """;

  /** So many of the orders, and no others, are those of the first customer. */
  static final String GIVE_TO_FIRST =
      """
      update shop_order
         set customer_id = case when id <= ?::bigint then 1 else greatest(customer_id, 2) end
      """;

  static final String INDEX =
      """
      alter table shop_customer add primary key (id);
      alter table shop_order add primary key (id);
      create index shop_order_customer on shop_order (customer_id, id);
      create index shop_order_changed on shop_order (changed_at, id)
      """;

  static final String VACUUM_CUSTOMERS = "vacuum (analyze) shop_customer";
  static final String VACUUM_ORDERS = "vacuum (analyze) shop_order";
  static final String CHECKPOINT = "checkpoint";

  static final String ANTI_JOIN =
      """
      select count(*) from shop_order o left join shop_customer c on c.id = o.customer_id
       where o.customer_id is not null and c.id is null
      """;

  /** Every order has its customer. */
  static final String MAKE_SOUND =
      """
      insert into shop_customer
      select distinct o.customer_id, 'put back', 0 from shop_order o
        left join shop_customer c on c.id = o.customer_id
       where o.customer_id is not null and c.id is null
      """;

  /** Those go again that the orders were loaded without. */
  static final String MAKE_ORPHANS =
      """
      delete from shop_customer where name = 'put back'
      """;

  /** As if propagation had treated them. */
  static final String FORGET_DELETES = "truncate pgbelay.reconcile_deleted";

  /** One order in a thousand is written. */
  static final String CHANGE_SOME =
      """
      update shop_order set changed_at = clock_timestamp(), hits = hits + 1 where id % 1000 = 7
      """;

  static final String READ_POINT =
      """
      select note from shop_order where id = ?
      """;

  static final String WRITE_POINT =
      """
      update shop_order set hits = hits + 1 where id = ?
      """;

  static final String ADD_KEY =
      """
      alter table shop_order add constraint shop_order_customer_fk
        foreign key (customer_id) references shop_customer (id) on delete cascade
      """;

  static final String DROP_KEY =
      """
      alter table shop_order drop constraint if exists shop_order_customer_fk
      """;

  static final String DELETE_FIRST_CUSTOMER =
      """
      delete from shop_customer where id = 1
      """;

  /** What is left of a delete that was not measured to its end. */
  static final String CUT_CASCADE_SHORT =
      """
      delete from shop_order where customer_id = 1;
      truncate pgbelay.reconcile_deleted, pgbelay.reconcile_undo
      """;

  static final String COUNT_ORDERS = "select count(*) from shop_order";
  static final String COUNT_OF_FIRST = "select count(*) from shop_order where customer_id = 1";

  static final String PUT_FIRST_CUSTOMER_BACK =
      """
      insert into shop_customer values (1, 'first', 0) on conflict do nothing
      """;

  /** The first orders are those of the first customer; bind: so many. */
  static final String PUT_ORDERS_BACK =
      """
      insert into shop_order (id, customer_id, note, hits)
        select i, 1, md5(i::text), 0 from generate_series(1, ?::bigint) i
        on conflict do nothing
      """;

  /** One statement for the keys of a batch. */
  static final String FIND_KEYS =
      """
      select id from shop_customer where id = any (?)
      """;

  static final String LOCK_KEYS =
      """
      select id from shop_customer where id = any (?) order by id for key share
      """;

  private ShopSql() {}
}
