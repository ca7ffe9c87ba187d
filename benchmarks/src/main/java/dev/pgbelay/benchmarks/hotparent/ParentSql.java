package dev.pgbelay.benchmarks.hotparent;

final class ParentSql {
  static final String CREATE =
      """
      drop table if exists bench_child_free, bench_child, bench_parent;
      create table bench_parent(id bigint primary key, n bigint not null, code bigint not null unique)
        with (fillfactor = 50);
      create table bench_child(id bigint generated always as identity primary key,
                               parent bigint not null references bench_parent);
      create table bench_child_free(id bigint generated always as identity primary key,
                                    parent bigint not null);
      insert into bench_parent select n, 0, n from generate_series(1, 100) n
      """;

  static final String INSERT = "insert into bench_child(parent) values (1)";
  static final String COUNT = "select count(*) from bench_child";
  static final String INSERT_FREE = "insert into bench_child_free(parent) values (1)";
  static final String COUNT_FREE = "select count(*) from bench_child_free";

  static final String LOCK_NO_KEY_UPDATE =
      "select n from bench_parent where id = 1 for no key update";
  static final String LOCK_UPDATE = "select n from bench_parent where id = 1 for update";
  static final String CHANGE_KEY = "update bench_parent set code = -code where id = 1 returning n";

  /** As most writes to a parent are. */
  static final String CHANGE_OTHER = "update bench_parent set n = n + 1 where id = 1 returning n";

  /** How many multixacts there have been. */
  static final String MULTIXACTS = "select mxid_age('1'::xid)";

  private ParentSql() {}
}
