package dev.pgbelay.reconcile.propagate;

import dev.pgbelay.batch.chunk.ThrottleSignal;
import dev.pgbelay.core.Tx;
import dev.pgbelay.core.background.Pass;
import dev.pgbelay.reconcile.OnDelete;
import dev.pgbelay.reconcile.Reference;
import dev.pgbelay.reconcile.guard.DeletedParents;
import dev.pgbelay.reconcile.propagate.ChildrenSql.Keys;
import dev.pgbelay.reconcile.propagate.QueueSql.Entry;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import org.jooq.DSLContext;

/**
 * One chunk of the most urgent delete that is due, in the caller's transaction. Immutable.
 *
 * @param chunk children at most
 * @param confirmAbove rows from which on it is held
 * @param chunkTimeout after which the server ends the transaction
 */
record PropagationStep(
    PropagatedReferences references,
    QueueSql queue,
    int chunk,
    int confirmAbove,
    Duration chunkTimeout,
    List<ThrottleSignal> throttle,
    List<DeletedParents> guards,
    PropagationPacing.Sleeper time) {
  private static final Duration THROTTLED = Duration.ofMillis(500);

  /** What became of one step, also when it failed. Of one thread. */
  static final class Course {
    private long taken;
    private long waitedNanos;

    /** The captured delete's id; 0 if none was due. */
    long taken() {
      return taken;
    }

    /** For a child that somebody else had locked: no work of the server. */
    long waitedNanos() {
      return waitedNanos;
    }
  }

  Pass run(Tx tx, Course course) {
    DSLContext dsl = tx.dsl();
    Optional<Entry> next =
        queue.next(
            dsl,
            references.names(),
            references.names(OnDelete.Action.CUSTOM),
            references.names(OnDelete.Action.CASCADE),
            chunkTimeout);
    course.taken = next.map(Entry::id).orElse(0L);
    course.waitedNanos = 0;
    if (next.isEmpty()) {
      return Pass.idle();
    }
    Entry entry = next.get();
    Reference reference = references.of(entry);
    if (throttle.stream().anyMatch(each -> each.reasonToWait(dsl, reference.child()).isPresent())) {
      return Pass.idle(THROTTLED);
    }
    ChildrenSql children = references.children(dsl, entry);
    if (entry.isNew()) {
      tell(tx, reference, entry);
      if (!entry.confirmed() && holds(dsl, entry, children)) {
        return Pass.worked(1);
      }
    }
    return treat(tx, entry, children, course);
  }

  /** A delete that reaches too much waits for somebody. */
  private boolean holds(DSLContext dsl, Entry entry, ChildrenSql children) {
    PropagationPlan plan = new PropagationPlans(references).of(dsl, entry, children, confirmAbove);
    if (plan.total() <= confirmAbove && plan.atLeast().isEmpty()) {
      return false;
    }
    queue.hold(
        dsl,
        entry.id(),
        "changes more than %d rows, which needs to be confirmed; counted so far: %s"
            .formatted(confirmAbove, plan.rows()));
    return true;
  }

  private Pass treat(Tx tx, Entry entry, ChildrenSql children, Course course) {
    DSLContext dsl = tx.dsl();
    Keys some = children.next(chunk);
    if (some.isEmpty() && entry.waits()) {
      queue.done(dsl, entry.id());
      return Pass.worked(1);
    }
    if (some.isEmpty()) {
      queue.progress(dsl, entry.id(), 0, true, null);
      return Pass.worked(1);
    }
    Keys locked = children.lock(some);
    if (locked.isEmpty() && entry.waits()) {
      long start = time.nanoTime();
      locked = children.awaitOne(some);
      course.waitedNanos = time.nanoTime() - start;
    }
    long changed = locked.isEmpty() ? 0 : children.treat(tx, locked);
    boolean isPassed = !entry.waits() || locked.isEmpty();
    queue.progress(
        dsl, entry.id(), changed, entry.waits(), isPassed ? some.last() : entry.walkedTo());
    return Pass.worked(Math.max(1, locked.count()));
  }

  private void tell(Tx tx, Reference reference, Entry entry) {
    tx.afterCommit(
        commit ->
            guards.forEach(
                each -> {
                  if (entry.parentKey() == null) {
                    each.tellAll(reference.name());
                  } else {
                    each.tell(reference.name(), entry.parentTexts());
                  }
                }));
  }
}
