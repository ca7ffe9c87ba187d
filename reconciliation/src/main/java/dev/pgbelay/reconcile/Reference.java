package dev.pgbelay.reconcile;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.reconcile.internal.Given;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import org.jooq.Condition;
import org.jooq.Field;
import org.jooq.Table;
import org.jooq.impl.DSL;
import org.jspecify.annotations.Nullable;

/**
 * Columns of a child table that must be those of a parent: what a foreign key would say. As with
 * MATCH SIMPLE, a child of which one of the columns is NULL refers to nothing and is in order.
 * Parent and child may be one table, and lie in different schemas of one database.
 *
 * <p>Nothing is asked of the database here: {@link Declarations#requireMatching} does that.
 * Immutable and safe for several threads.
 *
 * @param childWhere only children for which this holds must have a parent
 * @param parentWhere only parents for which this holds count, as where they are soft-deleted
 * @param onDelete what becomes of the children of a parent that goes
 * @param urgency of that
 * @param grace see {@link Declaration#grace()}
 * @param changedAt see {@link Declaration#changedAt()}
 */
public record Reference(
    String name,
    Table<?> child,
    List<Field<?>> childColumns,
    Condition childWhere,
    Table<?> parent,
    List<Field<?>> parentColumns,
    Condition parentWhere,
    OnDelete onDelete,
    Urgency urgency,
    Duration grace,
    Optional<Field<?>> changedAt)
    implements Declaration {
  /** Which children of deleted parents are treated first. */
  public enum Urgency {
    /** Somebody sees them. */
    HIGH,
    NORMAL,
    /** When there is nothing else to do. */
    LOW
  }

  public Reference {
    DeclarationRules.require(name, grace);
    String of = DeclarationRules.of(name);
    Given.required(of + "child", child);
    Given.required(of + "childWhere", childWhere);
    Given.required(of + "parent", parent);
    Given.required(of + "parentWhere", parentWhere);
    Given.required(of + "onDelete", onDelete);
    Given.required(of + "urgency", urgency);
    Given.required(of + "changedAt", changedAt);
    childColumns = DeclarationRules.columns(name, "child", childColumns);
    parentColumns = DeclarationRules.columns(name, "parent", parentColumns);
    if (childColumns.size() != parentColumns.size()) {
      throw new PgBelayException(
          "declaration '%s': %d columns of the child refer to %d of the parent"
              .formatted(name, childColumns.size(), parentColumns.size()));
    }
    List<String> refer = childColumns.stream().map(Field::getName).toList();
    List<String> set = onDelete.columns().stream().map(Field::getName).toList();
    if (!refer.containsAll(set)) {
      throw new PgBelayException(
          "%sonDelete sets %s, and the columns that refer are %s; name some of these"
              .formatted(of, set, refer));
    }
  }

  /**
   * The columns of the child that {@link #onDelete} sets to NULL or to their defaults: those that
   * it names, or all that refer. Empty under another rule.
   */
  public List<Field<?>> columnsToSet() {
    return switch (onDelete.action()) {
      case SET_NULL, SET_DEFAULT ->
          onDelete.columns().isEmpty() ? childColumns : onDelete.columns();
      default -> List.of();
    };
  }

  /** Begins a declaration; what is not said is: restrict, urgency NORMAL, no grace. */
  public static Builder builder(String name) {
    return new Builder(name);
  }

  @Override
  public List<Table<?>> reads() {
    return child.getQualifiedName().equals(parent.getQualifiedName())
        ? List.of(child)
        : List.of(child, parent);
  }

  /** Collects a reference. Not safe for several threads. */
  public static final class Builder {
    private final String name;
    private @Nullable Table<?> child;
    private List<Field<?>> childColumns = List.of();
    private Condition childWhere = DSL.noCondition();
    private @Nullable Table<?> parent;
    private List<Field<?>> parentColumns = List.of();
    private Condition parentWhere = DSL.noCondition();
    private OnDelete onDelete = OnDelete.restrict();
    private Urgency urgency = Urgency.NORMAL;
    private Duration grace = Duration.ZERO;
    private @Nullable Field<?> changedAt;

    private Builder(String name) {
      this.name = name;
    }

    private static List<Field<?>> columns(String name, String option, Field<?>[] columns) {
      return Given.all(DeclarationRules.of(name) + option, columns);
    }

    /** The columns that refer. */
    public Builder child(Table<?> table, Field<?>... columns) {
      this.child = table;
      this.childColumns = columns(name, "child", columns);
      return this;
    }

    /** The columns that are referred to, in the same order. */
    public Builder parent(Table<?> table, Field<?>... columns) {
      this.parent = table;
      this.parentColumns = columns(name, "parent", columns);
      return this;
    }

    /** Only children for which this holds must have a parent; over columns of the child alone. */
    public Builder childWhere(Condition condition) {
      this.childWhere = condition;
      return this;
    }

    /** Only parents for which this holds count; over columns of the parent alone. */
    public Builder parentWhere(Condition condition) {
      this.parentWhere = condition;
      return this;
    }

    /** What becomes of the children of a parent that goes; refused unless said. */
    public Builder onDelete(OnDelete what) {
      this.onDelete = what;
      return this;
    }

    /** Which deletes come first; NORMAL unless said. */
    public Builder urgency(Urgency how) {
      this.urgency = how;
      return this;
    }

    /** How much later than its child a parent may be written: 0 to 7 days. */
    public Builder grace(Duration time) {
      this.grace = time;
      return this;
    }

    /**
     * The column of the child that says when the row was written last: {@code timestamptz NOT
     * NULL}, set by every INSERT and UPDATE from the database's clock ({@code now()} or later, best
     * by a trigger), and leading an index with the primary key behind it. Incremental runs look at
     * rows that are new by it, and at the children of deletes that were captured.
     */
    public Builder changedAt(Field<?> column) {
      this.changedAt = Given.option(DeclarationRules.of(name) + "changedAt", column);
      return this;
    }

    /**
     * Reads no database: what the catalog has is compared when the registry is.
     *
     * @throws PgBelayException naming the declaration, the option and what is wrong with it
     */
    public Reference build() {
      return new Reference(
          name,
          DeclarationRules.given(name, "child", child),
          childColumns,
          childWhere,
          DeclarationRules.given(name, "parent", parent),
          parentColumns,
          parentWhere,
          onDelete,
          urgency,
          grace,
          Optional.ofNullable(changedAt));
    }
  }
}
