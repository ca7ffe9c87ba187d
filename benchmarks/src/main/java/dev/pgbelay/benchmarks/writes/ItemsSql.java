package dev.pgbelay.benchmarks.writes;

/** The table that is written, the rows that it is to hold afterwards, and the look at both. */
final class ItemsSql {
  static final String CREATE_TABLES =
      """
      drop table if exists items, items_source;
      create table items (
        id bigint primary key,
        account_id int not null,
        status int not null,
        made_at timestamptz not null,
        amount numeric(12, 2) not null,
        name text not null
      );
      create table items_source (
        place bigint not null,
        id bigint not null,
        account_id int not null,
        status int not null,
        made_at timestamptz not null,
        amount numeric(12, 2) not null,
        name text not null
      )
      """;

  /** Binds: shuffled, rows. */
  static final String FILL_SOURCE =
      """
      insert into items_source
      select case when ? then row_number() over (order by hashint8extended(i, 1)) else i end,
             i,
             (h & 2147483647) % 5000,
             (h & 2147483647) % 7,
             timestamptz '2026-01-01 00:00:00+00' + i * interval '1003 milliseconds',
             ((h & 2147483647) % 10000000)::numeric / 100,
             md5(i::text)
      from (select i, hashint8extended(i, 0) >> 20 as h from generate_series(1, ?::bigint) as i) as numbers
      """;

  static final String READ_SOURCE =
      """
      select id, account_id, status, made_at, amount, name from items_source order by place
      """;

  static final String COPY_SOURCE =
      """
      copy (
        select id, account_id, status, made_at, amount, name from items_source order by place
      ) to stdout (format binary)
      """;

  static final String TRUNCATE =
      """
      truncate items
      """;

  /** Binds: whether all of them or every second one. */
  static final String INSERT_OLD =
      """
      insert into items
      select id, account_id, status + 1, made_at, amount - 1, name
      from items_source
      where ? or id % 2 = 0
      """;

  static final String VACUUM_ANALYZE =
      """
      vacuum (analyze) items
      """;

  static final String SUM_UP =
      """
      select count(*), coalesce(sum(hash_record(items)::bigint), 0) from items
      """;

  /** Binds: rows written, the same, whether any, whether all of the old ones were there. */
  static final String EXPECT =
      """
      select count(*), coalesce(sum(hash_record(r)::bigint), 0)
      from (
        select id, account_id, status, made_at, amount, name
        from items_source
        where place <= ?
        union all
        select id, account_id, status + 1, made_at, amount - 1, name
        from items_source
        where place > ? and ? and (? or id % 2 = 0)
      ) as r
      """;

  /** As the stream's rows are summed up where they are made. */
  static final String SUM_UP_STREAM =
      """
      select count(*),
             sum(id + 7 * account_id + 31 * status + floor(extract(epoch from made_at)) + amount * 100
                 + length(name))
      from items
      """;

  private ItemsSql() {}
}
