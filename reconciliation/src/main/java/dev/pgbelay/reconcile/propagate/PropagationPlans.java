package dev.pgbelay.reconcile.propagate;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.reconcile.Reference;
import dev.pgbelay.reconcile.internal.BacklogSql;
import dev.pgbelay.reconcile.internal.Given;
import dev.pgbelay.reconcile.propagate.QueueSql.Entry;
import java.time.Duration;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.jooq.DSLContext;
import org.jooq.JSONB;
import org.jooq.impl.DSL;

/** Counts what deletes reach, before and after they happen. Immutable. */
final class PropagationPlans {
  private final PropagatedReferences references;

  PropagationPlans(PropagatedReferences references) {
    this.references = references;
  }

  /**
   * Of a parent that is still there.
   *
   * @param most how many rows of each reference are counted
   */
  PropagationPlan ofParent(DSLContext dsl, String reference, Object[] key, int most) {
    Reference one = references.declared("plan of", reference);
    if (key.length != one.parentColumns().size()) {
      throw new PgBelayException(
          "plan of '%s': a key has %d columns, %d values were given"
              .formatted(reference, one.parentColumns().size(), key.length));
    }
    JSONB texts =
        dsl.select(
                DSL.jsonbArray(
                    Arrays.stream(key)
                        .map(each -> DSL.val(Given.keyText("plan of '" + reference + "'", each)))
                        .toList()))
            .fetchSingle()
            .value1();
    PlanSql plan = new PlanSql(dsl, references.all(), most);
    Map<String, Long> rows = plan.count(one, OrphansSql.children(dsl, one, texts));
    return new PropagationPlan(
        0,
        reference,
        Optional.of(texts.data()),
        Optional.empty(),
        Optional.empty(),
        rows,
        plan.atLeast());
  }

  /** Of what is captured and not yet done, the oldest first. */
  List<PropagationPlan> open(DSLContext dsl, QueueSql queue, int deletes, int most) {
    return queue.open(dsl, references.names(), deletes).stream()
        .map(entry -> of(dsl, entry, references.children(dsl, entry), most))
        .toList();
  }

  PropagationBacklog backlog(DSLContext dsl, int most) {
    long open = 0;
    long held = 0;
    boolean atLeast = false;
    Optional<Duration> oldest = Optional.empty();
    for (BacklogSql.Backlog each : BacklogSql.read(dsl, references.schema(), most)) {
      if (references.captured().containsKey(each.reference())) {
        open += each.waiting();
        held += each.held();
        atLeast |= each.moreWaiting() || each.moreHeld();
        oldest =
            Stream.concat(oldest.stream(), each.oldestWaiting().stream())
                .max(Comparator.naturalOrder());
      }
    }
    return new PropagationBacklog(open, held, atLeast, oldest);
  }

  PropagationPlan of(DSLContext dsl, Entry entry, ChildrenSql children, int most) {
    PlanSql plan = new PlanSql(dsl, references.all(), most);
    Map<String, Long> rows = plan.count(references.of(entry), children.orphans());
    return new PropagationPlan(
        entry.id(),
        entry.reference(),
        Optional.ofNullable(entry.parentKey()).map(JSONB::data),
        Optional.of(entry.batch()),
        Optional.ofNullable(entry.heldBecause()),
        rows,
        plan.atLeast());
  }
}
