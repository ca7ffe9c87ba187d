package dev.pgbelay.idempotency;

import dev.pgbelay.core.FailureKind;
import dev.pgbelay.core.OutcomeUnknownException;
import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.TransactionException;
import dev.pgbelay.core.Tx;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.core.TxWork;
import dev.pgbelay.idempotency.internal.Polling;
import dev.pgbelay.idempotency.internal.Stored;
import java.sql.SQLException;
import java.time.Duration;
import java.util.Optional;
import org.jooq.ResultQuery;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Runs work under a key unless {@link StoredAnswers} has its answer. Safe for several threads. */
final class KeyedRun<R> {
  private static final Logger LOG = LoggerFactory.getLogger(Operation.class);
  private static final Duration RETRY_AFTER = Duration.ofSeconds(1);
  private static final int MOST_TAKEN = 3;

  /** There is a row that the look did not see; the transaction is rolled back and looks again. */
  private static final class KeyTakenException extends PgBelayException {
    private static final long serialVersionUID = 1L;

    KeyTakenException(IdempotencyKey key) {
      super("an answer under key " + key + " was committed by somebody who did not take its lock");
    }
  }

  /**
   * What one transaction did.
   *
   * @param stored what is committed with it, or was before; null if nothing is
   */
  private record Ran<R>(Answer<R> answer, @Nullable Stored stored) {}

  private final Idempotency owner;
  private final KeySql sql;
  private final KeyedStatementSql statements;
  private final ResponseBytes<R> bytes;
  private final TxOptions options;
  private final OperationMeters meters;
  private final StoredAnswers<R> stored;

  KeyedRun(
      Idempotency owner,
      ResponseBytes<R> bytes,
      TxOptions options,
      Duration retention,
      OperationMeters meters) {
    this.owner = owner;
    this.sql = new KeySql(owner.schema());
    this.statements = new KeyedStatementSql(owner.schema());
    this.bytes = bytes;
    this.options = options;
    this.meters = meters;
    this.stored = new StoredAnswers<>(owner, sql, bytes, options, retention, meters);
  }

  <X extends Exception> Answer<R> run(
      IdempotencyKey key, Fingerprint fingerprint, Duration wait, TxWork<? extends R, X> work)
      throws X {
    Answer<R> answer;
    try {
      answer = stored.known(key, fingerprint);
      if (answer == null) {
        answer = runOrWait(key, fingerprint, wait, work);
      }
    } catch (Throwable e) {
      meters.failed();
      throw e;
    }
    meters.answered(answer.outcome());
    return answer;
  }

  Answer<R> runStatement(
      IdempotencyKey key, Fingerprint fingerprint, Duration wait, ResultQuery<?> work, R response) {
    Answer<R> answer;
    try {
      answer = stored.known(key, fingerprint);
      if (answer == null) {
        answer = alone(key, fingerprint, work, response);
      }
      if (answer == null) {
        answer =
            runOrWait(
                key,
                fingerprint,
                wait,
                tx -> {
                  requireDone(key, KeyedStatementSql.work(tx, work));
                  return response;
                });
      }
    } catch (Throwable e) {
      meters.failed();
      throw e;
    }
    meters.answered(answer.outcome());
    return answer;
  }

  /** In one message; null if the key is taken, and has to be looked at. */
  private @Nullable Answer<R> alone(
      IdempotencyKey key, Fingerprint fingerprint, ResultQuery<?> work, R response) {
    byte[] encoded = bytes.encode(response);
    KeyedStatementSql.Ran ran;
    try {
      ran = statements.run(owner.transactions(), options, key, fingerprint, encoded, work);
    } catch (OutcomeUnknownException e) {
      return stored.afterLostCommit(key, fingerprint, e);
    }
    if (ran == KeyedStatementSql.Ran.TAKEN) {
      return null;
    }
    requireDone(key, ran);
    stored.executed(key, fingerprint, encoded);
    return Answer.executed(response);
  }

  private static void requireDone(IdempotencyKey key, KeyedStatementSql.Ran ran) {
    if (ran == KeyedStatementSql.Ran.NOTHING) {
      throw new PgBelayException(
          "the statement under key "
              + key
              + " returned no row, so that the response is not true: nothing was done, and the key"
              + " is free. Where a row may be missing, look at it in work with a transaction");
    }
  }

