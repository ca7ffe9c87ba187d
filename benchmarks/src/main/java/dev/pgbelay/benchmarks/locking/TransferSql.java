package dev.pgbelay.benchmarks.locking;

final class TransferSql {
  static final String CREATE =
      """
      drop table if exists bench_account;
      create table bench_account (id bigint primary key, balance bigint not null) with (fillfactor = 50);
      insert into bench_account select i, 1000 from generate_series(1, %d) i;
      analyze bench_account;
      """;

  static final String TOTAL = "select sum(balance)::bigint from bench_account";

  static final String DEADLOCKS =
      """
      select pg_stat_clear_snapshot(), deadlocks from pg_stat_database
       where datname = current_database()
      """;

  static final String LOCK_IN_ORDER =
      "select id from bench_account where id = any(?) order by id for no key update";

  static final String LOCK_ONE = "select id from bench_account where id = ? for update";

  static final String MOVE =
      """
      update bench_account a set balance = a.balance + m.amount
        from unnest(?::bigint[], ?::bigint[]) as m(id, amount)
       where a.id = m.id
      """;

  static final String LOCK_AND_MOVE =
      """
      with locked as materialized (
        select id from bench_account where id = any(?) order by id for no key update)
      update bench_account a set balance = a.balance + m.amount
        from unnest(?::bigint[], ?::bigint[]) as m(id, amount), locked
       where a.id = m.id and locked.id = a.id
      """;

  private TransferSql() {}
}
