package dev.pgbelay.benchmarks.events;

import java.util.List;

final class EventsSql {
  static final String FIND_TABLE =
      """
      select to_regclass('events') is not null
      """;

  static final String CREATE_TABLE =
      """
      drop table if exists events;
      create table events (
        id bigint not null,
        account_id int not null,
        created_at timestamptz not null,
        status int not null,
        resolved_at timestamptz,
        amount bigint not null,
        payload text not null
      )
      """;

  /**
   * Appended in the order of time with a jitter of some seconds, as concurrent writers do; several
   * rows share a second. 8 % are not resolved.
   */
  static final String FILL =
      """
      insert into events
      select i,
             case when spread < 0.55 then 1 else 2 + floor(10000 * skew * skew * skew)::int end,
             created_at,
             (h & 2147483647) % 7,
             case when (h >> 8 & 65535) % 100 >= 8
               then created_at + (h >> 3 & 2147483647) % 2592000 * interval '1 second'
             end,
             (h & 2147483647) % 100000,
             md5(i::text) || md5((-i)::text)
      from (
        select i,
               h,
               (hashint8extended(i, 1) >> 33 & 1073741823) / 1073741824.0::float8 as spread,
               (hashint8extended(i, 2) >> 33 & 1073741823) / 1073741824.0::float8 as skew,
               timestamptz '2025-01-01 00:00:00+00'
                 + (i * 2 / 3 + (h & 7)) * interval '1 second' as created_at
        from (select i, hashint8extended(i, 0) >> 20 as h from generate_series(1, ?::bigint) as i) as numbers
      ) as hashed
      """;

  static final List<String> CREATE_INDEXES =
      List.of(
          """
          alter table events add primary key (id)
          """,
          """
          create index on events (account_id, created_at, id)
          """,
          """
          create index on events (account_id, created_at desc, id)
          """,
          """
          create index on events (account_id, status, id desc)
          """,
          """
          create index on events (account_id, resolved_at, id)
          """);

  static final String VACUUM_ANALYZE =
      """
      vacuum (analyze) events
      """;

  static final String CHECKPOINT =
      """
      checkpoint
      """;

  static final String COUNT_ALL =
      """
      select count(*) from events
      """;

  static final String COUNT_OF_ACCOUNT =
      """
      select count(*) from events where account_id = ?
      """;

  /** Seven columns, six tabs and a line end in COPY's text format; a NULL is two bytes there. */
  static final String SUM_UP =
      """
      select count(*),
             sum(id::numeric + account_id + extract(epoch from created_at) * 1000000 + 31 * status
                 + coalesce(extract(epoch from resolved_at) * 1000000, 0) + 7 * amount + length(payload)),
             sum(octet_length(id::text) + octet_length(account_id::text) + octet_length(created_at::text)
                 + octet_length(status::text) + coalesce(octet_length(resolved_at::text), 2)
                 + octet_length(amount::text) + octet_length(payload) + 7)
      from events
      where id <= ?
      """;

  private EventsSql() {}
}
