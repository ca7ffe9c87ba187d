package dev.pgbelay.reconcile;

import dev.pgbelay.core.PgBelayException;
import java.math.BigDecimal;
import java.time.Duration;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.jooq.Condition;
import org.jooq.Field;
import org.jooq.Table;
import org.jooq.impl.DSL;
import org.jspecify.annotations.Nullable;

/**
 * A column that repeats what a query says: the total of an order, the number of a user's posts.
 * Equal means not distinct: NULL is equal to NULL and to nothing else, so a sum over no rows wants
 * a {@code coalesce}.
 *
 * <p>Nothing is asked of the database here: {@link Declarations#requireMatching} does that.
 * Immutable and safe for several threads.
 *
 * @param column of {@code table} that repeats the value
 * @param expected what it must be for a row: an expression over the row, mostly {@code
 *     DSL.field(select(...).where(LINES.ORDER_ID.eq(ORDERS.ID)))}
 * @param where only rows for which this holds are looked at
 * @param tolerance by how much numbers may differ
 * @param sources the tables that {@code expected} reads
 * @param grace see {@link Declaration#grace()}
 */
public record DerivedValue(
    String name,
    Table<?> table,
    Field<?> column,
    Field<?> expected,
    Condition where,
    Optional<BigDecimal> tolerance,
    List<Table<?>> sources,
    Duration grace)
    implements Declaration {

  public DerivedValue {
    DeclarationRules.require(name, grace);
    sources = List.copyOf(sources);
    if (tolerance.filter(most -> most.signum() < 0).isPresent()) {
      throw new PgBelayException(
          "declaration '%s': tolerance must be at least 0, is %s".formatted(name, tolerance.get()));
    }
    if (sources.isEmpty()) {
      throw new PgBelayException(
          "declaration '%s': sources are missing; name the tables that the expected value is computed from"
              .formatted(name));
    }
  }

  /** Begins a declaration; what is not said is: all rows, no tolerance, no grace. */
  public static Builder builder(String name) {
    return new Builder(name);
  }

  @Override
  public List<Table<?>> reads() {
    Set<Table<?>> all = new LinkedHashSet<>();
    all.add(table);
    all.addAll(sources);
    return List.copyOf(all);
  }

  /** Collects a derived value. Not safe for several threads. */
  public static final class Builder {
    private final String name;
    private @Nullable Table<?> table;
    private @Nullable Field<?> column;
    private @Nullable Field<?> expected;
    private Condition where = DSL.noCondition();
    private @Nullable BigDecimal tolerance;
    private List<Table<?>> sources = List.of();
    private Duration grace = Duration.ZERO;

    private Builder(String name) {
      this.name = name;
    }

    /** The column that repeats the value. */
    public <T> Builder column(Table<?> of, Field<T> repeated) {
      this.table = of;
      this.column = repeated;
      return this;
    }

    /**
     * What the column must be.
     *
     * @param value over the row of the table; a scalar subquery mostly, with an index on what it
     *     looks up
     * @param reads the tables that it reads
     */
    public Builder mustEqual(Field<?> value, Table<?>... reads) {
      this.expected = value;
      this.sources = List.of(reads);
      return this;
    }

    /** Only rows for which this holds; over columns of the table alone. */
    public Builder where(Condition condition) {
      this.where = condition;
      return this;
    }

    /** By how much the two may differ, of numbers only; at least 0. */
    public Builder tolerance(BigDecimal most) {
      this.tolerance = most;
      return this;
    }

    /** How much later than its sources the column may be written: 0 to 7 days. */
    public Builder grace(Duration time) {
      this.grace = time;
      return this;
    }

    /**
     * Checks what can be checked without the database.
     *
     * @throws PgBelayException naming the declaration, the option and what is wrong with it
     */
    public DerivedValue build() {
      return new DerivedValue(
          name,
          DeclarationRules.given(name, "column", table),
          DeclarationRules.given(name, "column", column),
          DeclarationRules.given(name, "mustEqual", expected),
          where,
          Optional.ofNullable(tolerance),
          sources,
          grace);
    }
  }
}
