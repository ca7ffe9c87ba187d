package dev.pgbelay.examples;

import static org.jooq.impl.DSL.constraint;
import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.name;
import static org.jooq.impl.DSL.table;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.Commit;
import dev.pgbelay.core.TransactionAbortedException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.testing.PostgresCluster;
import java.io.PrintStream;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import javax.sql.DataSource;
import org.jooq.DSLContext;
import org.jooq.Field;
import org.jooq.Record;
import org.jooq.SQLDialect;
import org.jooq.Table;
import org.jooq.exception.DataAccessException;
import org.jooq.impl.DSL;
import org.jooq.impl.SQLDataType;

/**
 * A commit that returns is not yet a commit. The naive way loses a payment without an error; {@link
 * Transactions} says so, and tells by fact what was committed and where.
 */
public final class TransactionsExample {
  private static final Table<Record> PAYMENT = table(name("payment"));
  private static final Table<Record> RECEIPT = table(name("receipt"));
  private static final Field<Long> ID = field(name("id"), SQLDataType.BIGINT.nullable(false));

  /** Asks the server what became of the commit if the connection dies while it is under way. */
  private static final TxOptions PAY =
      TxOptions.builder().path("pay").resolveOutcome(Duration.ofSeconds(5)).build();

  private final DSLContext dsl;
  private final Transactions transactions;
  private final List<Long> announced = new ArrayList<>();

  TransactionsExample(DataSource dataSource) {
    this.dsl = DSL.using(dataSource, SQLDialect.POSTGRES);
    this.transactions = Transactions.of(dataSource);
  }

  public static void main(String[] args) {
    HikariConfig config = new HikariConfig();
    try (PostgresCluster cluster = PostgresCluster.builder().start()) {
      config.setJdbcUrl(cluster.primary().jdbcUrl());
      try (HikariDataSource pool = new HikariDataSource(config)) {
        new TransactionsExample(pool).run(System.out);
      }
    }
  }

  void run(PrintStream out) {
    createTables();

    payNaively(1);
    out.println("naive: no error, payments stored: " + dsl.fetchCount(PAYMENT));

    try {
      payCarelessly(1);
    } catch (TransactionAbortedException e) {
      out.println("refused: " + e.getMessage());
    }

    Commit<Long> commit = pay(1);
    out.println("safe: " + commit.effect() + " at " + commit.position().orElseThrow());
    out.println("payments stored: " + dsl.fetchCount(PAYMENT) + ", announced: " + announced);
  }

  // tag::naive[]
  /** jOOQ, Spring and plain JDBC all behave like this. */
  void payNaively(long id) {
    dsl.transaction(
        tx -> {
          tx.dsl().insertInto(PAYMENT, ID).values(id).execute();
          try {
            tx.dsl().insertInto(RECEIPT, ID).values(id).execute();
          } catch (DataAccessException alreadyThere) {
            // "A second receipt does no harm." From here on the server refuses everything.
          }
        }); // COMMIT rolls back and returns without an error: the payment is gone.
  }

  // end::naive[]

  /** The same mistake, told. */
  void payCarelessly(long id) {
    transactions.execute(
        PAY,
        tx -> {
          tx.dsl().insertInto(PAYMENT, ID).values(id).execute();
          try {
            tx.dsl().insertInto(RECEIPT, ID).values(id).execute();
          } catch (DataAccessException alreadyThere) {
            // Swallowed again; now the end of the transaction throws.
          }
        });
  }

  // tag::safe[]
  /** The statement that may fail has a savepoint; the world hears of it after the commit. */
  Commit<Long> pay(long id) {
    return transactions.commit(
        PAY,
        tx -> {
          tx.dsl().insertInto(PAYMENT, ID).values(id).execute();
          try {
            tx.dsl()
                .transaction(
                    savepoint -> savepoint.dsl().insertInto(RECEIPT, ID).values(id).execute());
          } catch (DataAccessException alreadyThere) {
            // Only the savepoint is undone.
          }
          tx.afterCommit(commit -> announced.add(id));
          return id;
        });
  }

  // end::safe[]

  private void createTables() {
    dsl.createTable(PAYMENT).column(ID).constraint(constraint().primaryKey(ID)).execute();
    dsl.createTable(RECEIPT).column(ID).constraint(constraint().primaryKey(ID)).execute();
    dsl.insertInto(RECEIPT, ID).values(1L).execute();
  }
}
