package dev.pgbelay.benchmarks.export;

/** Every way of asking for all events up to an id. */
final class ExportSql {
  static final String SELECT_UP_TO =
      """
      select id, account_id, created_at, status, resolved_at, amount, payload
      from events
      where id <= ?
      """;

  static final String SELECT_PAGE =
      """
      select id, account_id, created_at, status, resolved_at, amount, payload
      from events
      where id > ? and id <= ?
      order by id
      limit ?
      """;

  static final String SELECT_OFFSET =
      """
      select id, account_id, created_at, status, resolved_at, amount, payload
      from events
      where id <= ?
      order by id
      limit ?
      offset ?
      """;

  private static final String COPY_ALL =
      """
      copy events (id, account_id, created_at, status, resolved_at, amount, payload) to stdout
      """;

  private static final String COPY_UP_TO =
      """
      copy (
        select id, account_id, created_at, status, resolved_at, amount, payload
        from events
        where id <= %d
      ) to stdout
      """;

  private ExportSql() {}

  /** COPY takes no bind values. */
  static String copy(long lastId, boolean whole) {
    return whole ? COPY_ALL : COPY_UP_TO.formatted(lastId);
  }
}