  private <X extends Exception> Answer<R> runOrWait(
      IdempotencyKey key, Fingerprint fingerprint, Duration wait, TxWork<? extends R, X> work)
      throws X {
    Answer<R> answer = attempt(key, fingerprint, work);
    if (answer.outcome() != Outcome.IN_PROGRESS || wait.isZero()) {
      return answer;
    }
    Polling polling = new Polling(wait);
    while (answer.outcome() == Outcome.IN_PROGRESS && polling.pause()) {
      answer = attempt(key, fingerprint, work);
    }
    meters.waited(polling.elapsed());
    return answer;
  }

  private <X extends Exception> Answer<R> attempt(
      IdempotencyKey key, Fingerprint fingerprint, TxWork<? extends R, X> work) throws X {
    for (int taken = 1; ; taken++) {
      boolean[] committing = {false};
      try {
        Ran<R> ran =
            owner
                .transactions()
                .run(
                    options,
                    (Tx tx) -> {
                      committing[0] = false;
                      Ran<R> inside = inside(tx, key, fingerprint, work, true);
                      committing[0] = true;
                      return inside;
                    });
        stored.answered(key, ran.answer(), ran.stored());
        return ran.answer();
      } catch (KeyTakenException e) {
        if (taken == MOST_TAKEN) {
          throw e;
        }
      } catch (OutcomeUnknownException e) {
        if (!committing[0]) {
          throw e;
        }
        return stored.afterLostCommit(key, fingerprint, e);
      } catch (TransactionException e) {
        if (!committing[0] || !isTaken(e)) {
          throw e;
        }
        if (taken == MOST_TAKEN) {
          throw new KeyTakenException(key);
        }
      }
    }
  }

  private static boolean isTaken(TransactionException failure) {
    Throwable cause = failure.getCause();
    return failure.kind() == FailureKind.UNIQUE_VIOLATION && cause != null && KeySql.isTaken(cause);
  }

  private <X extends Exception> Ran<R> inside(
      Tx tx,
      IdempotencyKey key,
      Fingerprint fingerprint,
      TxWork<? extends R, X> work,
      boolean commitsNext)
      throws X {
    KeySql.Look look = stored.look(tx, key);
    if (look.stored() != null) {
      return new Ran<>(stored.replay(key, fingerprint, look.stored()), look.stored());
    }
    if (!look.locked()) {
      return new Ran<>(Answer.inProgress(RETRY_AFTER), null);
    }
    R response = work.run(tx);
    byte[] encoded = bytes.encode(response);
    if (!commitsNext || !sql.keepWithCommit(tx, key, fingerprint, encoded)) {
      keep(tx, key, fingerprint, encoded);
    }
    return new Ran<>(Answer.executed(response), stored.kept(fingerprint, encoded));
  }

  Optional<Answer<R>> find(IdempotencyKey key) {
    return stored.find(key);
  }

  <X extends Exception> Answer<R> join(
      Tx tx, IdempotencyKey key, Fingerprint fingerprint, TxWork<? extends R, X> work) throws X {
    Answer<R> answer;
    try {
      answer = inside(tx, key, fingerprint, work, false).answer();
    } catch (Throwable e) {
      meters.failed();
      spoil(tx, e);
      throw e;
    }
    meters.answered(answer.outcome());
    return answer;
  }

  /** Half of the work may be done, and its caller may swallow the exception and commit. */
  private static void spoil(Tx tx, Throwable failure) {
    try {
      KeySql.spoil(tx.connection());
    } catch (SQLException | RuntimeException e) {
      LOG.debug("the transaction can only be rolled back, because of {}", failure.toString());
    }
  }

  private void keep(Tx tx, IdempotencyKey key, Fingerprint fingerprint, byte[] encoded) {
    boolean kept;
    try {
      kept = sql.keep(tx.connection(), key, fingerprint, encoded);
    } catch (SQLException e) {
      throw StoredAnswers.failed("kept", key, e);
    }
    if (!kept) {
      throw new KeyTakenException(key);
    }
  }
}
