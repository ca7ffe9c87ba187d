package dev.pgbelay.core;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.testing.FaultProxy;
import dev.pgbelay.testing.PostgresDatabase;
import dev.pgbelay.testing.PostgresExtension;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.ExtendWith;

/**
 * HikariCP asks a pool's first connection for its default isolation, once. If that connection dies
 * at this very moment, the pool keeps -1 for the answer, and every later connection is refused with
 * "Transaction isolation level -1 not supported", however healthy the server: until the pool is
 * closed. A pool that was told its isolation does not care.
 */
@ExtendWith(PostgresExtension.class)
@Timeout(60)
class PoolFirstConnectionTest {
  private final PostgresDatabase database;

  PoolFirstConnectionTest(PostgresDatabase database) {
    this.database = database;
  }

  /** Cuts the wire under the first connection when its default isolation is asked for. */
  private record CutsTheFirst(FaultProxy proxy, String url, AtomicBoolean done)
      implements BareDataSource {
    @Override
    public Connection getConnection() throws SQLException {
      Connection connection = DriverManager.getConnection(url);
      return (Connection)
          Proxy.newProxyInstance(
              getClass().getClassLoader(),
              new Class<?>[] {Connection.class},
              (self, method, args) -> {
                if (method.getName().equals("getTransactionIsolation")
                    && done.compareAndSet(false, true)) {
                  proxy.dropConnections();
                }
                try {
                  return method.invoke(connection, args);
                } catch (InvocationTargetException e) {
                  throw e.getCause();
                }
              });
    }
  }

  private @Nullable Throwable secondTry(@Nullable String isolation) {
    try (FaultProxy proxy = FaultProxy.inFrontOf(database.cluster().primary())) {
      CutsTheFirst source =
          new CutsTheFirst(proxy, proxy.jdbcUrl(database.name()), new AtomicBoolean());
      HikariConfig config = Pools.config(1);
      config.setDataSource(source);
      config.setConnectionTimeout(1_000);
      config.setTransactionIsolation(isolation);
      try (HikariDataSource pool = new HikariDataSource(config)) {
        Transactions transactions = Transactions.of(pool);
        TxOptions once = TxOptions.builder().retry(TxOptions.Retry.none()).build();
        Throwable first = catchThrowable(() -> transactions.execute(once, tx -> {}));
        assertThat(source.done()).isTrue();
        if (first != null) {
          assertThat(Failures.classify(first).fate()).isEqualTo(FailureKind.Fate.NEVER_BEGUN);
        }
        return catchThrowable(() -> transactions.execute(once, tx -> tx.dsl().execute("select 1")));
      }
    }
  }

  @Test
  void poolWithoutAnIsolation_isUselessAfterThatAndSaysWhy() {
    Throwable failure = secondTry(null);

    assertThat(failure)
        .isInstanceOf(TransactionException.class)
        .hasStackTraceContaining("Transaction isolation level -1 not supported");
    assertThat(Failures.classify(failure))
        .as("connections are there, but cannot be made use of: nobody holds them")
        .isEqualTo(FailureKind.CANNOT_CONNECT);
  }

  @Test
  void poolWithAnIsolation_goesOn() {
    assertThat(secondTry("TRANSACTION_READ_COMMITTED")).isNull();
  }
}
