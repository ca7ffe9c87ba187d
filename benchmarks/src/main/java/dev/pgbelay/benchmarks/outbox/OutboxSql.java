package dev.pgbelay.benchmarks.outbox;

final class OutboxSql {
  static final String CREATE_ORDERS =
      """
      drop table if exists bench_order;
      create table bench_order (
        id bigint primary key, customer text not null, total integer not null);
      """;

  static final String PLACE_ORDER =
      "insert into bench_order (id, customer, total) values (?, ?, 100)";

  static final String CREATE =
      """
      drop table if exists bench_event;
      create table bench_event (
        xid xid8 not null default pg_current_xact_id(), id bigint generated always as identity,
        topic text not null, key text not null, payload bytea not null, primary key (xid, id));
      """;

  static final String APPEND =
      "insert into bench_event (topic, key, payload) values ('orders', ?, ?)";

  static final String NOTIFY_APPENDED =
      """
      with added as (insert into bench_event (topic, key, payload) values ('orders', ?, ?))
      select pg_notify('bench_event', 'orders')
      """;

  static final String LISTEN = "listen bench_event";

  static final String READ_ONE =
      "select id, key, payload from bench_event order by xid, id limit 1";

  static final String DELETE_ONE = "delete from bench_event where id = ?";

  static final String ORDERS = "select count(*) from bench_order";

  static final String FILL =
      """
      insert into bench_event (topic, key, payload)
      select 'orders', k, p from unnest(?::text[], ?::bytea[]) as g(k, p)
      """;

  /** What committed before anything that still runs began to write: nothing can come before it. */
  static final String TAKE =
      """
      with due as materialized (
        select xid, id from bench_event
         where xid < pg_snapshot_xmin(pg_current_snapshot())
         order by xid, id limit ?)
      delete from bench_event as e using due
       where e.xid = due.xid and e.id = due.id
      returning e.xid::text::bigint, e.id, e.payload
      """;

  static final String TAKE_ANY =
      """
      with due as materialized (
        select xid, id from bench_event order by xid, id limit ? for update skip locked)
      delete from bench_event as e using due
       where e.xid = due.xid and e.id = due.id
      returning e.xid::text::bigint, e.id, e.payload
      """;

  static final String LEFT = "select count(*) from bench_event";

  static final String RESET_GRUELBOX = "truncate txno_outbox";

  static final String LEFT_GRUELBOX = "select count(*) from txno_outbox where not processed";

  static final String DUE_GRUELBOX =
      "update txno_outbox set nextattempttime = timestamp '2000-01-01'";

  static final String RESET_PGBELAY = "truncate pgbelay.outbox_message";

  static final String LEFT_PGBELAY = "select count(*) from pgbelay.outbox_message";

  private OutboxSql() {}
}
