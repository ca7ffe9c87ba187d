package dev.pgbelay.core.schema;

import static dev.pgbelay.core.schema.DdlException.Reason.NAME_TAKEN;
import static dev.pgbelay.core.schema.DdlException.Reason.OTHER_DEFINITION;

import dev.pgbelay.core.schema.IndexCatalog.Index;
import dev.pgbelay.core.schema.IndexCatalog.Table;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.Optional;
import javax.sql.DataSource;
import org.jspecify.annotations.Nullable;

/**
 * One index, from any state an earlier attempt left behind to valid. One attempt per call of {@link
 * #attempt}.
 */
final class IndexBuild {
  static final String DUPLICATE_RELATION = "42P07";
  static final String OBJECT_IN_USE = "55006";

  private final DataSource dataSource;
  private final IndexStatement wanted;
  private final Duration lockTimeout;
  private final @Nullable Duration buildTimeout;
  private int removed;
  private String indexName = "";

  IndexBuild(
      DataSource dataSource,
      IndexStatement wanted,
      Duration lockTimeout,
      @Nullable Duration buildTimeout) {
    this.dataSource = dataSource;
    this.wanted = wanted;
    this.lockTimeout = lockTimeout;
    this.buildTimeout = buildTimeout;
  }

  /** Invalid left-overs dropped so far. */
  int removed() {
    return removed;
  }

  /** The index's schema and name, quoted; empty before the first attempt found the table. */
  String indexName() {
    return indexName;
  }

  IndexReport.Outcome attempt() throws SQLException {
    try (Connection connection = dataSource.getConnection()) {
      boolean autoCommit = connection.getAutoCommit();
      connection.setAutoCommit(true);
      SessionTimeouts timeouts = SessionTimeouts.set(connection, lockTimeout);
      IndexReport.Outcome outcome;
      try {
        outcome = attempt(connection);
      } finally {
        timeouts.restore();
      }
      connection.setAutoCommit(autoCommit);
      return outcome;
    }
  }

  private IndexReport.Outcome attempt(Connection connection) throws SQLException {
    Table table = IndexCatalog.findTable(connection, wanted);
    indexName = IndexCatalog.quoted(table.schema(), wanted.name());
    for (String leftOver : IndexCatalog.findSetAside(connection, table)) {
      drop(connection, IndexCatalog.quoted(table.schema(), leftOver));
    }
    Optional<Index> existing = IndexCatalog.findIndex(connection, table, wanted.name());
    if (existing.isPresent()) {
      Index index = existing.get();
      requireOurs(table, index);
      if (index.valid()) {
        requireSameDefinition(connection, table, index);
        return IndexReport.Outcome.ALREADY_THERE;
      }
      if (!removeInvalid(connection, table)) {
        // Somebody else's build came to its end while we waited for it.
        return attempt(connection);
      }
    }
    build(connection, table);
    return IndexReport.Outcome.BUILT;
  }

  private void build(Connection connection, Table table) throws SQLException {
    String sql =
        String.format(
            IndexSql.BUILD,
            wanted.unique() ? "UNIQUE " : "",
            IndexCatalog.quoted(wanted.name()),
            table.quoted(),
            wanted.definition());
    try (Statement statement = connection.createStatement()) {
      statement.setEscapeProcessing(false);
      if (buildTimeout != null) {
        statement.setQueryTimeout((int) Math.max(1, buildTimeout.toSeconds()));
      }
      statement.execute(sql);
    } catch (SQLException e) {
      if (!DUPLICATE_RELATION.equals(e.getSQLState())) {
        try {
          removeInvalid(connection, table);
        } catch (SQLException | RuntimeException onCleanUp) {
          e.addSuppressed(onCleanUp);
        }
      }
      throw e;
    }
  }

  /**
   * Drops the index of the wanted name if it is invalid and nobody is building it. Renaming it
   * under a lock that keeps builders out makes sure that what is dropped is the invalid index and
   * not its valid successor: DROP INDEX CONCURRENTLY itself can carry no condition.
   *
   * @return false if there is no invalid index of that name (any more)
   */
  private boolean removeInvalid(Connection connection, Table table) throws SQLException {
    Optional<String> setAside = setAside(connection, table);
    if (setAside.isEmpty()) {
      return false;
    }
    drop(connection, IndexCatalog.quoted(table.schema(), setAside.get()));
    return true;
  }

