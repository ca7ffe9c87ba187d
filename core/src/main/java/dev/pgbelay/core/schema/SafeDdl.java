package dev.pgbelay.core.schema;

import static dev.pgbelay.core.schema.DdlException.Reason.FAILED;
import static dev.pgbelay.core.schema.DdlException.Reason.LOCK_NOT_ACQUIRED;

import dev.pgbelay.core.internal.PgDriver;
import java.sql.SQLException;
import java.time.Duration;
import java.util.Set;
import javax.sql.DataSource;
import org.jspecify.annotations.Nullable;

/**
 * Runs DDL on a database that is being used.
 *
 * <p>A statement that waits for a strong lock makes everybody who comes after it wait as well, even
 * those who only read. {@link #run} therefore gives up its wait after {@code lockTimeout}, lets the
 * traffic pass, and tries again: no one waits longer than that for a lock that the DDL does not
 * have yet. Each attempt is a transaction of its own with {@code SET LOCAL}, so this works behind
 * PgBouncer in transaction mode.
 *
 * <p>Connections come from the given {@link DataSource}, one at a time, and go back with the
 * settings they came with. Blocks until done; an interrupt ends the pauses between attempts, not a
 * running statement. Thread-safe.
 */
public final class SafeDdl {
  private static final Set<String> RETRIED =
      Set.of(DdlAttempts.LOCK_NOT_AVAILABLE, DdlAttempts.DEADLOCK_DETECTED);
  private static final Set<String> RETRIED_FOR_INDEX =
      Set.of(
          DdlAttempts.LOCK_NOT_AVAILABLE,
          DdlAttempts.DEADLOCK_DETECTED,
          IndexBuild.DUPLICATE_RELATION,
          IndexBuild.OBJECT_IN_USE);

  private final DataSource dataSource;
  private final DdlAttempts attempts;
  private final Duration indexLockTimeout;
  private final @Nullable Duration indexBuildTimeout;

  private SafeDdl(Builder builder) {
    this.dataSource = builder.dataSource;
    this.attempts = builder.attempts;
    this.indexLockTimeout = builder.indexLockTimeout;
    this.indexBuildTimeout = builder.indexBuildTimeout;
  }

  /** With the defaults of {@link #builder(DataSource)}. */
  public static SafeDdl of(DataSource dataSource) {
    return builder(dataSource).build();
  }

  public static Builder builder(DataSource dataSource) {
    return new Builder(dataSource);
  }

  /**
   * Runs one or more statements in one transaction, tried again while a lock is not to be had.
   *
   * @param ddl trusted text, which the server takes apart; it refuses COMMIT and ROLLBACK in it
   *     (0A000), and what cannot run in a transaction (25001)
   * @throws DdlException if no attempt got its locks, or the server refused the text (at once, with
   *     the driver's exception as cause); nothing of the text remains, unless the connection was
   *     lost during the commit
   */
  public DdlReport run(String ddl) {
    long start = System.nanoTime();
    try {
      int used =
          attempts.run(
              RETRIED,
              number -> {
                DdlTransaction.run(
                    dataSource,
                    tx -> {
                      tx.lockTimeout(attempts.lockTimeout());
                      tx.executeScript(ddl);
                      return number;
                    });
                return number;
              });
      return new DdlReport(used, Duration.ofNanos(System.nanoTime() - start));
    } catch (DdlAttempts.GaveUp e) {
      throw gaveUp("The DDL", attempts.lockTimeout(), e);
    } catch (SQLException e) {
      throw new DdlException(FAILED, "The DDL was not run: " + told(e), e);
    }
  }

