package dev.pgbelay.jobqueue;

import dev.pgbelay.jobqueue.SettleSql.Pair;
import dev.pgbelay.jobqueue.Settlement.Fate;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.UUID;

/** The statement about jobs that have ended and leave a record: done, discarded, cancelled. */
final class FinishSql {
  /** The element that belongs to a job, of an array beside the ascending array of ids. */
  private static final String BESIDE =
      "(CAST((SELECT <array> FROM given) AS <type>[]))[width_bucket(j.id, (SELECT ids FROM given))]";

  /**
   * Binds idle milliseconds, ids in ascending order, numbers, reasons, claimant, outcome. There may
   * be no reasons. The ids are one array of keys and not joined: that takes a third of the time.
   */
  private static final String FINISH =
      """
      WITH given AS MATERIALIZED (
        SELECT set_config('idle_in_transaction_session_timeout', ? || 'ms', true),
               clock_timestamp() AS now, CAST(? AS bigint[]) AS ids, CAST(? AS bigint[]) AS numbers,
               CAST(? AS text[]) AS reasons),
      changed AS (
        DELETE FROM <job> AS j
         WHERE j.id = ANY (CAST((SELECT ids FROM given) AS bigint[])) <fence>
        RETURNING j.id, j.attempt, j.queue, j.kind, j.tags,
                  <reason> AS reason<slot columns><savepoint>),
      kept AS (
        INSERT INTO <finished> (id, finished_at, finished_day, attempt, outcome, queue, kind, reason,
                                tags)
        SELECT id, (SELECT now FROM given),
               (SELECT CAST(floor(extract(epoch FROM now) / 86400) AS integer) FROM given),
               attempt, ?, queue, kind, reason, tags
          FROM changed)<handoff>
      """;

  private static final String NOT_FOUND =
      """
      SELECT one.id, EXISTS (SELECT FROM <job> AS j WHERE j.id = one.id)
        FROM given, unnest(given.ids) AS one(id)
       WHERE (SELECT count(*) FROM changed) < cardinality(given.ids)
         AND NOT EXISTS (SELECT FROM changed WHERE changed.id = one.id)\
      """;

  /** Who deleted the row: a savepoint has a transaction id of its own. */
  private static final String IN_SAVEPOINT =
      ", j.xmax <> CAST(pg_current_xact_id() AS xid) AS in_savepoint";

  private static final String COMPLETED = "SELECT in_savepoint FROM changed";

  /** Of two claims of one job the later one is the last. */
  private static final Comparator<Settlement> BY_ID =
      Comparator.comparingLong(Settlement::id).thenComparingLong(one -> one.fence().number());

  /**
   * How a job was finished in somebody's transaction.
   *
   * @param held whether it was under its fence
   * @param inSavepoint whether that can be taken back while the transaction is committed
   */
  record Completed(boolean held, boolean inSavepoint) {}

  private final Pair statements;
  private final Pair completions;
  private final Duration idle;

  FinishSql(TablesSql tables, Duration idle, String fence) {
    this.idle = idle;
    String finish =
        FINISH
            .replace("<fence>", fence.replace("<number>", beside("numbers", "bigint")))
            .replace("<reason>", beside("reasons", "text"));
    this.statements = Pair.of(tables, finish.replace("<savepoint>", "") + NOT_FOUND);
    this.completions = Pair.of(tables, finish.replace("<savepoint>", IN_SAVEPOINT) + COMPLETED);
  }

  private static String beside(String array, String type) {
    return BESIDE.replace("<array>", array).replace("<type>", type);
  }

  Map<Long, Boolean> write(
      Connection connection, Fate fate, UUID claimant, List<Settlement> unordered)
      throws SQLException {
    List<Settlement> settlements = unordered.stream().sorted(BY_ID).toList();
    try (PreparedStatement delete = statements.prepare(connection, settlements)) {
      bind(connection, delete, fate, claimant, settlements);
      return SettleSql.notFound(delete);
    }
  }

  /** One job, in the transaction of its handler. */
  Completed complete(Connection connection, Settlement done) throws SQLException {
    List<Settlement> one = List.of(done);
    try (PreparedStatement delete = completions.prepare(connection, one)) {
      bind(connection, delete, Fate.DONE, done.fence().claimant(), one);
      try (ResultSet row = delete.executeQuery()) {
        boolean held = row.next();
        return new Completed(held, held && row.getBoolean(1));
      }
    }
  }

  private void bind(
      Connection connection,
      PreparedStatement delete,
      Fate fate,
      UUID claimant,
      List<Settlement> settlements)
      throws SQLException {
    int next = SettleSql.bindKeys(connection, delete, settlements, idle);
    delete.setArray(next++, connection.createArrayOf("text", SettleSql.reasons(settlements)));
    delete.setObject(next++, claimant);
    delete.setString(next, fate.tag());
  }
}
