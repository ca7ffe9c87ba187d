package dev.pgbelay.reconcile.propagate;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.Tx;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.core.internal.MissingTable;
import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.reconcile.Declarations;
import dev.pgbelay.reconcile.Reference;
import dev.pgbelay.reconcile.internal.Given;
import java.time.Duration;
import java.util.List;
import org.jooq.exception.DataAccessException;
import org.jspecify.annotations.Nullable;

/**
 * The triggers that see parents go: rows that are deleted, whose key changes, or that stop counting
 * under {@code parentWhere}, and TRUNCATE. They belong to the tables, so plain SQL is seen as well.
 * Under RESTRICT the triggers refuse; for every other rule they write the key into {@code
 * reconcile_deleted}, in the transaction that deletes.
 *
 * <p><b>Partitions.</b> Deletes and updates are seen in every partition, also in those that are
 * attached later. TRUNCATE of a single partition is seen in those that were there when {@link
 * #install} ran: run it again after attaching some. Not seen: a partition that is detached or
 * dropped, and whatever runs under {@code session_replication_role = replica}; the checker finds
 * these orphans.
 *
 * <p>Who deletes parents needs INSERT on {@code reconcile_deleted}; under RESTRICT, SELECT on the
 * children. Immutable and safe for several threads.
 */
public final class DeleteCapture {
  private static final TxOptions DDL =
      TxOptions.builder()
          .path("reconcile-capture")
          .deadline(Duration.ofSeconds(30))
          .lockTimeout(Duration.ofSeconds(2))
          .build();

  private static final int MOST_KEYS = 10_000;

  private final Transactions transactions;
  private final Declarations declarations;
  private final String schema;

  private DeleteCapture(Transactions transactions, Declarations declarations, String schema) {
    this.transactions = transactions;
    this.declarations = declarations;
    this.schema = schema;
  }

  /** With the library's tables in the schema {@value SchemaInstaller#DEFAULT_SCHEMA}. */
  public static DeleteCapture of(Transactions transactions, Declarations declarations) {
    return inSchema(transactions, declarations, SchemaInstaller.DEFAULT_SCHEMA);
  }

  /** Where the library's tables are in a schema of another name. */
  public static DeleteCapture inSchema(
      Transactions transactions, Declarations declarations, String schema) {
    return new DeleteCapture(
        Given.required("capture: transactions", transactions),
        Given.required("capture: declarations", declarations),
        Given.schema(schema));
  }

  /** The statements that {@link #install} would run, in their order; reads the catalog alone. */
  public List<String> ddl() {
    return transactions.run(
        DDL, tx -> new CaptureSql(tx.dsl(), schema).install(declarations.references()));
  }

  /**
   * Creates the triggers or brings them up to date, all in one transaction; safe to repeat. Takes
   * SHARE ROW EXCLUSIVE on each parent, which waits for its writers and keeps new ones waiting: at
   * most two seconds at a time.
   *
   * @throws PgBelayException if a table or column is not there
   */
  public void install() {
    transactions.execute(
        DDL,
        tx -> {
          CaptureSql sql = new CaptureSql(tx.dsl(), schema);
          sql.install(declarations.references()).forEach(sql::run);
        });
  }

  /**
   * Captures by call what no trigger sees: writes the keys of parents that this transaction
   * deletes, or whose key it changes, for every reference but those with RESTRICT, which is refused
   * if children are left: ask that after the delete, which keeps locked guards out, and not under
   * REPEATABLE READ, which is refused. Before or after the delete, in its transaction; a parent
   * that is there when its children are to be treated keeps them. One statement for each 10,000
   * keys, and two for the types. What no caller tells of is left to the checker. What is cascaded
   * from here needs no further call.
   *
   * @param reference name of one reference to the parent's table; call it for each
   * @param keys the old values of the parent's columns, in the order of the declaration; one with a
   *     NULL is left out, since nobody refers to it
   * @throws PgBelayException if there is no such reference, a key has other columns, or RESTRICT
   *     refuses
   */
  public void capture(
      Tx tx, String reference, List<? extends List<? extends @Nullable Object>> keys) {
    Given.required("capture for '" + reference + "': the transaction", tx);
    Given.required("capture for '" + reference + "': keys", keys);
    Reference one =
        declarations.references().stream()
            .filter(each -> each.name().equals(reference))
            .findFirst()
            .orElseThrow(
                () -> new PgBelayException("capture for '" + reference + "': no such reference"));
    try {
      CallSql sql = new CallSql(tx.dsl(), schema, one);
      for (int from = 0; from < keys.size(); from += MOST_KEYS) {
        sql.capture(keys.subList(from, Math.min(keys.size(), from + MOST_KEYS)));
      }
    } catch (DataAccessException e) {
      throw MissingTable.explained(e, "captured deletes", "reconcile");
    }
  }

  /** Drops them; what was captured stays. Takes ACCESS EXCLUSIVE on each parent for a moment. */
  public void uninstall() {
    transactions.execute(
        DDL,
        tx -> {
          CaptureSql sql = new CaptureSql(tx.dsl(), schema);
          sql.uninstall(declarations.references()).forEach(sql::run);
        });
  }

  /** The statements that {@link #uninstall} would run. */
  public List<String> uninstallDdl() {
    return transactions.run(
        DDL, tx -> new CaptureSql(tx.dsl(), schema).uninstall(declarations.references()));
  }

  /** Whether the triggers are there and enabled; reads the catalog alone. */
  public State state() {
    return transactions.run(
        DDL, tx -> new CaptureSql(tx.dsl(), schema).state(declarations.references()));
  }

  /** What is there of the triggers. */
  public enum State {
    INSTALLED,
    /** Some are missing or disabled: run {@link DeleteCapture#install} again. */
    PARTLY,
    GONE
  }
}
