package dev.pgbelay.jobqueue;

import dev.pgbelay.core.internal.PgDriver;
import dev.pgbelay.jobqueue.Settlement.Fate;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * The statements that write about claimed jobs. Each has the fence in itself, and returns the jobs
 * that it did not find under it, with whether they exist at all.
 */
class SettleSql {
  /** What every statement of this class has about the rows it changes. */
  static final String FENCE = "AND j.claimant = ? AND j.claim_number = <number>";

  /** The two are joined only if one is missing, which is nearly never so. */
  static final String NOT_FOUND =
      """
      SELECT given.id, EXISTS (SELECT FROM <job> AS j WHERE j.id = given.id)
        FROM given
       WHERE (SELECT count(*) FROM changed) < (SELECT count(*) FROM given)
         AND NOT EXISTS (SELECT FROM changed WHERE changed.id = given.id)\
      """;

  /** Fails on purpose, and with it the transaction: the text is no number. Binds a text. */
  private static final String ABORT_TRANSACTION = "SELECT CAST(CAST(? AS text) AS bigint)";

  private final ReportSql reports;
  private final FinishSql finish;
  private final BurySql bury;
  private final PutBackSql putBack;

  /**
   * @param idle how long a client that stopped may keep its transaction, and with it the jobs that
   *     it has written about, from others
   */
  SettleSql(String schema, Duration idle) {
    this(schema, idle, FENCE);
  }

  /** With another fence: tests show that without it the statements do harm. */
  SettleSql(String schema, Duration idle, String fence) {
    TablesSql tables = new TablesSql(schema);
    this.reports = new ReportSql(schema, idle);
    this.finish = new FinishSql(tables, idle, fence);
    this.bury = new BurySql(tables, idle, fence);
    this.putBack = new PutBackSql(tables, idle, fence);
  }

  /** A statement for jobs without a partition key, and the same for those with one. */
  record Pair(String plain, String keyed) {
    static Pair of(TablesSql tables, String sql) {
      return of(tables, sql, UnaryOperator.identity());
    }

    /** The slot that a job leaves goes to the next of its key by the same statement. */
    static Pair of(TablesSql tables, String sql, UnaryOperator<String> withSlots) {
      return new Pair(
          tables.fill(sql.replaceAll("<(slot (columns|kept|before|left)|handoff)>", "")),
          tables.fill(
              withSlots
                  .apply(sql)
                  .replace("<slot columns>", ", j.partition_key, j.key_slot")
                  .replace("<handoff>", ",\n" + KeySql.HANDOFF.replace("<left>", "changed"))));
    }

    PreparedStatement prepare(Connection connection, List<Settlement> settlements)
        throws SQLException {
      return connection.prepareStatement(settlements.get(0).keyed() ? keyed : plain);
    }
  }

  /** What handlers write meanwhile. */
  ReportSql reports() {
    return reports;
  }

  /**
   * Writes what became of jobs of one claimant that share a fate, and of which all or none have a
   * partition key.
   *
   * @return those that were not under their fence any more, and whether they still exist
   */
  Map<Long, Boolean> settle(
      Connection connection, Fate fate, UUID claimant, String node, List<Settlement> settlements)
      throws SQLException {
    return switch (fate) {
      case DONE, DISCARDED, CANCELLED -> finish.write(connection, fate, claimant, settlements);
      case DEAD -> bury.write(connection, claimant, node, settlements);
      case RETRIED, SNOOZED, HANDED_BACK ->
          putBack.write(connection, fate, claimant, node, settlements);
    };
  }

  /** None where none of them has one. */
  static @Nullable String[] reasons(List<Settlement> settlements) {
    if (settlements.stream().allMatch(one -> one.reason() == null)) {
      return new String[0];
    }
    return settlements.stream().map(Settlement::reason).toArray(String[]::new);
  }

  static int bindKeys(
      Connection connection,
      PreparedStatement statement,
      List<Settlement> settlements,
      Duration idle)
      throws SQLException {
    PgDriver.planEachTime(statement);
    // Arrays of Long, not of Object: the driver sends them in binary.
    Long[] ids = settlements.stream().map(Settlement::id).toArray(Long[]::new);
    Long[] numbers = settlements.stream().map(one -> one.fence().number()).toArray(Long[]::new);
    statement.setString(1, Long.toString(idle.toMillis()));
    statement.setArray(2, connection.createArrayOf("bigint", ids));
    statement.setArray(3, connection.createArrayOf("bigint", numbers));
    return 4;
  }

  static Map<Long, Boolean> notFound(PreparedStatement statement) throws SQLException {
    Map<Long, Boolean> notFound = new HashMap<>();
    try (ResultSet row = statement.executeQuery()) {
      while (row.next()) {
        notFound.put(row.getLong(1), row.getBoolean(2));
      }
    }
    return notFound;
  }

  /** Finishes one job in the handler's own transaction. */
  FinishSql.Completed complete(Connection connection, ClaimedJob job, Settlement.Slots slots)
      throws SQLException {
    return finish.complete(connection, Settlement.of(job, Fate.DONE, slots));
  }

  /** Makes PostgreSQL refuse the transaction's commit. */
  static void abortTransaction(Connection connection, long id) {
    try (PreparedStatement failing = connection.prepareStatement(ABORT_TRANSACTION)) {
      failing.setString(1, "job " + id + " is not this worker's any more");
      failing.execute();
    } catch (SQLException expected) {
      // 22P02, and the transaction is aborted; or it could not be sent, and cannot be committed.
      return;
    }
  }
}
