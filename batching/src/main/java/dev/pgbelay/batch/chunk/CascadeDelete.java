package dev.pgbelay.batch.chunk;

import dev.pgbelay.batch.chunk.CascadeCheck.Child;
import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.TxOptions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.function.UnaryOperator;
import org.jooq.Condition;
import org.jooq.DSLContext;
import org.jooq.Field;
import org.jooq.Table;
import org.jooq.impl.DSL;

/**
 * Deletes a parent that may have millions of children: first marks it, if there is a column for
 * that, then its children in chunks, then the parent. {@code ON DELETE CASCADE} would do the same
 * in one transaction, with all its locks and dead rows at once.
 *
 * <p>Every foreign key that refers to the parent or to a table of children must be declared,
 * deepest first, or the run is refused: the server would otherwise follow it in one statement, or
 * refuse the last step. That holds for keys that refer to a partition of such a table, or to what
 * it is a partition of, too. Whether the condition of {@link Builder#descendants} covers the rows
 * that refer to the children is up to the caller.
 *
 * <p>Resumes like the {@link ChunkedJob}s that it consists of, which are named {@code name/child
 * table} ({@code -2} and so on behind it where a table comes again). A child that appears behind
 * the position is not seen by them; the last step, which locks the parent, finds it and leaves all
 * as it is ({@link Outcome#CHILDREN_CAME}), and the next run deletes it. Marking the parent, and
 * having writers heed the mark, prevents that. What is not a job gives up after 30 seconds, or 10
 * seconds of waiting for a lock. Immutable and safe for several threads.
 */
public final class CascadeDelete {
  static final String PATH = "batch-cascade";
  private static final TxOptions BRIEF =
      TxOptions.builder()
          .path(PATH)
          .deadline(Duration.ofSeconds(30))
          .lockTimeout(Duration.ofSeconds(10))
          .build();

  private final Transactions transactions;
  private final String name;
  private final Table<?> parent;
  private final Condition theParent;
  private final Map<Field<?>, Object> mark;
  private final List<Child> children;
  private final CascadeCheck check;
  private final UnaryOperator<ChunkedJob.Builder> settings;

  private CascadeDelete(Builder<?> builder) {
    this.transactions = builder.transactions;
    this.name = builder.name;
    this.parent = builder.parent;
    this.theParent = builder.theParent;
    this.mark = builder.mark;
    this.children = List.copyOf(builder.children);
    this.check =
        new CascadeCheck(
            transactions,
            name,
            parent,
            builder.parentKey,
            theParent,
            children,
            builder.allowed,
            builder.followsCircles);
    this.settings = builder.settings;
  }

  /**
   * Begins the deletion of the parent with this key.
   *
   * @param name of this deletion, for its progress: with the parent's key in it
   * @param key a column that is unique by itself, and that the children's foreign keys refer to
   */
  public static <K> Builder<K> of(
      Transactions transactions, String name, Table<?> parent, Field<K> key, K value) {
    return new Builder<>(transactions, name, parent, key, value);
  }

  /** How a run ended. */
  public enum Outcome {
    /** Children and parent are gone. */
    DELETED,
    /** The parent was gone already; so are now its children. */
    ALREADY_GONE,
    /** A part did not reach its end; its report says why. The parent stays. */
    UNFINISHED,
    /**
     * Children appeared behind their job. Nothing happened to them; the parent stays: run again.
     */
    CHILDREN_CAME
  }

  /**
   * What a run did.
   *
   * @param parts the reports of the children's jobs, in the order in which they ran
   */
  public record Report(Outcome outcome, List<ChunkReport> parts) {
    public Report {
      parts = List.copyOf(parts);
    }
  }

  /**
   * Deletes, or goes on with it. Blocks as {@link ChunkedJob#run()} does.
   *
   * @throws JobRefusedException with {@code UNDECLARED_CHILDREN} if a foreign key is not declared,
   *     with {@code WRONG_ORDER} if a table comes before one that refers to it, with {@code
   *     CIRCULAR_REFERENCE} unless {@link Builder#followCircularReferences}, with {@code
   *     PARENT_NOT_UNIQUE} if several rows have the parent's key, with {@code NOT_CONFIRMED} if
   *     there are more children than allowed, or for the reasons of {@link ChunkedJob#run()}; the
   *     parent is not marked then
   */
  public Report run() {
    List<ChunkedJob> jobs = children.stream().map(this::job).toList();
    check.requireOrder();
    check.requireOneParent();
    jobs.forEach(ChunkedJob::requireRunnable);
    check.requireAllowed();
    if (!mark.isEmpty()) {
      transactions.execute(
          BRIEF, tx -> tx.dsl().update(parent).set(mark).where(theParent).execute());
    }
    List<ChunkReport> parts = new ArrayList<>();
    for (ChunkedJob job : jobs) {
      ChunkReport part = job.run();
      parts.add(part);
      if (part.outcome() != ChunkReport.Outcome.DONE) {
        return new Report(Outcome.UNFINISHED, parts);
      }
    }
    return new Report(transactions.run(BRIEF, tx -> deleteParent(tx.dsl())), parts);
  }

