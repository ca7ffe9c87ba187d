package dev.pgbelay.idempotency;

import dev.pgbelay.core.FailureKind;
import dev.pgbelay.core.OutcomeUnknownException;
import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.TransactionException;
import dev.pgbelay.core.Tx;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.core.TxWork;
import dev.pgbelay.idempotency.internal.Polling;
import dev.pgbelay.idempotency.internal.ReplayShare;
import dev.pgbelay.idempotency.internal.Stored;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.Optional;
import org.jooq.ResultQuery;
import org.jooq.exception.DataAccessException;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Runs work under a key, or finds what was stored under it. Safe for several threads. */
final class KeyedRun<R> {
  private static final Logger LOG = LoggerFactory.getLogger(Operation.class);
  private static final Duration RETRY_AFTER = Duration.ofSeconds(1);
  private static final Duration LOST_COMMIT = Duration.ofSeconds(5);
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
  private final Duration retention;
  private final OperationMeters meters;
  private final ReplayShare replays = new ReplayShare();

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
    this.retention = retention;
    this.meters = meters;
  }

  <X extends Exception> Answer<R> run(
      IdempotencyKey key, Fingerprint fingerprint, Duration wait, TxWork<? extends R, X> work)
      throws X {
    Answer<R> answer;
    try {
      answer = known(key, fingerprint);
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
      answer = known(key, fingerprint);
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
      return afterLostCommit(key, fingerprint, e);
    }
    if (ran == KeyedStatementSql.Ran.TAKEN) {
      return null;
    }
    requireDone(key, ran);
    replays.saw(false);
    owner.cache().keep(key, new Stored(fingerprint, encoded, retention));
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

  /** From the cache; or by one read, where that is likely to answer. */
  private @Nullable Answer<R> known(IdempotencyKey key, Fingerprint fingerprint) {
    Stored stored = owner.cache().find(key);
    if (stored != null) {
      meters.fromCache();
      return replay(key, fingerprint, stored);
    }
    if (!replays.isLarge()) {
      return null;
    }
    stored = read(key);
    if (stored == null) {
      return null;
    }
    replays.saw(true);
    owner.cache().keep(key, stored);
    return replay(key, fingerprint, stored);
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
        replays.saw(ran.answer().outcome() == Outcome.REPLAYED);
        if (ran.stored() != null) {
          owner.cache().keep(key, ran.stored());
        }
        return ran.answer();
      } catch (KeyTakenException e) {
        if (taken == MOST_TAKEN) {
          throw e;
        }
      } catch (OutcomeUnknownException e) {
        if (!committing[0]) {
          throw e;
        }
        return afterLostCommit(key, fingerprint, e);
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
    KeySql.Look look = look(tx, key);
    if (look.stored() != null) {
      return new Ran<>(replay(key, fingerprint, look.stored()), look.stored());
    }
    if (!look.locked()) {
      return new Ran<>(Answer.inProgress(RETRY_AFTER), null);
    }
    R response = work.run(tx);
    byte[] encoded = bytes.encode(response);
    if (!commitsNext || !sql.keepWithCommit(tx, key, fingerprint, encoded)) {
      keep(tx, key, fingerprint, encoded);
    }
    return new Ran<>(Answer.executed(response), new Stored(fingerprint, encoded, retention));
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

  private KeySql.Look look(Tx tx, IdempotencyKey key) {
    try {
      return sql.lockAndFind(tx.connection(), key, retention);
    } catch (SQLException e) {
      throw failed("looked at", key, e);
    }
  }

  private void keep(Tx tx, IdempotencyKey key, Fingerprint fingerprint, byte[] encoded) {
    boolean kept;
    try {
      kept = sql.keep(tx.connection(), key, fingerprint, encoded);
    } catch (SQLException e) {
      throw failed("kept", key, e);
    }
    if (!kept) {
      throw new KeyTakenException(key);
    }
  }

  private static RuntimeException failed(String what, IdempotencyKey key, SQLException e) {
    return KeySql.failed(
        new DataAccessException("the answer under key " + key + " could not be " + what, e));
  }

  private Answer<R> replay(IdempotencyKey key, Fingerprint fingerprint, Stored stored) {
    if (!fingerprint.matches(stored.fingerprint())) {
      return Answer.without(Outcome.FINGERPRINT_MISMATCH);
    }
    if (stored.hasExpired()) {
      return Answer.without(Outcome.EXPIRED);
    }
    return Answer.replayed(bytes.decode(key, stored.response()));
  }

  /**
   * The lost session holds the key's lock until its transaction is over, one way or the other. No
   * row behind that means that nothing was committed, and then the caller is told of the failure: a
   * run of the work more is his to decide.
   */
  private Answer<R> afterLostCommit(
      IdempotencyKey key, Fingerprint fingerprint, OutcomeUnknownException lost) {
    Polling polling = new Polling(LOST_COMMIT);
    while (true) {
      try {
        KeySql.Look look = owner.transactions().run(options, tx -> look(tx, key));
        if (look.stored() != null) {
          return replay(key, fingerprint, look.stored());
        }
        if (look.locked()) {
          throw lost;
        }
      } catch (RuntimeException e) {
        if (e == lost) {
          throw lost;
        }
        LOG.debug("key {}: cannot ask yet what became of a lost COMMIT", key, e);
      }
      if (!polling.pause()) {
        throw lost;
      }
    }
  }

  Optional<Answer<R>> find(IdempotencyKey key) {
    Stored stored = read(key);
    return Optional.ofNullable(stored).map(found -> replay(key, found.fingerprint(), found));
  }

  private @Nullable Stored read(IdempotencyKey key) {
    try (Connection connection = owner.dataSource().getConnection()) {
      if (!connection.getAutoCommit()) {
        connection.setAutoCommit(true);
      }
      return sql.find(connection, key, retention);
    } catch (SQLException e) {
      throw failed("read", key, e);
    }
  }
}
