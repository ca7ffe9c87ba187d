package dev.pgbelay.reconcile.retention;

import dev.pgbelay.batch.chunk.ThrottleSignal;
import dev.pgbelay.core.PgBelayException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jooq.DSLContext;
import org.jooq.Table;

/** Waits for signals for a limited time in a row, and says then for what. For one thread. */
final class BoundedWait {
  private final Duration atMost;
  private boolean held;
  private long since;

  BoundedWait(Duration atMost) {
    this.atMost = atMost;
  }

  /** The last one is asked where no other has a reason: the wait is over. */
  List<ThrottleSignal> over(List<ThrottleSignal> signals) {
    List<ThrottleSignal> bounded = new ArrayList<>();
    for (ThrottleSignal each : signals) {
      bounded.add(each.withinChunk() ? each : new Bounded(each));
    }
    bounded.add(new Free());
    return bounded;
  }

  private void heldUp(Table<?> table, String why) {
    long now = System.nanoTime();
    if (!held) {
      held = true;
      since = now;
    }
    if (now - since >= atMost.toNanos()) {
      throw new PgBelayException(
          "retention of %s was held up for waitAtMost, %s, by %s. What has gone is gone, and the next run goes on behind it. End what holds it up; grant pg_monitor to its role where that may not see it; or raise waitAtMost"
              .formatted(table.getName(), atMost, why));
    }
  }

  private final class Bounded implements ThrottleSignal {
    private final ThrottleSignal signal;

    Bounded(ThrottleSignal signal) {
      this.signal = signal;
    }

    @Override
    public String name() {
      return signal.name();
    }

    @Override
    public Optional<String> reasonToWait(DSLContext dsl, Table<?> table) {
      Optional<String> reason = signal.reasonToWait(dsl, table);
      reason.ifPresent(text -> heldUp(table, name() + ": " + text));
      return reason;
    }
  }

  private final class Free implements ThrottleSignal {
    @Override
    public String name() {
      return "none";
    }

    @Override
    public Optional<String> reasonToWait(DSLContext dsl, Table<?> table) {
      held = false;
      return Optional.empty();
    }
  }
}
