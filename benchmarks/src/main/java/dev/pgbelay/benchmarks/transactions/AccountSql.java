package dev.pgbelay.benchmarks.transactions;

final class AccountSql {
  static final String CREATE =
      """
      drop table if exists bench_account;
      create table bench_account (id int primary key, balance bigint not null)
        with (fillfactor = 50);
      insert into bench_account select id, 0 from generate_series(1, 1000) id
      """;

  static final String READ = "select balance from bench_account where id = ?";

  static final String WRITE = "update bench_account set balance = balance + 1 where id = ?";

  static final String SUM = "select sum(balance)::bigint from bench_account";

  private AccountSql() {}
}
