package dev.pgbelay.jobqueue;

import dev.pgbelay.core.CommitPosition;
import dev.pgbelay.core.TransactionException;
import dev.pgbelay.core.Tx;
import dev.pgbelay.core.internal.StatementStart;
import dev.pgbelay.jobqueue.Registration.Identity;
import java.sql.SQLException;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.jooq.exception.DataAccessException;
import org.jspecify.annotations.Nullable;

/**
 * What a handler knows of its attempt, and how it finishes its job in its own transaction. Belongs
 * to the attempt; what only reads is safe for several threads.
 */
public final class JobContext {
  private final ClaimedJob job;
  private final Identity identity;
  private final SettleSql sql;
  private final WorkMeters meters;
  private final Settlement.Slots slots;
  private final @Nullable CommitPosition position;
  private volatile boolean completeCalled;
  private volatile boolean completed;
  private volatile boolean cancelled;

  JobContext(
      ClaimedJob job,
      Identity identity,
      SettleSql sql,
      WorkMeters meters,
      Settlement.Slots slots,
      @Nullable CommitPosition position) {
    this.job = job;
    this.identity = identity;
    this.sql = sql;
    this.meters = meters;
    this.slots = slots;
    this.position = position;
  }

  /** The same in all attempts of a job, and never given to another: fit for an idempotency key. */
  public long jobId() {
    return job.id();
  }

  public String kind() {
    return job.kind();
  }

  public String queue() {
    return job.queue();
  }

  /** This attempt, from 1; snoozed and handed back ones are not counted. */
  public int attempt() {
    return job.attempt();
  }

  public int maxAttempts() {
    return job.maxAttempts();
  }

  /** What the job was enqueued with. */
  public Map<String, String> headers() {
    return job.headers();
  }

  /** What it was tagged with. */
  public Set<String> tags() {
    return new LinkedHashSet<>(job.tags());
  }

  /** How the last attempt failed; empty in the first one. */
  public Optional<FailedAttempt> lastFailure() {
    return job.lastFailure();
  }

  /**
   * Whether somebody wants the job cancelled; its thread was interrupted once for that. A handler
   * that then throws, or returns anything but done and discard, has its job finished as cancelled.
   */
  public boolean isCancelled() {
    return cancelled;
  }

  void cancel() {
    cancelled = true;
  }

  /**
   * A place in the log behind the commit that enqueued the job: a replica that has replayed it
   * shows what the job was enqueued with. Empty where the server does not tell.
   */
  public Optional<CommitPosition> position() {
    return Optional.ofNullable(position);
  }

  /**
   * Whether the job is known to be somebody else's by now, so that going on is pointless. False is
   * no promise: what may be written is decided by {@link #complete}.
   */
  public boolean isLost() {
    return identity.isLost();
  }

  /**
   * Finishes the job in the caller's transaction, so that its effects and the end of the job are
   * committed together, or neither is. One round trip. From here to the end of the transaction
   * nobody else can have the job, so call it last, or keep the rest short. So that a process that
   * is stopped here does not keep the job for ever, {@code idle_in_transaction_session_timeout} is
   * set for this transaction to the worker's lease.
   *
   * <p>What the handler returns afterwards is ignored. If the transaction is not committed, the
   * attempt has failed.
   *
   * @throws LeaseLostException if the job is not this worker's any more. Nothing was changed, and
   *     the transaction can then not be committed, whoever catches this; only a rollback to a
   *     savepoint from before this call goes on
   * @throws DataAccessException if the database refuses
   */
  public void complete(Tx tx) {
    StatementStart.announce(tx.dsl().configuration());
    FinishSql.Completed done;
    try {
      done = sql.complete(tx.connection(), job, slots);
    } catch (SQLException e) {
      throw TablesSql.REFUSED.of("job " + job.id() + " was not completed", e);
    }
    if (!done.held()) {
      throw lost(tx, Settlement.Fate.DONE);
    }
    completeCalled = true;
    if (done.inSavepoint()) {
      return; // the commit says nothing of it then: whether the job is gone is asked afterwards
    }
    try {
      tx.afterCommit(commit -> completed = true);
    } catch (TransactionException noCallback) {
      // A joined transaction without a callback: whether it was committed is asked afterwards.
      completed = false;
    }
  }

  /**
   * Tells how far the job is, in the caller's transaction: it is seen when that commits. One round
   * trip; the job cannot pass to another worker before that transaction ends, and that is bounded
   * as in {@link #complete}.
   *
   * @param percent 0 to 100
   * @param note up to 1,000 characters; not for secrets
   * @throws LeaseLostException as {@link #complete}, with the same consequence
   * @throws DataAccessException if the database refuses
   */
  public void progress(Tx tx, int percent, String note) {
    Options.require("percent", percent, 0, 100);
    Options.require("the length of the note", note.length(), 0, 1_000);
    report(tx, percent, note.replace('\0', ' '), null);
  }

  /**
   * Keeps what came out of the job, instead of what was kept before, as {@link #progress} does.
   *
   * @param bytes up to 1 MiB
   * @throws LeaseLostException as {@link #complete}, with the same consequence
   * @throws DataAccessException if the database refuses
   */
  public void output(Tx tx, byte[] bytes) {
    Options.require("the length of the output", bytes.length, 0, 1 << 20);
    report(tx, null, null, bytes);
  }

  private void report(
      Tx tx, @Nullable Integer percent, @Nullable String note, byte @Nullable [] output) {
    StatementStart.announce(tx.dsl().configuration());
    boolean held;
    try {
      held = sql.reports().write(tx.connection(), job.id(), job.fence(), percent, note, output);
    } catch (SQLException e) {
      throw TablesSql.REFUSED.of("nothing was reported of job " + job.id(), e);
    }
    if (!held) {
      throw lost(tx, null);
    }
  }

  private LeaseLostException lost(Tx tx, Settlement.@Nullable Fate refused) {
    SettleSql.abortTransaction(tx.connection(), job.id());
    meters.stale();
    if (refused != null) {
      meters.refused(Settlement.Subject.of(job), refused);
    }
    return new LeaseLostException(job.id());
  }

  boolean isCompleteCalled() {
    return completeCalled;
  }

  /** Whether it is known that the transaction of {@link #complete} was committed. */
  boolean isCompleted() {
    return completed;
  }
}
