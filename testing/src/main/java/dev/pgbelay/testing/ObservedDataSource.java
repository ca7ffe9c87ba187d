package dev.pgbelay.testing;

import dev.pgbelay.core.internal.PgDriver;
import dev.pgbelay.core.observe.CallSite;
import dev.pgbelay.core.observe.StatementEvent;
import dev.pgbelay.core.observe.StatementObserver;
import dev.pgbelay.core.observe.TransactionEvent;
import dev.pgbelay.core.observe.TransactionEvent.Outcome;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalLong;
import javax.sql.DataSource;
import net.ttddyy.dsproxy.ExecutionInfo;
import net.ttddyy.dsproxy.QueryInfo;
import net.ttddyy.dsproxy.listener.MethodExecutionContext;
import net.ttddyy.dsproxy.listener.MethodExecutionListener;
import net.ttddyy.dsproxy.listener.QueryExecutionListener;
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
      if (!(context.getTarget() instanceof Connection)) {
        return;
      }
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
