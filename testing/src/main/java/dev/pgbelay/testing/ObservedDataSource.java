package dev.pgbelay.testing;

import dev.pgbelay.core.internal.PgDriver;
import dev.pgbelay.core.observe.BoundValues;
import dev.pgbelay.core.observe.CallSite;
import dev.pgbelay.core.observe.SavepointEvent;
import dev.pgbelay.core.observe.StatementEvent;
import dev.pgbelay.core.observe.StatementObserver;
import dev.pgbelay.core.observe.TransactionEvent;
import dev.pgbelay.core.observe.TransactionEvent.Outcome;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalLong;
import javax.sql.DataSource;
import net.ttddyy.dsproxy.ExecutionInfo;
import net.ttddyy.dsproxy.QueryInfo;
import net.ttddyy.dsproxy.listener.MethodExecutionContext;
import net.ttddyy.dsproxy.listener.MethodExecutionListener;
import net.ttddyy.dsproxy.listener.QueryExecutionListener;
import net.ttddyy.dsproxy.proxy.ParameterSetOperation;
import net.ttddyy.dsproxy.support.ProxyDataSourceBuilder;
import org.jspecify.annotations.Nullable;
import org.postgresql.PGConnection;

/**
 * A DataSource whose statements and transaction ends observers are told about. The driver's own
 * interfaces stay within reach of {@code unwrap}; what is done through them, such as COPY, is not
 * seen.
 */
final class ObservedDataSource {
  private ObservedDataSource() {}

  static DataSource of(DataSource dataSource, List<StatementObserver> observers) {
    Relay relay = new Relay(observers);
    return ProxyDataSourceBuilder.create(dataSource).listener(relay).methodListener(relay).build();
  }

  private static final class Relay implements QueryExecutionListener, MethodExecutionListener {
    private static final String SAVEPOINT = Savepoint.class.getName();

    private final List<StatementObserver> observers;

    Relay(List<StatementObserver> observers) {
      this.observers = List.copyOf(observers);
    }

    @Override
    public void beforeQuery(ExecutionInfo execution, List<QueryInfo> queries) {
      // all is told afterwards, when the outcome is known
    }

    @Override
    public void afterQuery(ExecutionInfo execution, List<QueryInfo> queries) {
      CallSite here = CallSite.here();
      try {
        Connection connection = execution.getStatement().getConnection();
        long session = session(connection);
        boolean autoCommit = connection.getAutoCommit();
        for (int i = 0; i < queries.size(); i++) {
          QueryInfo query = queries.get(i);
          StatementEvent event =
              new StatementEvent(
                  session,
                  query.getQuery(),
                  values(query.getParametersList()),
                  Math.max(1, query.getParametersList().size()),
                  autoCommit,
                  updateCount(execution, queries.size() > 1 ? i : -1),
                  execution.getThrowable(),
                  here);
          observers.forEach(observer -> observer.executed(event));
          for (Outcome outcome : TransactionText.ends(query.getQuery())) {
            tellEnd(session, outcome, execution.getThrowable(), here);
          }
        }
      } catch (SQLException e) {
        // The session is gone: the statement has failed already, and nobody is left to ask.
        if (execution.getThrowable() == null) {
          throw new ClusterException("an observed statement's session cannot be identified", e);
        }
      }
    }

    private static BoundValues values(List<List<ParameterSetOperation>> sets) {
      List<@Nullable Object[]> values = new ArrayList<>(sets.size());
      for (List<ParameterSetOperation> set : sets) {
        @Nullable Object[] bound = new @Nullable Object[set.size()];
        for (ParameterSetOperation operation : set) {
          @Nullable Object[] args = operation.getArgs();
          if (args.length > 1 && args[0] instanceof Integer ordinal && ordinal >= 1) {
            bound = ordinal > bound.length ? Arrays.copyOf(bound, ordinal) : bound;
            boolean isNull = operation.getMethod().getName().equals("setNull");
            bound[ordinal - 1] = isNull ? null : args[1];
          }
        }
        values.add(bound);
      }
      return BoundValues.of(values);
    }

