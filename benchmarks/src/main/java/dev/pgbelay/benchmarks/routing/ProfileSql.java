package dev.pgbelay.benchmarks.routing;

final class ProfileSql {
  static final String CREATE =
      """
      create table bench_profile (id int primary key, version bigint not null)
        with (fillfactor = 50);
      insert into bench_profile select id, 7 from generate_series(1, 2000) id
      """;

  /** Those from one to this are written by the pairs of writes and by nobody else. */
  static final int OF_PAIRS = 1_000;

  /** Written by whoever counts and waits; visitors have the next ones. */
  static final int SHARED = OF_PAIRS + 1;

  /** Never written: replicas show it as it is, however far behind they are. */
  static final int UNCHANGED = 2_000;

  static final String READ = "select version from bench_profile where id = ?";

  static final String WRITE =
      "update bench_profile set version = version + 1 where id = ? returning version";

  /** Of the router that has one replica. */
  static final String PROBES =
      "select count(*) from pg_stat_activity where application_name = 'bench-probe-1'";

  private ProfileSql() {}
}
