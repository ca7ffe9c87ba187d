package dev.pgbelay.reconcile.repair;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.internal.PassingDataSource;
import dev.pgbelay.reconcile.ChildJvm;
import dev.pgbelay.reconcile.ShopFixture;
import java.io.File;
import java.io.IOException;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.Statement;
import java.util.function.IntConsumer;
import javax.sql.DataSource;
import org.postgresql.ds.PGSimpleDataSource;

/** A JVM that repairs, and ends without a word before the statement that a test names. */
public final class RepairProcess {
  private RepairProcess() {}

  static Process start(String url, int lastStatement) throws IOException {
    return start(RepairProcess.class, url, lastStatement);
  }

  /** Of a class whose {@code main} takes these two. */
  public static Process start(Class<?> main, String url, int lastStatement) throws IOException {
    return ChildJvm.of(main, url, Integer.toString(lastStatement))
        .redirectInput(ProcessBuilder.Redirect.from(new File("/dev/null")))
        .start();
  }

  public static void main(String[] args) {
    PGSimpleDataSource database = new PGSimpleDataSource();
    database.setUrl(args[0]);
    int last = Integer.parseInt(args[1]);
    repairs(endingBefore(database, last)).run();
  }

  /** Ends the process before it sends that statement. */
  public static DataSource endingBefore(DataSource dataSource, int lastStatement) {
    return counted(
        dataSource,
        number -> {
          if (number == lastStatement) {
            Runtime.getRuntime().halt(137);
          }
        });
  }

  static Repairs repairs(DataSource dataSource) {
    return Repairs.builder(Transactions.of(dataSource), ShopFixture.ALL)
        .policy("order-customer", RepairPolicy.quarantine())
        .policy("order-total", RepairPolicy.recompute())
        .policy(
            "order-status",
            RepairPolicy.custom(
                (tx, finding) ->
                    tx.dsl()
                        .execute(
                            "update orders set status = 'cancelled'"
                                + " where id = cast(cast(? as jsonb) ->> 0 as bigint)",
                            finding.rowKey())))
        .build();
  }

  /** Tells the number of each statement before it is sent. Of one thread. */
  static DataSource counted(DataSource dataSource, IntConsumer before) {
    int[] count = new int[1];
    return new PassingDataSource(dataSource) {
      @Override
      protected Connection passed(Connection connection) {
        return proxy(
            Connection.class,
            connection,
            result ->
                result instanceof PreparedStatement prepared
                    ? proxy(PreparedStatement.class, prepared, inner -> inner)
                    : result instanceof Statement statement
                        ? proxy(Statement.class, statement, inner -> inner)
                        : result);
      }

      private <T> T proxy(Class<T> type, T target, java.util.function.UnaryOperator<Object> wrap) {
        return type.cast(
            Proxy.newProxyInstance(
                type.getClassLoader(),
                new Class<?>[] {type},
                (self, method, arguments) -> {
                  boolean sends =
                      method.getName().startsWith("execute")
                          || method.getName().equals("commit")
                          || method.getName().equals("rollback");
                  if (sends) {
                    before.accept(++count[0]);
                  }
                  try {
                    Object result = method.invoke(target, arguments);
                    return result == null ? null : wrap.apply(result);
                  } catch (InvocationTargetException e) {
                    throw e.getCause();
                  }
                }));
      }
    };
  }
}
