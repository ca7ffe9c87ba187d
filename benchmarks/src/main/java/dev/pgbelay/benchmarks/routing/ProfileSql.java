package dev.pgbelay.benchmarks.routing;

final class ProfileSql {
  static final String CREATE =
      """
      create table bench_profile (id int primary key, version bigint not null)
        with (fillfactor = 50);
      insert into bench_profile select id, 0 from generate_series(1, 1000) id
      """;

  static final String READ = "select version from bench_profile where id = ?";

  static final String WRITE =
      "update bench_profile set version = version + 1 where id = ? returning version";

  /** Of the router that has one replica. */
  static final String PROBES =
      "select count(*) from pg_stat_activity where application_name = 'bench-probe-1'";

  private ProfileSql() {}
}