  /**
   * With the parent locked no child can come, so none is deleted by a foreign key that cascades.
   */
  private Outcome deleteParent(DSLContext dsl) {
    int parents = dsl.selectOne().from(parent).where(theParent).forUpdate().fetch().size();
    check.requireAtMostOne(
        parents, "it came while children were being deleted, and the rows themselves stay");
    if (parents == 0) {
      return Outcome.ALREADY_GONE;
    }
    for (Child child : children) {
      if (dsl.fetchExists(DSL.selectOne().from(child.table()).where(child.ofParent()))) {
        return Outcome.CHILDREN_CAME;
      }
    }
    dsl.deleteFrom(parent).where(theParent).execute();
    return Outcome.DELETED;
  }

  /** The first job of one child table, for its {@link ChunkedJob#control()}. */
  public Optional<ChunkedJob> part(Table<?> child) {
    return children.stream()
        .filter(each -> each.table().getQualifiedName().equals(child.getQualifiedName()))
        .findFirst()
        .map(this::job);
  }

  private ChunkedJob job(Child child) {
    ChunkedJob.Builder builder =
        ChunkedJob.over(transactions, name + "/" + child.part(), child.table())
            .where(child.ofParent())
            .delete()
            .restartWhenDone(true);
    if (!child.key().isEmpty()) {
      builder.key(child.key().toArray(Field<?>[]::new));
    }
    return settings.apply(builder).build();
  }

  /**
   * Not safe for several threads.
   *
   * @param <K> the type of the parent's key
   */
  public static final class Builder<K> {
    private static final long DEFAULT_LIMIT = 10_000;

    private final Transactions transactions;
    private final String name;
    private final Table<?> parent;
    private final Field<K> parentKey;
    private final Condition theParent;
    private final K value;
    private final List<Child> children = new ArrayList<>();
    private Map<Field<?>, Object> mark = Map.of();
    private OptionalLong allowed = OptionalLong.of(DEFAULT_LIMIT);
    private boolean followsCircles;
    private UnaryOperator<ChunkedJob.Builder> settings = UnaryOperator.identity();

    private Builder(
        Transactions transactions, String name, Table<?> parent, Field<K> parentKey, K value) {
      this.transactions = transactions;
      this.name = name;
      this.parent = parent;
      this.parentKey = parentKey;
      this.theParent = parentKey.eq(value);
      this.value = value;
    }

    /**
     * A table with children, deepest first.
     *
     * @param foreignKey that points to the column of the parent by which it is given
     * @param key to walk by, after the foreign key: an index on (foreign key, key) is needed
     */
    public Builder<K> child(Table<?> table, Field<K> foreignKey, Field<?>... key) {
      List<Field<?>> walk = new ArrayList<>();
      walk.add(foreignKey);
      walk.addAll(List.of(key));
      children.add(
          new Child(
              part(table), table, foreignKey.eq(value), List.copyOf(walk), foreignKey.getName()));
      return this;
    }

    /**
     * A table with grandchildren, found by a condition over it.
     *
     * @param key to walk by, served by an index
     */
    public Builder<K> descendants(Table<?> table, Condition ofParent, Field<?>... key) {
      children.add(new Child(part(table), table, ofParent, List.of(key), ""));
      return this;
    }

    private String part(Table<?> table) {
      String part = table.getName();
      for (int n = 2; isTaken(part); n++) {
        part = table.getName() + "-" + n;
      }
      return part;
    }

    private boolean isTaken(String part) {
      return children.stream().anyMatch(child -> child.part().equals(part));
    }

    /** Set on the parent before anything is deleted, such as {@code deleted_at}. */
    public Builder<K> mark(Map<? extends Field<?>, ?> assignments) {
      this.mark = Collections.unmodifiableMap(new LinkedHashMap<>(assignments)); // NULLs allowed
      return this;
    }

    /** Refuses if there are more children than this; 10,000 unless said. At least 0. */
    public Builder<K> restrictTo(long rows) {
      if (rows < 0) {
        throw new PgBelayException("restrictTo must not be negative, is " + rows);
      }
      this.allowed = OptionalLong.of(rows);
      return this;
    }

    /** However many children there are. */
    public Builder<K> confirmed() {
      this.allowed = OptionalLong.empty();
      return this;
    }

    /**
     * Lets the server follow foreign keys by which tables of children refer to themselves, or in a
     * circle, with CASCADE, SET NULL or SET DEFAULT; refused unless said. What hangs on the rows of
     * a chunk that way is changed in the chunk's statement: uncounted, however much it is, and of
     * whatever parent.
     */
    public Builder<K> followCircularReferences() {
      this.followsCircles = true;
      return this;
    }

    /** Size, pace, signals and metrics of the children's jobs. */
    public Builder<K> jobs(UnaryOperator<ChunkedJob.Builder> options) {
      this.settings = options;
      return this;
    }

    /**
     * Checks the definition, without the database.
     *
     * @throws PgBelayException if there are no children
     */
    public CascadeDelete build() {
      if (children.isEmpty()) {
        throw new PgBelayException(
            "cascade '" + name + "': no children; then a DELETE of the parent is all it takes");
      }
      return new CascadeDelete(this);
    }
  }
}
