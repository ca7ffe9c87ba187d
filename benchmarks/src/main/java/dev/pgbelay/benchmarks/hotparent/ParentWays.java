package dev.pgbelay.benchmarks.hotparent;

import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.name;
import static org.jooq.impl.DSL.table;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.reconcile.Reference;
import dev.pgbelay.reconcile.guard.ParentGuard;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import javax.sql.DataSource;
import org.jooq.impl.SQLDataType;

/** The ways to insert a child, for one thread at a time. */
final class ParentWays {
  private static final Reference REFERENCE =
      Reference.builder("bench-child-parent")
          .child(table(name("bench_child_free")), field(name("parent"), SQLDataType.BIGINT))
          .parent(table(name("bench_parent")), field(name("id"), SQLDataType.BIGINT))
          .build();
  private static final Duration KEEP = Duration.ofSeconds(30);
  private static final long MOST = 10_000;

  private ParentWays() {}

  static ParentGuard locked() {
    return ParentGuard.locked(REFERENCE);
  }

  static ParentGuard exists() {
    return ParentGuard.exists(REFERENCE);
  }

  static ParentGuard cached() {
    return ParentGuard.cached(REFERENCE, KEEP, MOST);
  }

  /** Opens what one thread needs. */
  interface Way {
    Inserter open() throws Exception;

    default boolean isTransaction() {
      return true;
    }
  }

  /** Inserts one child. */
  interface Inserter extends AutoCloseable {
    /** Inserts one; its transaction stays open for so many milliseconds after that. */
    void insert(long openMillis) throws Exception;

    @Override
    default void close() throws SQLException {}
  }

  /** One statement, prepared once, which is its own transaction. */
  static Way autocommit(DataSource pool, String insert) {
    return new Way() {
      @Override
      public boolean isTransaction() {
        return false;
      }

      @Override
      public Inserter open() throws SQLException {
        return new Alone(pool.getConnection(), insert);
      }
    };
  }

  private static final class Alone implements Inserter {
    private final Connection connection;
    private final PreparedStatement statement;

    Alone(Connection connection, String insert) throws SQLException {
      this.connection = connection;
      this.statement = connection.prepareStatement(insert);
    }

    @Override
    public void insert(long openMillis) throws SQLException {
      statement.executeUpdate();
    }

    @Override
    public void close() throws SQLException {
      statement.close();
      connection.close();
    }
  }

  /** In a transaction, as a service has it that does more in it. */
  static Way transaction(Transactions transactions, String insert, Optional<ParentGuard> guard) {
    Inserter one =
        openMillis ->
            transactions.execute(
                tx -> {
                  guard.ifPresent(each -> each.check(tx, 1L));
                  tx.dsl().execute(insert);
                  if (openMillis > 0) {
                    TimeUnit.MILLISECONDS.sleep(openMillis);
                  }
                });
    return () -> one;
  }
}