  private Optional<String> setAside(Connection connection, Table table) throws SQLException {
    return DdlTransaction.run(
        connection,
        tx -> {
          tx.lockTimeout(lockTimeout);
          tx.execute(String.format(IndexSql.LOCK_OUT_BUILDERS, table.quoted()));
          requireNoEndingBuild(tx.connection(), table);
          // A new snapshot, taken when no builder was at work: what it says of validity stays so.
          Optional<Index> index = IndexCatalog.findIndex(tx.connection(), table, wanted.name());
          if (index.isEmpty() || index.get().tableOid() != table.oid() || index.get().valid()) {
            return Optional.empty();
          }
          String name = "pgbelay_invalid_" + index.get().oid();
          tx.execute(
              String.format(
                  IndexSql.SET_ASIDE,
                  IndexCatalog.quoted(table.schema(), wanted.name()),
                  IndexCatalog.quoted(name)));
          return Optional.of(name);
        });
  }

  /**
   * A concurrent build lets go of its lock on the table just before it commits that the index is
   * valid, so the lock alone does not tell an abandoned index from a finished one. (Seen on
   * PostgreSQL 18: an index dropped that was valid a moment later.)
   */
  private void requireNoEndingBuild(Connection connection, Table table) throws SQLException {
    try (PreparedStatement find = connection.prepareStatement(IndexSql.FIND_ENDING_BUILD)) {
      find.setString(1, table.schema());
      find.setString(2, wanted.name());
      try (ResultSet row = find.executeQuery()) {
        if (row.next()) {
          throw new SQLException(
              "Another build of " + indexName + " is about to end", OBJECT_IN_USE);
        }
      }
    }
  }

  private void drop(Connection connection, String quotedIndex) throws SQLException {
    DdlTransaction.execute(connection, String.format(IndexSql.DROP_CONCURRENTLY, quotedIndex));
    removed++;
  }

  private void requireOurs(Table table, Index index) {
    if (index.tableOid() != table.oid()) {
      throw new DdlException(
          NAME_TAKEN,
          indexName
              + " is "
              + (index.tableOid() == 0 ? "not an index" : "an index of another table")
              + ". Give the index on "
              + table.quoted()
              + " another name");
    }
  }

  private void requireSameDefinition(Connection connection, Table table, Index index)
      throws SQLException {
    String spelled = spellWanted(connection, table);
    IndexStatement there = IndexStatement.parseOrNull(index.definition());
    IndexStatement asked = IndexStatement.parseOrNull(spelled);
    if (there == null || asked == null || !there.sameDefinition(asked)) {
      throw new DdlException(
          OTHER_DEFINITION,
          indexName
              + " exists with another definition. There: "
              + index.definition()
              + ". Asked for: "
              + (asked == null ? spelled : asked.describe())
              + ". Use a new name, build, then drop the old index");
    }
  }

  /** The wanted definition in the server's own spelling: the only one fit for comparison. */
  private String spellWanted(Connection connection, Table table) throws SQLException {
    String[] spelled = new String[1];
    try {
      DdlTransaction.run(
          connection,
          tx -> {
            tx.lockTimeout(lockTimeout);
            tx.execute(String.format(IndexSql.MAKE_PROBE, table.quoted()));
            tx.execute(
                String.format(
                    IndexSql.INDEX_PROBE, wanted.unique() ? "UNIQUE " : "", wanted.definition()));
            try (Statement statement = tx.connection().createStatement();
                ResultSet row = statement.executeQuery(IndexSql.SPELL_PROBE)) {
              row.next();
              spelled[0] = row.getString(1);
            }
            throw new ProbeDone();
          });
    } catch (ProbeDone done) {
      return spelled[0];
    }
    throw new IllegalStateException("The probe always ends by a rollback");
  }

  /** Ends the probe's transaction by a rollback. */
  private static final class ProbeDone extends RuntimeException {
    private static final long serialVersionUID = 1L;

    ProbeDone() {
      super(null, null, false, false);
    }
  }
}
