package dev.pgbelay.outbox;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.core.internal.PgDriver;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.UUID;
import java.util.stream.Collectors;

/**
 * The statements that take delivered messages away, and those that keep them in the same breath.
 *
 * <p>The relay's row is locked {@code FOR KEY SHARE}: it cannot be retired while this is under way,
 * and renewals pass. Rows stay where they were written, so they are deleted there without a look at
 * an index; those that are somewhere else by now (after VACUUM FULL) are deleted by their ids.
 */
final class AckSql {
  static final String FENCE =
      """
      WITH me AS MATERIALIZED (SELECT claimant FROM <relay> WHERE claimant = ? FOR KEY SHARE),
      mine AS MATERIALIZED (
        SELECT l.lane
          FROM unnest(CAST(? AS smallint[]), CAST(? AS bigint[])) AS g (lane, claim_number)
          JOIN <lane> AS l ON l.destination = ? AND l.lane = g.lane
                          AND l.claim_number = g.claim_number
          JOIN me ON me.claimant = l.claimant)\
      """;

  /**
   * The sums keep the planner from the index: where it has no statistics it takes that for cheaper,
   * and looks up each id in each lane.
   */
  private static final String BY_PLACE =
      """
      m.destination + 0 = ? AND m.lane + 0 = ANY (ARRAY(SELECT lane FROM mine))
           AND m.ctid = ANY (CAST(? AS tid[])) AND m.id + 0 = ANY (CAST(? AS bigint[]))\
      """;

  private static final String BY_ID =
      """
      m.destination = ? AND m.lane = ANY (ARRAY(SELECT lane FROM mine))
           AND m.id = ANY (CAST(? AS bigint[]))\
      """;

  private static final String DELETE =
      """
      ,
      gone AS (
        DELETE FROM <message> AS m
         WHERE <which>
        RETURNING <returned>)<kept>
      SELECT (SELECT count(*) FROM gone), (SELECT count(*) FROM me), ARRAY(SELECT lane FROM mine)\
      """;

  private final Statements deleting;
  private final Statements keeping;

  AckSql(String schema) {
    this(schema, FENCE);
  }

  /** With another fence: tests show that without it the statements do harm. */
  AckSql(String schema, String fence) {
    TablesSql tables = new TablesSql(schema);
    this.deleting = Statements.of(tables, fence + DELETE, "m.id", "");
    this.keeping = Statements.of(tables, fence + DELETE, PublishedSql.gone("m"), PublishedSql.KEEP);
  }

  private record Statements(String byPlace, String byId) {
    static Statements of(TablesSql tables, String delete, String returned, String kept) {
      String filled = delete.replace("<returned>", returned).replace("<kept>", kept);
      return new Statements(
          tables.fill(filled.replace("<which>", BY_PLACE)),
          tables.fill(filled.replace("<which>", BY_ID)));
    }
  }

  /**
   * What an acknowledgement has done.
   *
   * @param gone so many rows were deleted; the others were gone before
   * @param alive whether the relay was not retired
   * @param mine lanes that it still has; of others nothing was deleted
   */
  record Acked(int gone, boolean alive, Set<Integer> mine) {}

  /**
   * Of one claimant.
   *
   * @param keep whether what was deleted is to be among the published messages
   */
  Acked acknowledge(
      Transactions transactions,
      TxOptions options,
      short destination,
      boolean keep,
      List<LaneMessage> messages)
      throws SQLException {
    Statements sql = keep ? keeping : deleting;
    List<LaneMessage> placed = messages.stream().filter(one -> one.at != null).toList();
    List<LaneMessage> others = messages.stream().filter(one -> one.at == null).toList();
    Acked acked = new Acked(0, true, Set.of());
    if (!placed.isEmpty()) {
      acked = write(transactions, options, sql.byPlace, destination, placed, true);
      if (acked.alive() && acked.gone() < placed.size()) {
        others = messages;
      }
    }
    if (acked.alive() && !others.isEmpty()) {
      Acked rest = write(transactions, options, sql.byId, destination, others, false);
      return new Acked(acked.gone() + rest.gone(), rest.alive(), union(acked, rest));
    }
    return acked;
  }

  private static Set<Integer> union(Acked one, Acked other) {
    Set<Integer> all = new LinkedHashSet<>(one.mine());
    all.addAll(other.mine());
    return all;
  }

  private static Acked write(
      Transactions transactions,
      TxOptions options,
      String sql,
      short destination,
      List<LaneMessage> messages,
      boolean byPlace)
      throws SQLException {
    return transactions.runStatement(
        options, sql, update -> bind(update, destination, messages, byPlace), AckSql::read);
  }

  private static void bind(
      PreparedStatement update, short destination, List<LaneMessage> messages, boolean byPlace)
      throws SQLException {
    PgDriver.planEachTime(update);
    int next = bindFence(update, destination, messages);
    update.setShort(next++, destination);
    if (byPlace) {
      update.setString(
          next++,
          messages.stream()
              .map(one -> "\"" + one.at + "\"")
              .collect(Collectors.joining(",", "{", "}")));
    }
    update.setArray(
        next,
        update
            .getConnection()
            .createArrayOf("bigint", messages.stream().map(one -> one.id).toArray(Long[]::new)));
  }

  /** How messages are found whose place is known; a test holds it. */
  String explain(Connection connection, short destination, List<LaneMessage> messages)
      throws SQLException {
    try (PreparedStatement explain = connection.prepareStatement("EXPLAIN " + deleting.byPlace())) {
      bind(explain, destination, messages, true);
      StringBuilder lines = new StringBuilder();
      try (ResultSet row = explain.executeQuery()) {
        while (row.next()) {
          lines.append(row.getString(1)).append('\n');
        }
      }
      return lines.toString();
    }
  }

  /** What {@link #FENCE} binds; returns the next index. */
  static int bindFence(PreparedStatement update, short destination, List<LaneMessage> messages)
      throws SQLException {
    return bindFence(
        update, destination, messages.stream().map(one -> one.lane).collect(Collectors.toSet()));
  }

  static int bindFence(PreparedStatement update, short destination, Set<LaneClaim> claims)
      throws SQLException {
    UUID claimant = claims.iterator().next().fence.claimant();
    List<Short> lanes = new ArrayList<>();
    List<Long> numbers = new ArrayList<>();
    for (LaneClaim claim : claims) {
      lanes.add((short) claim.lane);
      numbers.add(claim.fence.number());
    }
    Connection connection = update.getConnection();
    update.setObject(1, claimant);
    update.setArray(2, connection.createArrayOf("smallint", lanes.toArray(Short[]::new)));
    update.setArray(3, connection.createArrayOf("bigint", numbers.toArray(Long[]::new)));
    update.setShort(4, destination);
    return 5;
  }

  private static Acked read(PreparedStatement update) throws SQLException {
    try (ResultSet row = update.getResultSet()) {
      row.next();
      Set<Integer> mine = new LinkedHashSet<>();
      for (Object lane : (Object[]) row.getArray(3).getArray()) {
        mine.add(((Number) lane).intValue());
      }
      return new Acked(row.getInt(1), row.getInt(2) > 0, mine);
    }
  }
}