    /** What JDBC returned: nothing of {@code execute()}, whose count must be asked for. */
    private static OptionalLong updateCount(ExecutionInfo execution, int index)
        throws SQLException {
      Object result = execution.getResult();
      if (result instanceof int[] counts) {
        return sum(Arrays.stream(counts).asLongStream().toArray(), index);
      }
      if (result instanceof long[] counts) {
        return sum(counts, index);
      }
      if (result instanceof Number count) {
        return OptionalLong.of(count.longValue());
      }
      if (Boolean.FALSE.equals(result)) {
        long count = execution.getStatement().getLargeUpdateCount();
        return count < 0 ? OptionalLong.empty() : OptionalLong.of(count);
      }
      return OptionalLong.empty();
    }

    private static OptionalLong sum(long[] counts, int index) {
      if (index >= 0) {
        return index < counts.length && counts[index] >= 0
            ? OptionalLong.of(counts[index])
            : OptionalLong.empty();
      }
      long sum = 0;
      for (long count : counts) {
        if (count < 0) {
          return OptionalLong.empty();
        }
        sum += count;
      }
      return OptionalLong.of(sum);
    }

    @Override
    public void beforeMethod(MethodExecutionContext context) {
      if (!(context.getTarget() instanceof Connection connection)) {
        return;
      }
      noteSavepoint(context);
      String method = context.getMethod().getName();
      try {
        boolean ends =
            method.equals("close")
                || method.equals("abort")
                || (method.equals("setAutoCommit")
                    && Boolean.TRUE.equals(context.getMethodArgs()[0]))
                || (isEnd(method) && context.getMethod().getParameterCount() == 0);
        if (ends && !connection.isClosed()) {
          PGConnection driver = PgDriver.unwrap(connection);
          if (PgDriver.state(driver) != PgDriver.State.IDLE) {
            context.addCustomValue(Relay.class.getName(), (long) driver.getBackendPID());
          }
        }
      } catch (SQLException e) {
        context.addCustomValue(Relay.class.getName(), 0L);
      }
    }

    private static boolean isEnd(String method) {
      return method.equals("commit") || method.equals("rollback");
    }

    @Override
    public void afterMethod(MethodExecutionContext context) {
      if (!(context.getTarget() instanceof Connection connection)) {
        return;
      }
      tellSavepoint(connection, context);
      Long session = context.getCustomValue(Relay.class.getName(), Long.class);
      if (session == null) {
        return;
      }
      Outcome outcome =
          switch (context.getMethod().getName()) {
            case "rollback" -> Outcome.ROLLED_BACK;
            case "close", "abort" -> Outcome.ABANDONED;
            default -> Outcome.COMMITTED;
          };
      tellEnd(session, outcome, context.getThrown(), CallSite.here());
    }

    /** Before the call, because a savepoint that was released no longer says its name. */
    private static void noteSavepoint(MethodExecutionContext context) {
      @Nullable Object @Nullable [] args = context.getMethodArgs();
      if (args != null && args.length == 1 && args[0] instanceof Savepoint savepoint) {
        try {
          context.addCustomValue(SAVEPOINT, PgDriver.name(savepoint));
        } catch (SQLException released) {
          // the call is about to fail for the same reason
        }
      }
    }

    private void tellSavepoint(Connection connection, MethodExecutionContext context) {
      String method = context.getMethod().getName();
      try {
        String name =
            method.equals("setSavepoint") && context.getResult() instanceof Savepoint made
                ? PgDriver.name(made)
                : context.getCustomValue(SAVEPOINT, String.class);
        if (name == null || context.getThrown() != null) {
          return;
        }
        SavepointEvent.Action action =
            switch (method) {
              case "setSavepoint" -> SavepointEvent.Action.SET;
              case "releaseSavepoint" -> SavepointEvent.Action.RELEASED;
              default -> SavepointEvent.Action.ROLLED_BACK_TO;
            };
        SavepointEvent event = new SavepointEvent(session(connection), action, name);
        observers.forEach(observer -> observer.savepoint(event));
      } catch (SQLException e) {
        throw new ClusterException("an observed savepoint cannot be identified", e);
      }
    }

    private void tellEnd(
        long session, Outcome outcome, @Nullable Throwable failure, CallSite here) {
      TransactionEvent event =
          new TransactionEvent(session, failure == null ? outcome : Outcome.UNKNOWN, failure, here);
      observers.forEach(observer -> observer.ended(event));
    }

    private static long session(Connection connection) throws SQLException {
      return PgDriver.unwrap(connection).getBackendPID();
    }
  }
}
