package dev.pgbelay.routing;

import dev.pgbelay.core.Commit;
import dev.pgbelay.core.CommitPosition;
import dev.pgbelay.core.FailureKind;
import dev.pgbelay.core.Failures;
import dev.pgbelay.core.OutcomeUnknownException;
import dev.pgbelay.core.TransactionException;
import dev.pgbelay.core.Tx;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.core.TxWork;
import dev.pgbelay.core.internal.RetryBar;
import dev.pgbelay.routing.Floor.Shown;
import dev.pgbelay.routing.RouteDecision.Reason;
import dev.pgbelay.routing.SeenConnections.Seen;
import java.sql.SQLException;
import java.time.Duration;
import java.util.Optional;
import java.util.OptionalLong;
import org.jooq.exception.DataAccessException;
import org.jspecify.annotations.Nullable;
import org.postgresql.PGConnection;

/** Runs writes on the primary, and keeps where they are to be seen. Safe for several threads. */
final class Writes {
  private final Fleet fleet;
  private final Settlement settlement;
  private final ConnectionFit fit;
  private final RoutingMeters meters;

  /** Of this cluster alone: another one may be read meanwhile. */
  private final ThreadLocal<Boolean> writing = ThreadLocal.withInitial(() -> false);

  Writes(Fleet fleet, Settlement settlement, ConnectionFit fit, RoutingMeters meters) {
    this.fleet = fleet;
    this.settlement = settlement;
    this.fit = fit;
    this.meters = meters;
  }

  /** A replica does not have what an open transaction has written. */
  void requireNotWriting() {
    if (writing.get()) {
      throw new TransactionException(
          FailureKind.MISUSE,
          "a routed read was begun inside a routed write on this thread: it would not see what that"
              + " one has written so far. Read through the transaction that is open, or after it",
          null);
    }
  }

  <T extends @Nullable Object, X extends Exception> Commit<T> commit(
      Session session, TxOptions how, TxWork<T, X> work) throws X {
    fleet.requireOpen();
    long begun = System.nanoTime();
    while (true) {
      Member primary = fit.primary(begun);
      NodeSight sight = fleet.believed(primary);
      if (sight == null) {
        ConnectionFit.pause();
        continue;
      }
      settlement.judge(session);
      Run<T, X> run = new Run<>(primary, sight, session, work);
      try {
        return run.run(how, System.nanoTime() - begun);
      } catch (NotFitException e) {
        if (fit.isTooLate(begun)) {
          throw fit.noPrimaryBehind(primary, e);
        }
        ConnectionFit.pause();
      } catch (Throwable failure) {
        if (fit.isTooLate(begun) || !run.mayRunAgain(failure)) {
          throw failure;
        }
        ConnectionFit.pause();
      }
    }
  }

  /** One attempt, which may be several of the node's own retries. */
  private final class Run<T extends @Nullable Object, X extends Exception> {
    private final Member primary;
    private final NodeSight sight;
    private final Session session;
    private final TxWork<T, X> work;
    private @Nullable Tx tx;
    private @Nullable Seen seen;
    private @Nullable Throwable ofOthers;
    private boolean mayHaveShown;

    Run(Member primary, NodeSight sight, Session session, TxWork<T, X> work) {
      this.primary = primary;
      this.sight = sight;
      this.session = session;
      this.work = work;
    }

    Commit<T> run(TxOptions how, long waited) throws X {
      try {
        Commit<T> commit =
            primary
                .transactions()
                .commit(
                    how,
                    opened -> {
                      tx = opened;
                      requirePrimary(opened);
                      PGConnection driver = ConnectionFit.driverOf(opened);
                      boolean before = writing.get();
                      writing.set(true);
                      T value;
                      try {
                        value = work.run(opened);
                        mayHaveShown = true;
                      } catch (Throwable failure) {
                        mayHaveShown |= !ConnectionFit.isLostUnused(driver);
                        if (ConnectionFit.isOfOtherConnection(driver, failure)) {
                          ofOthers = failure;
                        }
                        throw failure;
                      } finally {
                        writing.set(before);
                      }
                      // A newer timeline that was heard of meanwhile takes this one's worth.
                      requirePrimary(opened);
                      return value;
                    });
        committed(commit, waited);
        return commit;
      } catch (OutcomeUnknownException e) {
        unknown();
        throw e;
      } catch (Throwable failure) {
        shown();
        throw failure;
      }
    }

    private void requirePrimary(Tx opened) {
      try {
        seen = fit.requirePrimary(opened.connection(), primary);
      } catch (SQLException e) {
        throw new DataAccessException("the node could not be identified", e);
      }
    }

    private void committed(Commit<T> commit, long waited) {
      Optional<CommitPosition> position = commit.position();
      if (commit.effect() == Commit.Effect.READ_ONLY) {
        shown();
        session.change(floor -> floor.answeredBy(primary, sight));
      } else if (position.isPresent()) {
        session.change(floor -> floor.raised(position.get()).answeredBy(primary, sight));
      } else {
        unknown();
      }
      RouteDecision decision =
          new RouteDecision(
              primary.name(),
              Reason.PRIMARY_DECLARED,
              Duration.ofNanos(waited),
              OptionalLong.of(0),
              Optional.empty());
      meters.decided(decision, 0);
      session.decided(decision);
    }

    /** Until the server's process has ended that has it, nobody knows from where on it is seen. */
    private void unknown() {
      Seen known = seen;
      if (known != null) {
        PendingCommit pending = new PendingCommit(known.server(), known.pid());
        fleet.await(pending);
        session.change(floor -> floor.with(pending));
      }
    }

    private void shown() {
      if (mayHaveShown) {
        Shown shown = Shown.byPrimary(primary, sight);
        session.change(floor -> floor.with(shown));
      }
    }

    /**
     * Nothing was done: the node is a replica now, or cannot be reached, and another may come to be
     * the primary.
     */
    @SuppressWarnings("ReferenceEquality") // the failure itself, not one like it
    boolean mayRunAgain(Throwable failure) {
      if (failure == ofOthers) {
        return false;
      }
      FailureKind kind = Failures.classify(failure);
      boolean moved =
          (kind == FailureKind.READ_ONLY || kind.fate() == FailureKind.Fate.NEVER_BEGUN)
              && fleet.primaryOrNull() != primary;
      return (moved || kind == FailureKind.CANNOT_CONNECT) && (tx == null || RetryBar.isOpen(tx));
    }
  }
}
