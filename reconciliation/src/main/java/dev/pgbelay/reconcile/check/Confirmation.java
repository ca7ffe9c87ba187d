package dev.pgbelay.reconcile.check;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.Tx;
import dev.pgbelay.reconcile.Declaration;
import dev.pgbelay.reconcile.check.FindingSql.Answer;
import dev.pgbelay.reconcile.check.FindingSql.Open;
import dev.pgbelay.reconcile.internal.Probe;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import org.jooq.JSONB;
import org.jspecify.annotations.Nullable;

/** The second look: after whoever may have been about to mend what the first one saw. */
final class Confirmation {
  private static final int AT_ONCE = 2_500;

  private final CheckPlan plan;
  private final Declaration declaration;
  private final Probe probe;
  private final RunSql runs;
  private final FindingSql findings;

  Confirmation(
      CheckPlan plan, Declaration declaration, Probe probe, RunSql runs, FindingSql findings) {
    this.plan = plan;
    this.declaration = declaration;
    this.probe = probe;
    this.runs = runs;
    this.findings = findings;
  }

  /**
   * How it ended.
   *
   * @param blockers that had not ended
   * @param open what is left
   */
  record Result(List<Blocker> blockers, Open open) {
    /** Null if nothing is left to the next run. */
    @Nullable String whyIncomplete(long notKept) {
      if (!blockers.isEmpty()) {
        return "candidates could not be confirmed, since transactions have not ended that held locks on the tables: "
            + blockers.stream().limit(5).map(Blocker::toString).toList();
      }
      if (notKept > 0) {
        return notKept
            + " candidates were counted and not kept; mend what is found, or raise maxCandidates";
      }
      if (open.candidates() > 0) {
        return open.candidates()
            + " candidates are younger than the grace, or have changed meanwhile; the next run settles them";
      }
      return null;
    }
  }

  /** Who held locks, and when that was asked, which was before. */
  private record Listed(Instant at, List<Blocker> blockers) {}

  /**
   * Waits, and asks again.
   *
   * @param seen what is open, read after the scan
   */
  Result run(long run, Open seen) throws InterruptedException {
    Transactions transactions = plan.transactions();
    long until = System.nanoTime() + plan.confirmWithin().toNanos();
    Listed listed = list();
    List<Blocker> left = outwait(listed.blockers(), until);
    outwaitGrace(seen, until);
    askAgain(run, left.isEmpty() ? listed.at() : null);
    Open open =
        transactions.run(
            plan.brief(),
            tx -> {
              findings.forgetCandidatesThatAreGone(tx.dsl());
              return findings.open(tx.dsl());
            });
    return new Result(left, open);
  }

  private Listed list() {
    return plan.transactions()
        .run(
            plan.brief(),
            tx -> {
              Instant at = BlockerSql.now(tx.dsl());
              return new Listed(at, BlockerSql.list(tx.dsl(), tables(tx)));
            });
  }

  private List<String> tables(Tx tx) {
    return declaration.reads().stream().map(table -> tx.dsl().render(table)).toList();
  }

  private List<Blocker> outwait(List<Blocker> listed, long until) throws InterruptedException {
    List<Blocker> left = listed;
    while (!left.isEmpty()) {
      List<Blocker> asked = left;
      left =
          plan.transactions()
              .run(plan.brief(), tx -> BlockerSql.running(tx.dsl(), asked, tables(tx)));
      if (left.isEmpty() || System.nanoTime() - until >= 0) {
        break;
      }
      Thread.sleep(plan.poll().toMillis());
    }
    return left;
  }

  private void outwaitGrace(Open seen, long until) throws InterruptedException {
    Long youngest = seen.youngestMillis();
    if (youngest == null || declaration.grace().isZero()) {
      return;
    }
    Duration rest = declaration.grace().minusMillis(youngest).plusMillis(1);
    Duration time = Duration.ofNanos(until - System.nanoTime());
    if (!rest.isNegative() && rest.compareTo(time) <= 0) {
      Thread.sleep(rest.toMillis());
    }
  }

  /** A query is read whole for each page, so there is only one. */
  private void askAgain(long run, @Nullable Instant seenBefore) {
    int atOnce = probe.isWalkable() ? AT_ONCE : Integer.MAX_VALUE;
    JSONB after = null;
    do {
      JSONB from = after;
      Answer answer =
          plan.transactions()
              .run(
                  plan.brief(),
                  tx -> {
                    Answer asked = findings.askAgain(tx.dsl(), probe, from, atOnce, seenBefore);
                    if (asked.confirmed() + asked.resolved() > 0) {
                      runs.countConfirmation(tx.dsl(), run, asked.confirmed(), asked.resolved());
                    }
                    return asked;
                  });
      after = answer.lastKey();
    } while (after != null && probe.isWalkable());
  }
}
