package dev.pgbelay.idempotency;

import dev.pgbelay.core.OutcomeUnknownException;
import dev.pgbelay.core.Tx;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.idempotency.internal.Polling;
import dev.pgbelay.idempotency.internal.ReplayShare;
import dev.pgbelay.idempotency.internal.Stored;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.Optional;
import org.jooq.exception.DataAccessException;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** What is stored under the keys of an operation, and what it answers. Safe for several threads. */
final class StoredAnswers<R> {
  private static final Logger LOG = LoggerFactory.getLogger(Operation.class);
  private static final Duration LOST_COMMIT = Duration.ofSeconds(5);

  private final Idempotency owner;
  private final KeySql sql;
  private final ResponseBytes<R> bytes;
  private final TxOptions options;
  private final Duration retention;
  private final OperationMeters meters;
  private final ReplayShare replays = new ReplayShare();

  StoredAnswers(
      Idempotency owner,
      KeySql sql,
      ResponseBytes<R> bytes,
      TxOptions options,
      Duration retention,
      OperationMeters meters) {
    this.owner = owner;
    this.sql = sql;
    this.bytes = bytes;
    this.options = options;
    this.retention = retention;
    this.meters = meters;
  }

  /** From the cache; or by one read, where that is likely to answer. */
  @Nullable Answer<R> known(IdempotencyKey key, Fingerprint fingerprint) {
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

  /** An answer as it is stored just now. */
  Stored kept(Fingerprint fingerprint, byte[] encoded) {
    return new Stored(fingerprint, encoded, retention);
  }

  /** What was committed by a run. */
  void executed(IdempotencyKey key, Fingerprint fingerprint, byte[] encoded) {
    replays.saw(false);
    owner.cache().keep(key, kept(fingerprint, encoded));
  }

  /**
   * What a transaction that is over has answered.
   *
   * @param committed null if nothing is stored
   */
  void answered(IdempotencyKey key, Answer<R> answer, @Nullable Stored committed) {
    replays.saw(answer.outcome() == Outcome.REPLAYED);
    if (committed != null) {
      owner.cache().keep(key, committed);
    }
  }

  Answer<R> replay(IdempotencyKey key, Fingerprint fingerprint, Stored stored) {
    if (!fingerprint.matches(stored.fingerprint())) {
      return Answer.without(Outcome.FINGERPRINT_MISMATCH);
    }
    if (stored.hasExpired()) {
      return Answer.without(Outcome.EXPIRED);
    }
    return Answer.replayed(bytes.decode(key, stored.response()));
  }

  KeySql.Look look(Tx tx, IdempotencyKey key) {
    try {
      return sql.lockAndFind(tx.connection(), key, retention);
    } catch (SQLException e) {
      throw failed("looked at", key, e);
    }
  }

  /**
   * The lost session holds the key's lock until its transaction is over, one way or the other. No
   * row behind that means that nothing was committed, and then the caller is told of the failure: a
   * run of the work more is his to decide.
   */
  Answer<R> afterLostCommit(
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

  static RuntimeException failed(String what, IdempotencyKey key, SQLException e) {
    return KeySql.failed(
        new DataAccessException("the answer under key " + key + " could not be " + what, e));
  }
}
