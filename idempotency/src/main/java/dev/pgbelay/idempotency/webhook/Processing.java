package dev.pgbelay.idempotency.webhook;

import dev.pgbelay.core.OutcomeUnknownException;
import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.Tx;
import dev.pgbelay.core.internal.Claimant;
import dev.pgbelay.core.internal.Fence;
import dev.pgbelay.idempotency.webhook.EventSql.Left;
import dev.pgbelay.idempotency.webhook.StoredEvent.State;
import dev.pgbelay.idempotency.webhook.WebhookMeters.Result;
import java.time.Duration;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Handles one event after the other. An attempt is counted and committed before it begins, so that
 * an event which kills its process is parked too; the handler's transaction locks the row under the
 * fence first, so that nobody else can begin while it is open. Safe for several threads.
 */
final class Processing {
  private static final Logger LOG = LoggerFactory.getLogger(WebhookWorker.class);

  private final InboxOptions options;
  private final EventHandler handler;
  private final EventSql sql;
  private final Transactions transactions;
  private final WebhookMeters meters;
  private final Claimant claimant = Claimant.random();

  Processing(InboxOptions options, EventHandler handler) {
    this.options = options;
    this.handler = handler;
    this.sql = new EventSql(options.eventTable(), options.provider());
    this.transactions = options.transactions();
    this.meters = options.meters();
  }

  /** Whoever has it by now, it is not this worker. */
  private static final class LostException extends PgBelayException {
    private static final long serialVersionUID = 1L;

    LostException() {
      super("the claim on a webhook's event is lost: its lease had ended");
    }
  }

  /** Takes back what the handler wrote, and brings its verdict out. */
  @SuppressWarnings("serial") // never leaves this class
  private static final class NotProcessed extends RuntimeException {
    private static final long serialVersionUID = 1L;
    private final transient Handled handled;

    NotProcessed(Handled handled) {
      super(handled.verdict().name(), null, false, false);
      this.handled = handled;
    }
  }

  /**
   * Handles what has been due for longest.
   *
   * @return whether there was one
   * @throws InterruptedException if the handler was interrupted; the event is given back
   */
  boolean one() throws InterruptedException {
    Optional<EventClaim> claim = claim();
    if (claim.isPresent()) {
      handle(claim.get());
    }
    return claim.isPresent();
  }

  /** Committed; empty if nothing is due. */
  Optional<EventClaim> claim() {
    Fence fence = claimant.next();
    return sql.claimDue(transactions, options.own(), fence, options.lease());
  }

  void handle(EventClaim claim) throws InterruptedException {
    if (claim.crashed()) {
      meters.takenOver();
    }
    if (claim.attempts() > options.maxAttempts()) {
      park(
          claim, "its workers crashed, or it failed, " + options.maxAttempts() + " times in a row");
      return;
    }
    WebhookEvent event;
    try {
      event = options.content().event(claim.row(), claim.attempts());
    } catch (PgBelayException e) {
      park(claim, "unreadable: " + e.getMessage());
      return;
    }
    try {
      transactions.execute(options.handling(), tx -> attempt(tx, claim, event));
      meters.handled(Result.PROCESSED);
    } catch (NotProcessed e) {
      verdict(claim, e.handled);
    } catch (LostException e) {
      lost(claim);
    } catch (OutcomeUnknownException e) {
      LOG.warn("event {}: it is not known whether it was processed; its lease will tell", event, e);
    } catch (InterruptedException e) {
      giveBack(claim);
      throw e;
    } catch (Exception | LinkageError | StackOverflowError | AssertionError e) {
      failed(claim, e);
    }
  }

  private void attempt(Tx tx, EventClaim claim, WebhookEvent event) throws Exception {
    if (!sql.lockOwn(tx, claim, options.lease())) {
      throw new LostException();
    }
    Handled handled = handler.handle(tx, event);
    if (handled == null) {
      throw new PgBelayException("the handler of " + event + " returned null");
    }
    if (handled.verdict() != Handled.Verdict.PROCESSED) {
      throw new NotProcessed(handled);
    }
    if (!sql.finish(tx, claim)) {
      throw new LostException();
    }
  }

  private void verdict(EventClaim claim, Handled handled) {
    boolean tooLong = claim.triedFor().compareTo(options.notYetFor()) >= 0;
    if (handled.verdict() == Handled.Verdict.PARKED) {
      park(claim, handled.reason());
    } else if (tooLong) {
      park(claim, "not yet for longer than " + options.notYetFor() + ": " + handled.reason());
    } else {
      int times = claim.notYet() + 1;
      Duration pause = options.pauseAfter(times);
      if (leave(claim, new Left(State.PENDING, 0, times, handled.reason(), pause))) {
        meters.handled(Result.NOT_YET);
      }
    }
  }

  private void failed(EventClaim claim, Throwable failure) {
    String reason =
        "failed " + claim.attempts() + " times, last with " + failure.getClass().getName();
    if (claim.attempts() >= options.maxAttempts()) {
      park(claim, reason);
      return;
    }
    Duration pause = options.pauseAfter(claim.attempts());
    Left left = new Left(State.PENDING, claim.attempts(), claim.notYet(), reason, pause);
    if (leave(claim, left)) {
      meters.handled(Result.FAILED);
      LOG.warn("event {}/{} {}", options.provider(), claim.id(), reason);
    }
  }

  private void park(EventClaim claim, String reason) {
    Left left =
        new Left(
            State.PARKED,
            claim.attempts(),
            claim.notYet(),
            Handled.park(reason).reason(),
            Duration.ZERO);
    if (leave(claim, left)) {
      meters.handled(Result.PARKED);
      LOG.error("event {}/{} is parked: {}", options.provider(), claim.id(), left.reason());
    }
  }

  /** As if it had not been tried. */
  private void giveBack(EventClaim claim) {
    Left left =
        new Left(
            State.PENDING,
            claim.attempts() - 1,
            claim.notYet(),
            "its handler was interrupted",
            Duration.ZERO);
    leave(claim, left);
  }

  private boolean leave(EventClaim claim, Left left) {
    boolean held = sql.leave(transactions, options.own(), claim, left);
    if (!held) {
      lost(claim);
    }
    return held;
  }

  private void lost(EventClaim claim) {
    meters.handled(Result.LOST);
    LOG.warn(
        "event {}/{} was taken over while it was handled here; nothing was changed",
        options.provider(),
        claim.id());
  }
}
