package dev.pgbelay.core.internal;

/** The statements on a {@link DayRing}. */
final class DayRingSql {
  /** Binds the first and the last day that is kept, counted from today, and the parent's name. */
  static final String FIND_EXPIRED =
      """
      WITH today AS MATERIALIZED (
        SELECT CAST(floor(extract(epoch FROM clock_timestamp()) / 86400) AS integer) AS day),
      kept AS MATERIALIZED (
        SELECT d.day % 32 AS slot
          FROM today,
               generate_series(today.day + CAST(? AS integer),
                               today.day + CAST(? AS integer)) AS d(day)),
      slots AS MATERIALIZED (
        SELECT CAST(right(c.relname, 2) AS integer) AS slot, c.oid
          FROM pg_catalog.pg_inherits AS i JOIN pg_catalog.pg_class AS c ON c.oid = i.inhrelid
         WHERE i.inhparent = CAST(? AS regclass))
      SELECT slots.slot
        FROM slots
       WHERE slots.slot NOT IN (SELECT kept.slot FROM kept)
         AND pg_catalog.pg_relation_size(slots.oid) > 0
       ORDER BY slots.slot\
      """;

  private static final String LOCK_SLOT = "LOCK TABLE <slot> IN ACCESS EXCLUSIVE MODE";

  private static final String EMPTY_SLOT = "TRUNCATE <slot>";

  private DayRingSql() {}

  static String lockSlot(String table) {
    return LOCK_SLOT.replace("<slot>", table);
  }

  static String emptySlot(String table) {
    return EMPTY_SLOT.replace("<slot>", table);
  }
}
