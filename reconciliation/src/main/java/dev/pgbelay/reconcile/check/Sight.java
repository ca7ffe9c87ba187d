package dev.pgbelay.reconcile.check;

import dev.pgbelay.core.CommitPosition;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.Tx;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.core.internal.SteadyText;
import java.util.Optional;
import java.util.function.Function;
import org.jooq.DSLContext;
import org.jspecify.annotations.Nullable;

/** Where rows are looked at: in the transaction that keeps the progress, or on a replica. */
final class Sight {
  private final CheckPlan plan;
  private final @Nullable Transactions replica;
  private final @Nullable CommitPosition floor;

  private Sight(CheckPlan plan, @Nullable Transactions replica, @Nullable CommitPosition floor) {
    this.plan = plan;
    this.replica = replica;
    this.floor = floor;
  }

  /** In the transaction that keeps the progress. */
  static Sight here(CheckPlan plan) {
    return new Sight(plan, null, null);
  }

  /**
   * Waits until the replica has replayed what is committed now.
   *
   * @throws Unfit if it does not in time
   */
  static Sight open(CheckPlan plan) throws InterruptedException {
    if (plan.replica().isEmpty()) {
      return here(plan);
    }
    CommitPosition floor =
        plan.transactions()
            .commit(plan.brief(), tx -> ReplicaSql.writeLog(tx.dsl()))
            .position()
            .orElseThrow(
                () ->
                    new Unfit(
                        "the primary does not tell the position of its log, so that a replica cannot be known to have replayed it"));
    plan.transactions().execute(plan.brief(), tx -> ReplicaSql.writeLog(tx.dsl()));
    Sight sight = new Sight(plan, Transactions.of(plan.replica().get()), floor);
    sight.await();
    return sight;
  }

  private void await() throws InterruptedException {
    long until = System.nanoTime() + plan.confirmWithin().toNanos();
    while (true) {
      try {
        ask(dsl -> true);
        return;
      } catch (Behind e) {
        if (System.nanoTime() - until >= 0) {
          throw e;
        }
      }
      Thread.sleep(plan.poll().toMillis());
    }
  }

  <T> T look(Tx progress, Function<DSLContext, T> question) {
    return replica == null ? question.apply(progress.dsl()) : ask(question);
  }

  /** The position is asked for on the connection that answers: a pool may have several nodes. */
  private <T> T ask(Function<DSLContext, T> question) {
    TxOptions options =
        SteadyText.in(TxOptions.builder())
            .path("reconcile-replica")
            .readOnly(true)
            .isolation(TxOptions.Isolation.READ_COMMITTED)
            .setting("row_security", "off")
            .deadline(plan.rangeTimeout())
            .build();
    CommitPosition asked = java.util.Objects.requireNonNull(floor);
    return java.util.Objects.requireNonNull(replica)
        .run(
            options,
            tx -> {
              Optional<CommitPosition> shown = ReplicaSql.replayed(tx.dsl());
              if (shown.isEmpty()) {
                throw new Unfit(
                    "the replica is not in recovery: it was promoted, or is the primary; give scanOn another one");
              }
              if (shown.get().systemIdentifier() != asked.systemIdentifier()) {
                throw new Unfit(
                    "the replica belongs to another cluster (%s) than the primary (%s)"
                        .formatted(shown.get(), asked));
              }
              if (!shown.get().covers(asked)) {
                throw new Behind(
                    "the replica has replayed %s, and not yet %s, which was committed before the scan"
                        .formatted(shown.get(), asked));
              }
              return question.apply(tx.dsl());
            });
  }

  /** Nothing can be seen there. */
  static class Unfit extends RuntimeException {
    private static final long serialVersionUID = 1L;

    Unfit(String reason) {
      super(reason, null, false, false);
    }
  }

  /** Not yet. */
  private static final class Behind extends Unfit {
    private static final long serialVersionUID = 1L;

    Behind(String reason) {
      super(reason);
    }
  }
}
