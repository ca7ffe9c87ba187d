package dev.pgbelay.batch.chunk;

import dev.pgbelay.batch.chunk.JobRefusedException.Reason;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.TxOptions;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.stream.Collectors;
import org.jooq.Condition;
import org.jooq.DSLContext;
import org.jooq.Field;
import org.jooq.Table;
import org.jooq.impl.DSL;

/** What is held against the database before a {@link CascadeDelete} writes anything. */
final class CascadeCheck {
  private static final TxOptions LOOK =
      TxOptions.builder()
          .path(CascadeDelete.PATH)
          .readOnly(true)
          .deadline(Duration.ofSeconds(30))
          .build();

  private final Transactions transactions;
  private final String name;
  private final Table<?> parent;
  private final Field<?> key;
  private final Condition theParent;
  private final List<Child> children;
  private final OptionalLong allowed;
  private final boolean followsCircles;

  CascadeCheck(
      Transactions transactions,
      String name,
      Table<?> parent,
      Field<?> key,
      Condition theParent,
      List<Child> children,
      OptionalLong allowed,
      boolean followsCircles) {
    this.transactions = transactions;
    this.name = name;
    this.parent = parent;
    this.key = key;
    this.theParent = theParent;
    this.children = children;
    this.allowed = allowed;
    this.followsCircles = followsCircles;
  }

  /**
   * A table to empty.
   *
   * @param part its name among the parts: a table may come twice, by two foreign keys
   * @param foreignKey the column that points to the parent; empty if it is another way
   */
  record Child(
      String part, Table<?> table, Condition ofParent, List<Field<?>> key, String foreignKey) {}

  /** Refuses foreign keys that are not declared, or that no order helps. */
  void requireOrder() {
    List<ForeignKeySql.Fault> faults =
        transactions.run(
            LOOK,
            tx ->
                ForeignKeySql.faults(
                    tx.dsl(),
                    parent,
                    key.getName(),
                    children.stream().map(child -> tx.dsl().render(child.table())).toList(),
                    children.stream().map(Child::foreignKey).toList()));
    refuse(
        faults,
        Reason.UNDECLARED_CHILDREN,
        "cascade '%s': not declared: %s. Its rows would be changed or deleted in one statement, or refuse the last step; declare it with child(...) or descendants(...)");
    refuse(
        faults,
        Reason.WRONG_ORDER,
        "cascade '%s': declared too late: %s, which comes before it. Its rows would be changed or deleted in one statement with those, or keep them from being deleted; declare what refers first");
    if (!followsCircles) {
      refuse(
          faults,
          Reason.CIRCULAR_REFERENCE,
          "cascade '%s': a circle: %s. No order keeps the server from following it in one statement, to rows of other parents too; if that is wanted, and few rows, say followCircularReferences()");
    }
  }

  private void refuse(List<ForeignKeySql.Fault> faults, Reason reason, String message) {
    String found =
        faults.stream()
            .filter(fault -> fault.reason() == reason)
            .map(ForeignKeySql.Fault::reference)
            .collect(Collectors.joining("; "));
    if (!found.isEmpty()) {
      throw new JobRefusedException(reason, message.formatted(name, found));
    }
  }

  /** Refuses a key that several rows share: the children of all would go, and all of them. */
  void requireOneParent() {
    requireAtMostOne(
        transactions.run(
            LOOK, tx -> tx.dsl().selectOne().from(parent).where(theParent).limit(2).fetch().size()),
        "nothing was deleted");
  }

  /**
   * @param rows of the parent that were found
   * @param state what became of what was to be deleted
   */
  void requireAtMostOne(int rows, String state) {
    if (rows > 1) {
      throw new JobRefusedException(
          Reason.PARENT_NOT_UNIQUE,
          "cascade '%s': %s of the given value stands in more than one row of %s; %s. Give the parent by a column that is unique by itself"
              .formatted(name, key.getName(), parent.getName(), state));
    }
  }

  /** Refuses more children than the caller allowed. */
  void requireAllowed() {
    if (allowed.isEmpty()) {
      return;
    }
    Map<String, Long> counts = new LinkedHashMap<>();
    long total =
        transactions.run(
            LOOK,
            tx -> {
              long sum = 0;
              for (Child child : children) {
                long left = allowed.getAsLong() - sum;
                long count = countUpTo(tx.dsl(), child, left == Long.MAX_VALUE ? left : left + 1);
                counts.put(child.table().getName(), count);
                sum += count;
                if (sum > allowed.getAsLong()) {
                  break;
                }
              }
              return sum;
            });
    if (total > allowed.getAsLong()) {
      throw new JobRefusedException(
          Reason.NOT_CONFIRMED,
          "cascade '%s' would delete more than %d children (counted up to there: %s); look at what would go, then allow more with restrictTo(...) or say confirmed()"
              .formatted(name, allowed.getAsLong(), counts));
    }
  }

  private static long countUpTo(DSLContext dsl, Child child, long cap) {
    return dsl.select(DSL.count().cast(Long.class))
        .from(
            DSL.selectOne().from(child.table()).where(child.ofParent()).limit(cap).asTable("found"))
        .fetchSingle()
        .value1();
  }
}
