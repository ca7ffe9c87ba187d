package dev.pgbelay.reconcile;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.reconcile.internal.Given;
import java.math.BigDecimal;
import java.time.Duration;
import java.util.ArrayList;
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
 * @param changedAt see {@link Declaration#changedAt()}
 * @param sourceChanges how incremental runs get from changed sources to the rows
 */
public record DerivedValue(
    String name,
    Table<?> table,
    Field<?> column,
    Field<?> expected,
    Condition where,
    Optional<BigDecimal> tolerance,
    List<Table<?>> sources,
    Duration grace,
    Optional<Field<?>> changedAt,
    List<SourceChange> sourceChanges)
    implements Declaration {

  /**
   * A source whose changes make a row worth looking at.
   *
   * @param source one of the tables that the expected value reads
   * @param changedAt its column as {@link DerivedValue.Builder#changedAt} describes it
   * @param rowKey its columns that are the primary key of the row, in the key's order
   */
  public record SourceChange(Table<?> source, Field<?> changedAt, List<Field<?>> rowKey) {
    public SourceChange {
      Given.required("sourceChangedAt: the source", source);
      Given.required("sourceChangedAt: the column", changedAt);
      rowKey = Given.all("sourceChangedAt: the row's key", rowKey);
      if (rowKey.isEmpty()) {
        throw new PgBelayException(
            "sourceChangedAt of %s: name its columns that are the primary key of the row"
                .formatted(source.getName()));
      }
    }
  }

  public DerivedValue {
    DeclarationRules.require(name, grace);
    String of = DeclarationRules.of(name);
    Given.required(of + "column", table);
    Given.required(of + "column", column);
    Given.required(of + "mustEqual", expected);
    Given.required(of + "where", where);
    Given.required(of + "tolerance", tolerance);
    Given.required(of + "changedAt", changedAt);
    sources = Given.all(of + "the tables of mustEqual", sources);
    sourceChanges = Given.all(of + "sourceChangedAt", sourceChanges);
    for (SourceChange each : sourceChanges) {
      String source = each.source().getName();
      if (sources.stream().noneMatch(read -> read.getName().equals(source))) {
        throw new PgBelayException(
            "%ssourceChangedAt names %s, and mustEqual reads %s; name it there too, or leave it out"
                .formatted(of, source, sources.stream().map(Table::getName).toList()));
      }
    }
    if (changedAt.isEmpty() && !sourceChanges.isEmpty()) {
      throw new PgBelayException(
          "declaration '%s': changes of sources say nothing about rows that are written themselves; give changedAt too"
              .formatted(name));
    }
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
    private @Nullable Field<?> changedAt;
    private final List<SourceChange> sourceChanges = new ArrayList<>();

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
      this.sources = Given.all(DeclarationRules.of(name) + "the tables of mustEqual", reads);
      return this;
    }

    /** Only rows for which this holds; over columns of the table alone. */
    public Builder where(Condition condition) {
      this.where = condition;
      return this;
    }

    /** By how much the two may differ, of numbers only; at least 0. */
    public Builder tolerance(BigDecimal most) {
      this.tolerance = Given.option(DeclarationRules.of(name) + "tolerance", most);
      return this;
    }

    /** How much later than its sources the column may be written: 0 to 7 days. */
    public Builder grace(Duration time) {
      this.grace = time;
      return this;
    }

    /**
     * The column that says when the row was written last: {@code timestamptz NOT NULL}, set by
     * every INSERT and UPDATE from the database's clock ({@code now()} or later, best by a
     * trigger), and leading an index with the primary key behind it. Incremental runs look at rows
     * that are new by it. A source that changes alone is seen with {@link #sourceChangedAt}, one
     * that is deleted or moved away by the next full run.
     */
    public Builder changedAt(Field<?> ofTheRow) {
      this.changedAt = Given.option(DeclarationRules.of(name) + "changedAt", ofTheRow);
      return this;
    }

    /**
     * The same of a source, so that a row is looked at whose source was written while it was not.
     *
     * @param rowKey columns of the source that are the primary key of the row, in the key's order
     */
    public Builder sourceChangedAt(Table<?> source, Field<?> column, Field<?>... rowKey) {
      sourceChanges.add(
          new SourceChange(
              source, column, Given.all(DeclarationRules.of(name) + "sourceChangedAt", rowKey)));
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
          grace,
          Optional.ofNullable(changedAt),
          sourceChanges);
    }
  }
}
