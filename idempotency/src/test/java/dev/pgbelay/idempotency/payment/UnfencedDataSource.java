package dev.pgbelay.idempotency.payment;

import dev.pgbelay.core.internal.PassingDataSource;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.sql.Connection;
import java.util.concurrent.atomic.AtomicInteger;
import javax.sql.DataSource;

/**
 * Takes the fence out of the statement by which whoever has a payment writes it: what other
 * libraries do, which match on the key alone. To show what the fence is for.
 */
final class UnfencedDataSource extends PassingDataSource {
  private static final String FENCE = "AND claimant = ? AND claim_number = ? AND state";
  private static final String NONE =
      "AND (claimant = ? OR true) AND (claim_number = ? OR true) AND state";

  private final AtomicInteger removed = new AtomicInteger();

  UnfencedDataSource(DataSource target) {
    super(target);
  }

  /** How often a fence was taken out: zero would prove nothing. */
  int removed() {
    return removed.get();
  }

  @Override
  protected Connection passed(Connection connection) {
    return (Connection)
        Proxy.newProxyInstance(
            UnfencedDataSource.class.getClassLoader(),
            new Class<?>[] {Connection.class},
            (proxy, method, args) -> {
              if (method.getName().equals("prepareStatement")
                  && args[0] instanceof String sql
                  && sql.contains(FENCE)) {
                args[0] = sql.replace(FENCE, NONE);
                removed.incrementAndGet();
              }
              try {
                return method.invoke(connection, args);
              } catch (InvocationTargetException e) {
                throw e.getCause();
              }
            });
  }
}
