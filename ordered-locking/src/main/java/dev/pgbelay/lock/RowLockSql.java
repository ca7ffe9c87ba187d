package dev.pgbelay.lock;

import java.util.List;

/**
 * The statements on one table, whose names the caller has quoted. Rows are locked by the topmost
 * node of the inner select, which is handed them by what the ORDER BY asks for: whatever the plan
 * below, they are locked in key order.
 */
final class RowLockSql {
  /** All are locked before they are counted, and before the setting goes back. */
  private static final String LOCK =
      """
      /* pgbelay.lock %s %s */
      SELECT count(*), array_agg(locked.n), %s
        FROM (SELECT k.n
                FROM %s JOIN %s AS t ON %s
               WHERE %s
               ORDER BY %s
                 %s) AS locked
      """;

  /** The same for keys of one column that Java can find again by their values: half the work. */
  private static final String LOCK_BY_VALUE =
      """
      /* pgbelay.lock %s %s */
      SELECT count(*), CASE WHEN count(*) < ? THEN array_agg(locked.key) END, %s
        FROM (SELECT t.%s AS key
                FROM %s AS t
               WHERE t.%s = ANY (CAST(? AS %s[]))
                 AND %s
               ORDER BY t.%s
                 %s) AS locked
      """;

  /** Counting comes first, so all are locked before the setting goes back and a row goes out. */
  private static final String LOCK_AND_READ =
      """
      /* pgbelay.lock %s %s */
      WITH locked AS MATERIALIZED (
        SELECT k.n AS pgbelay_n, t.tableoid::bigint || t.ctid::text AS pgbelay_row, %s
          FROM %s JOIN %s AS t ON %s
         WHERE %s
         ORDER BY %s
           %s),
      done AS MATERIALIZED (SELECT count(*) FROM locked)
      SELECT %s, locked.*
        FROM done LEFT JOIN locked ON true
      """;

  private static final String EXISTING =
      """
      SELECT array_agg(k.n) FROM %s JOIN %s AS t ON %s
      """;

  private RowLockSql() {}

  /**
   * Binds as {@link LockSql#BOUND}; where the table is locked by value and rows are not read, the
   * number of keys; one array per part of the key; the new epoch.
   */
  static String lock(LockTable table, String lockClass, LockTable.Shape shape) {
    String known = table.texts().get(shape);
    return known == null
        ? table
            .texts()
            .computeIfAbsent(
                shape,
                wanted ->
                    "/* pgbelay.lock %s %s */\n".formatted(lockClass, wanted.mode())
                        + LockSql.BOUND
                        + locking(table, lockClass, wanted))
        : known;
  }

  /** The second half of it. */
  static String locking(LockTable table, String lockClass, LockTable.Shape shape) {
    String lock = clause(shape.mode()) + " OF t" + suffix(shape.policy());
    if (!shape.rows() && table.isLockedByValue()) {
      String column = table.columns().get(0);
      return LOCK_BY_VALUE.formatted(
          lockClass,
          shape.mode(),
          LockSql.UNBOUND,
          column,
          table.name(),
          column,
          table.types().get(0),
          LockSql.IF_BOUND,
          column,
          lock);
    }
    String asked = asked(table.types());
    return shape.rows()
        ? LOCK_AND_READ.formatted(
            lockClass,
            shape.mode(),
            table.readColumns(),
            asked,
            table.name(),
            equal(table),
            LockSql.IF_BOUND,
            order(table),
            lock,
            LockSql.UNBOUND)
        : LOCK.formatted(
            lockClass,
            shape.mode(),
            LockSql.UNBOUND,
            asked,
            table.name(),
            equal(table),
            LockSql.IF_BOUND,
            order(table),
            lock);
  }

  /** Which of the keys a new look finds. Binds one array per part of the key. */
  static String existing(LockTable table) {
    return EXISTING.formatted(asked(table.types()), table.name(), equal(table));
  }

  private static String asked(List<String> types) {
    StringBuilder arrays = new StringBuilder("unnest(");
    StringBuilder names = new StringBuilder(") WITH ORDINALITY AS k(");
    for (int i = 0; i < types.size(); i++) {
      arrays.append(i == 0 ? "" : ", ").append("CAST(? AS ").append(types.get(i)).append("[])");
      names.append('k').append(i + 1).append(", ");
    }
    return arrays.append(names).append("n)").toString();
  }

  private static String equal(LockTable table) {
    StringBuilder equal = new StringBuilder();
    for (int i = 0; i < table.columns().size(); i++) {
      String collation = table.collations().get(i);
      equal
          .append(i == 0 ? "t." : " AND t.")
          .append(table.columns().get(i))
          .append(" = k.k")
          .append(i + 1)
          .append(collation.isEmpty() ? "" : " COLLATE " + collation);
    }
    return equal.toString();
  }

  private static String order(LockTable table) {
    return "t." + String.join(", t.", table.columns());
  }

  private static String clause(LockMode mode) {
    return switch (mode) {
      case KEY_SHARE -> "FOR KEY SHARE";
      case SHARE -> "FOR SHARE";
      case NO_KEY_UPDATE -> "FOR NO KEY UPDATE";
      case UPDATE -> "FOR UPDATE";
    };
  }

  private static String suffix(LockOptions.Policy policy) {
    return switch (policy) {
      case WAIT -> "";
      case NO_WAIT -> " NOWAIT";
      case SKIP_LOCKED -> " SKIP LOCKED";
    };
  }
}
