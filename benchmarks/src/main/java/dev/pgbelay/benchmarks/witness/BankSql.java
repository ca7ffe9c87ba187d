package dev.pgbelay.benchmarks.witness;

/** The tables and the transaction of pgbench, which follows TPC-B loosely. */
final class BankSql {
  static final String CREATE =
      """
      drop table if exists bank_history, bank_account, bank_teller, bank_branch;
      create table bank_branch(bid int primary key, balance int not null)
        with (fillfactor = 20);
      create table bank_teller(tid int primary key, bid int references bank_branch,
                               balance int not null) with (fillfactor = 20);
      create table bank_account(aid int primary key, bid int references bank_branch,
                                balance int not null, filler char(84)) with (fillfactor = 80);
      create table bank_history(tid int, bid int, aid int, delta int, mtime timestamp);
      insert into bank_branch select n, 0 from generate_series(1, 10) n;
      insert into bank_teller select n, (n - 1) / 10 + 1, 0 from generate_series(1, 100) n
      """;

  static final String LOAD_ACCOUNTS =
      "insert into bank_account select n, n % 10 + 1, 0, '' from generate_series(1, ?) n";

  static final String ANALYZE = "vacuum analyze bank_account, bank_teller, bank_branch";

  static final String UPDATE_ACCOUNT =
      "update bank_account set balance = balance + ? where aid = ?";

  static final String READ_ACCOUNT = "select balance from bank_account where aid = ?";

  static final String UPDATE_TELLER = "update bank_teller set balance = balance + ? where tid = ?";

  static final String UPDATE_BRANCH = "update bank_branch set balance = balance + ? where bid = ?";

  static final String INSERT_HISTORY =
      "insert into bank_history(tid, bid, aid, delta, mtime) values (?, ?, ?, ?, current_timestamp)";

  static final String COUNT_HISTORY = "select count(*), coalesce(sum(delta), 0) from bank_history";

  private BankSql() {}
}
