package dev.pgbelay.lock.witness;

import com.github.benmanes.caffeine.cache.Cache;
import com.github.benmanes.caffeine.cache.Caffeine;
import dev.pgbelay.core.internal.PgDriver;
import dev.pgbelay.core.observe.BoundValues;
import dev.pgbelay.core.observe.CallSite;
import dev.pgbelay.core.observe.SavepointEvent.Action;
import java.lang.ref.WeakReference;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.Objects;
import java.util.OptionalLong;
import java.util.function.BooleanSupplier;
import org.jooq.ExecuteContext;
import org.jooq.ExecuteListener;
import org.jooq.Query;
import org.jooq.TransactionContext;
import org.jooq.TransactionListener;
import org.jspecify.annotations.Nullable;
import org.postgresql.PGConnection;

/**
 * Shows a {@link LockWitness} what goes through jOOQ. Set it on the {@code Configuration} twice, as
 * execute listener and as transaction listener: the latter tells it of savepoints. A transaction
 * that ends past jOOQ is noticed at the next statement. Safe for several threads.
 */
public final class WatchedJooq implements ExecuteListener, TransactionListener {
  private static final long serialVersionUID = 1L;
  private static final String SAVEPOINTS = WatchedJooq.class.getName();

  private final transient LockWitness witness;
  private final transient DatabaseView database;
  private final transient Cache<PGConnection, ObservedSession> sessions =
      Caffeine.newBuilder().weakKeys().build();

  WatchedJooq(LockWitness witness, DatabaseView database) {
    this.witness = witness;
    this.database = database;
  }

  @Override
  public void executeStart(ExecuteContext context) {
    PGConnection driver = driver(context.connection());
    if (driver != null && context.sql() != null) {
      ObservedSession session = session(driver);
      if (PgDriver.state(driver) == PgDriver.State.IDLE) {
        session.end(false, CallSite::here); // of a transaction whose end was not seen
      }
      session.starting(context.sql());
    }
  }

  @Override
  public void executeEnd(ExecuteContext context) {
    if (context.sqlException() == null) {
      tell(context, null);
    }
  }

  @Override
  public void exception(ExecuteContext context) {
    SQLException failure = context.sqlException();
    if (failure != null && !(failure instanceof DeadlockException)) {
      DeadlockReport deadlock = tell(context, failure);
      if (deadlock != null) {
        failure.addSuppressed(new DeadlockNote(deadlock));
      }
    }
  }

  private @Nullable DeadlockReport tell(ExecuteContext context, @Nullable SQLException failure) {
    PGConnection driver = driver(context.connection());
    String sql = context.sql();
    if (driver == null || sql == null) {
      return null;
    }
    DeadlockReport deadlock = null;
    boolean idle = PgDriver.state(driver) == PgDriver.State.IDLE;
    List<String> texts = texts(context, sql);
    OptionalLong rows =
        context.query() != null && context.resultSet() == null && context.rows() >= 0
            ? OptionalLong.of(context.rows())
            : OptionalLong.empty();
    for (int i = 0; i < texts.size(); i++) {
      DeadlockReport report =
          session(driver)
              .executed(
                  new Execution(
                      texts.get(i),
                      values(context),
                      idle && i == texts.size() - 1,
                      rows,
                      failure,
                      CallSite::here));
      deadlock = report == null ? deadlock : report;
    }
    return deadlock;
  }

  /** Of a batch of several statements jOOQ gives the last as the text. */
  private static List<String> texts(ExecuteContext context, String sql) {
    String[] batch = context.batchSQL();
    return batch == null || batch.length < 2 ? List.of(sql) : List.of(batch);
  }

  /** Not those of a batch, which jOOQ does not tell: its query has those of the template. */
  private static BoundValues values(ExecuteContext context) {
    Query single = context.query();
    return single == null
        ? BoundValues.none()
        : BoundValues.of(List.<@Nullable Object[]>of(single.getBindValues().toArray()));
  }

  private ObservedSession session(PGConnection driver) {
    return Objects.requireNonNull(
        sessions.get(
            driver,
            any -> {
              String url = PgDriver.url(driver);
              return new ObservedSession(
                  witness,
                  database,
                  ObservedSessions.Id.of(url == null ? "" : url, driver.getBackendPID()),
                  ObservedSessions.Id.database(url == null ? "" : url),
                  new IdleProbe(driver));
            }));
  }

  /** Holds the driver weakly, so that a session never keeps a connection alive. */
  private static final class IdleProbe implements BooleanSupplier {
    private final WeakReference<PGConnection> driver;

    IdleProbe(PGConnection driver) {
      this.driver = new WeakReference<>(driver);
    }

    @Override
    public boolean getAsBoolean() {
      PGConnection still = driver.get();
      return still == null || PgDriver.state(still) == PgDriver.State.IDLE;
    }
  }

  private static @Nullable PGConnection driver(@Nullable Connection connection) {
    try {
      return connection == null ? null : PgDriver.unwrap(connection);
    } catch (SQLException closed) {
      return null;
    }
  }

  /** jOOQ's nested transactions are savepoints; their depth names them. */
  @Override
  public void beginEnd(TransactionContext context) {
    depths(context).push(depths(context).size());
    savepoint(context, Action.SET);
  }

  @Override
  public void commitEnd(TransactionContext context) {
    savepoint(context, Action.RELEASED);
    depths(context).poll();
  }

  @Override
  public void rollbackEnd(TransactionContext context) {
    savepoint(context, Action.ROLLED_BACK_TO);
    depths(context).poll();
  }

  @SuppressWarnings("unchecked")
  private static Deque<Integer> depths(TransactionContext context) {
    return (Deque<Integer>)
        context.configuration().data().computeIfAbsent(SAVEPOINTS, any -> new ArrayDeque<>());
  }

  private void savepoint(TransactionContext context, Action action) {
    Integer depth = depths(context).peek();
    Connection connection = context.configuration().connectionProvider().acquire();
    if (connection == null) {
      return;
    }
    try {
      PGConnection driver = driver(connection);
      if (driver != null) {
        session(driver).savepoint(action, "jOOQ " + depth);
      }
    } finally {
      context.configuration().connectionProvider().release(connection);
    }
  }
}