  /**
   * Makes sure that a valid index of this name and definition stands, without blocking writes. Safe
   * to repeat, by many nodes at once, and after a crash: an invalid index that an earlier attempt
   * left under the name is dropped first, a build under way elsewhere is waited for, and a valid
   * index is compared with the definition asked for.
   *
   * <p>A concurrent build waits for every transaction that is older than it, so {@code
   * indexLockTimeout} is long: that wait stands in nobody's way. A failed build leaves an invalid
   * index that slows writes and serves no reader; it is dropped concurrently before this method
   * returns or tries again. If even that fails it stays, named {@code pgbelay_invalid_} and its
   * number, until the next call for the same table.
   *
   * <p>The build cannot run in a transaction, so on a direct connection lock_timeout and
   * statement_timeout are set for the session and put back as they were; a connection where that
   * fails is destroyed. Through a pooler nothing is set: the role's own timeouts apply, and {@code
   * indexBuildTimeout} cancels from the client.
   *
   * @param createIndex trusted text of the form {@code CREATE [UNIQUE] INDEX CONCURRENTLY name ON
   *     table …}, one statement with nothing before it and nothing behind a semicolon
   * @throws DdlException with the reason. After {@code FAILED} for duplicate keys (SQLSTATE 23505)
   *     or a timeout no index of that name is left
   */
  public IndexReport createIndexConcurrently(String createIndex) {
    IndexStatement wanted = IndexStatement.parse(createIndex);
    IndexBuild build = new IndexBuild(dataSource, wanted, indexLockTimeout, indexBuildTimeout);
    long start = System.nanoTime();
    int[] used = new int[1];
    try {
      IndexReport.Outcome outcome =
          attempts.run(
              RETRIED_FOR_INDEX,
              number -> {
                used[0] = number;
                return build.attempt();
              });
      return new IndexReport(
          outcome,
          build.indexName(),
          used[0],
          build.removed(),
          Duration.ofNanos(System.nanoTime() - start));
    } catch (DdlAttempts.GaveUp e) {
      throw gaveUp("Index " + wanted.name(), indexLockTimeout, e);
    } catch (SQLException e) {
      throw new DdlException(
          FAILED,
          "Index "
              + wanted.name()
              + " on "
              + wanted.table()
              + " was not built: "
              + told(e)
              + (e.getSuppressed().length == 0
                  ? ""
                  : ". Cleaning up failed as well: call again to drop the invalid index"),
          e);
    }
  }

  /** Without detail and hint, which hold values of rows. */
  private static String told(SQLException e) {
    String text = PgDriver.serverMessage(e) + " (SQLSTATE " + e.getSQLState() + ")";
    return PgDriver.isFromServer(e)
        ? text + ". Mend the statement, the rows it meets or the role's grants, and run it again"
        : text + ". See in the database what stands there before running it again";
  }

  private static DdlException gaveUp(String what, Duration lockTimeout, DdlAttempts.GaveUp e) {
    return new DdlException(
        LOCK_NOT_ACQUIRED,
        what
            + " was not run: "
            + e.describe()
            + " with a lock_timeout of "
            + lockTimeout.toMillis()
            + " ms. Look for long transactions in pg_stat_activity (xact_start) and run it again",
        e.getCause());
  }

  /** Options of {@link SafeDdl}. Not thread-safe. */
  public static final class Builder {
    private final DataSource dataSource;
    private DdlAttempts attempts = DdlAttempts.DEFAULTS;
    private Duration indexLockTimeout = Duration.ofMinutes(1);
    private @Nullable Duration indexBuildTimeout;

    private Builder(DataSource dataSource) {
      this.dataSource = dataSource;
    }

    /** How long one attempt waits for its locks, and so holds up others: 500 ms unless said. */
    public Builder lockTimeout(Duration timeout) {
      this.attempts = attempts.withLockTimeout(timeout);
      return this;
    }

    /** The most attempts: 30 unless said. */
    public Builder maxAttempts(int attempts) {
      this.attempts = this.attempts.withMaxAttempts(attempts);
      return this;
    }

    /** No attempt starts after this long: three minutes unless said. */
    public Builder maxDuration(Duration duration) {
      this.attempts = attempts.withMaxDuration(duration);
      return this;
    }

    /** The pauses between attempts, doubling with jitter: 250 ms to 10 s unless said. */
    public Builder pauses(Duration first, Duration max) {
      this.attempts = attempts.withPauses(first, max);
      return this;
    }

    /**
     * How long a concurrent build waits for one older transaction or another build: one minute
     * unless said.
     */
    public Builder indexLockTimeout(Duration timeout) {
      DdlAttempts.require("indexLockTimeout", timeout, Duration.ofMillis(1), Duration.ofHours(24));
      this.indexLockTimeout = timeout;
      return this;
    }

    /**
     * How long one concurrent build may take before it is cancelled, in whole seconds: unbounded
     * unless said.
     */
    public Builder indexBuildTimeout(Duration timeout) {
      DdlAttempts.require("indexBuildTimeout", timeout, Duration.ofSeconds(1), Duration.ofDays(7));
      this.indexBuildTimeout = timeout;
      return this;
    }

    public SafeDdl build() {
      return new SafeDdl(this);
    }
  }
}
