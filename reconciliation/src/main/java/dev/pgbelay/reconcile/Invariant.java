package dev.pgbelay.reconcile;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.reconcile.internal.Given;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import org.jooq.Condition;
import org.jooq.Field;
import org.jooq.Record;
import org.jooq.Select;
import org.jooq.Table;

/**
 * A rule about the data: either a condition that every row of a table must meet, which is checked
 * range by range, or a query that must return no rows, which is one statement each time.
 *
 * <p>A condition that is unknown because of a NULL is met, as with CHECK. Nothing is asked of the
 * database here: {@link Declarations#requireMatching} does that. Immutable and safe for several
 * threads.
 *
 * @param table whose rows must meet {@code holds}; empty for a query
 * @param holds the condition; empty for a query
 * @param offenders the query; empty for a condition
 * @param key columns of the query that tell one offender from another
 * @param reads the tables that decide
 * @param grace see {@link Declaration#grace()}
 * @param changedAt see {@link Declaration#changedAt()}; never of a query
 */
public record Invariant(
    String name,
    Optional<Table<?>> table,
    Optional<Condition> holds,
    Optional<Select<? extends Record>> offenders,
    List<Field<?>> key,
    List<Table<?>> reads,
    Duration grace,
    Optional<Field<?>> changedAt)
    implements Declaration {

  public Invariant {
    DeclarationRules.require(name, grace);
    String of = DeclarationRules.of(name);
    Given.required(of + "table", table);
    Given.required(of + "holds", holds);
    Given.required(of + "offenders", offenders);
    Given.required(of + "changedAt", changedAt);
    reads = Given.all(of + "the tables that it reads", reads);
    if (reads.isEmpty()) {
      throw new PgBelayException(
          "declaration '%s': name the tables that the query reads".formatted(name));
    }
    if (table.isPresent() != holds.isPresent() || table.isPresent() == offenders.isPresent()) {
      throw new PgBelayException(
          "declaration '%s': an invariant is a table with a condition, or a query".formatted(name));
    }
    if (offenders.isPresent() && changedAt.isPresent()) {
      throw new PgBelayException(
          "declaration '%s': changedAt does not apply to a query, which is read whole each time"
              .formatted(name));
    }
    key =
        offenders.isPresent()
            ? DeclarationRules.columns(name, "key", key)
            : Given.all(of + "key", key);
  }

  /**
   * Every row of a table must meet a condition: a domain of statuses, a sign, an order of two
   * times.
   */
  public static Invariant everyRow(String name, Table<?> table, Condition holds) {
    return new Invariant(
        name,
        Optional.of(DeclarationRules.given(name, "the table", table)),
        Optional.of(DeclarationRules.given(name, "the condition", holds)),
        Optional.empty(),
        List.of(),
        List.of(table),
        Duration.ZERO,
        Optional.empty());
  }

  /**
   * A query must return nothing: overlaps, balances that are not the sum of their ledger.
   *
   * @param key columns that the query returns and that name an offender the same way each time; not
   *     NULL. Repairs ask about one key at a time: cheap where the server can carry a condition on
   *     these columns into the query
   * @param reads the tables that the query reads
   */
  public static Invariant noRows(
      String name,
      Select<? extends Record> offenders,
      List<? extends Field<?>> key,
      List<? extends Table<?>> reads) {
    return new Invariant(
        name,
        Optional.empty(),
        Optional.empty(),
        Optional.of(DeclarationRules.given(name, "the query", offenders)),
        Given.all(DeclarationRules.of(name) + "key", key),
        Given.all(DeclarationRules.of(name) + "the tables that it reads", reads),
        Duration.ZERO,
        Optional.empty());
  }

  /** The same with a time in which a later transaction may mend it: 0 to 7 days. */
  public Invariant withGrace(Duration time) {
    return new Invariant(name, table, holds, offenders, key, reads, time, changedAt);
  }

  /**
   * The same with incremental runs, which look at rows that are new by this column.
   *
   * @param column of the table: {@code timestamptz NOT NULL}, set by every INSERT and UPDATE from
   *     the database's clock ({@code now()} or later, best by a trigger), and leading an index with
   *     the primary key behind it
   * @throws PgBelayException for a query, which is read whole each time
   */
  public Invariant withChangedAt(Field<?> column) {
    return new Invariant(
        name,
        table,
        holds,
        offenders,
        key,
        reads,
        grace,
        Optional.of(DeclarationRules.given(name, "changedAt", column)));
  }
}
