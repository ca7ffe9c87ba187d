package dev.pgbelay.routing;

import dev.pgbelay.core.FailureKind;
import dev.pgbelay.core.Failures;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.Tx;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.core.TxWork;
import dev.pgbelay.core.internal.RetryBar;
import dev.pgbelay.routing.Floor.Shown;
import dev.pgbelay.routing.RouteDecision.Reason;
import dev.pgbelay.routing.SeenConnections.Seen;
import java.sql.SQLException;
import java.time.Duration;
import org.jooq.exception.DataAccessException;
import org.jspecify.annotations.Nullable;
import org.postgresql.PGConnection;

/** Runs reads where the router sends them. Safe for several threads. */
final class Reads {
  static final int MOST_ATTEMPTS = 5;

  private final Fleet fleet;
  private final Router router;
  private final Settlement settlement;
  private final ConnectionFit fit;
  private final Writes writes;
  private final RoutingMeters meters;

  Reads(
      Fleet fleet,
      Router router,
      Settlement settlement,
      ConnectionFit fit,
      Writes writes,
      RoutingMeters meters) {
    this.writes = writes;
    this.fleet = fleet;
    this.router = router;
    this.settlement = settlement;
    this.fit = fit;
    this.meters = meters;
  }

  /** Where the next attempt goes. */
  private interface Next {
    Choice choose(RouteState state);
  }

  <T extends @Nullable Object, X extends Exception> T read(
      Session session, ReadOptions read, TxWork<T, X> work) throws X {
    return routed(session, read, work, state -> router.choose(session, read, state));
  }

  <T extends @Nullable Object, X extends Exception> T readAnyReplica(
      Duration maxStaleness, ReadOptions read, TxWork<T, X> work) throws X {
    return routed(null, read, work, state -> router.within(maxStaleness, read, state));
  }

  <T extends @Nullable Object, X extends Exception> T readPrimary(
      Session session, ReadOptions read, TxWork<T, X> work) throws X {
    return routed(
        session,
        read,
        work,
        state -> {
          Member primary = fleet.primary();
          NodeSight sight = fleet.believed(primary);
          settlement.judge(session);
          if (sight == null || !primary.tryBegin()) {
            throw new RoutingException(
                RoutingException.Kind.NO_PRIMARY,
                "the primary '" + primary.name() + "' could not be reached of late");
          }
          return new Choice(primary, sight, null, Reason.PRIMARY_DECLARED, 0, false);
        });
  }

  private <T extends @Nullable Object, X extends Exception> T routed(
      @Nullable Session session, ReadOptions read, TxWork<T, X> work, Next next) throws X {
    fleet.requireOpen();
    writes.requireNotWriting();
    RouteState state = new RouteState();
    while (true) {
      Choice choice = next.choose(state);
      Run<T, X> run = new Run<>(choice, session, work);
      boolean mayTryAgain = state.attempt() < MOST_ATTEMPTS;
      try {
        return run.run(read);
      } catch (NotFitException e) {
        if (!mayTryAgain) {
          throw ConnectionFit.noneFit(e);
        }
        fit.awaitSight(choice.node(), e, state);
      } catch (Throwable failure) {
        if (!mayTryAgain || !run.mayRunElsewhere(failure)) {
          throw failure;
        }
        state.failed().add(choice.node());
        if (run.refusedByReplica()) {
          // All replicas would refuse it.
          state.failed().addAll(fleet.nodes());
        }
      }
    }
  }

  /** One attempt on one node. */
  private final class Run<T extends @Nullable Object, X extends Exception> {
    private final Choice choice;
    private final @Nullable Session session;
    private final TxWork<T, X> work;
    private @Nullable Tx tx;
    private @Nullable Seen seen;
    private @Nullable FailureKind kind;
    private @Nullable Throwable ofOthers;

    Run(Choice choice, @Nullable Session session, TxWork<T, X> work) {
      this.choice = choice;
      this.session = session;
      this.work = work;
    }

    T run(ReadOptions read) throws X {
      Member node = choice.node();
      Transactions transactions = node.transactions();
      TxOptions how = choice.reason().isReplica() ? read.onReplica() : read.onPrimary();
      long begun = System.nanoTime();
      try {
        T value =
            transactions.run(
                how,
                opened -> {
                  tx = opened;
                  Seen found = requireFit(opened);
                  seen = found;
                  PGConnection driver = ConnectionFit.driverOf(opened);
                  try {
                    return work.run(opened);
                  } catch (Throwable failure) {
                    if (ConnectionFit.isOfOtherConnection(driver, failure)) {
                      ofOthers = failure;
                    }
                    throw failure;
                  } finally {
                    fit.noticePromotion(driver, found, choice);
                  }
                });
        long ended = System.nanoTime();
        node.ended(ended - begun);
        decided(ended);
        return value;
      } catch (NotFitException e) {
        node.notRun();
        throw e;
      } catch (Throwable failure) {
        kind = kindFor(failure);
        long ended = System.nanoTime();
        node.failed(kind, failure, ended - begun);
        shown(ended);
        throw failure;
      } finally {
        router.over(choice);
      }
    }

    private Seen requireFit(Tx opened) {
      try {
        return fit.require(opened.connection(), choice);
      } catch (SQLException e) {
        throw new DataAccessException("the node could not be identified", e);
      }
    }

    @SuppressWarnings("ReferenceEquality") // the failure itself, not one like it
    private FailureKind kindFor(Throwable failure) {
      return failure == ofOthers ? FailureKind.OTHER : Failures.classify(failure);
    }

    private void decided(long ended) {
      RouteDecision decision = choice.decision(fleet);
      meters.decided(decision, choice.waitedNanos());
      shown(ended);
      if (session != null) {
        if (!choice.reason().isReplica()) {
          session.change(floor -> floor.answeredBy(choice.node(), choice.sight()));
        }
        session.decided(decision);
      }
    }

    /** Also work that failed may have seen something, and told. */
    private void shown(long ended) {
      if (session != null) {
        Seen known = seen;
        long since = known == null ? ended : known.seenNanos();
        Shown shown = new Shown(choice.node(), choice.sight(), since, ended);
        session.change(floor -> floor.with(shown));
      }
    }

    /** A write by mistake, or what no replica can run: the primary will tell which. */
    boolean refusedByReplica() {
      return kind == FailureKind.READ_ONLY;
    }

    boolean mayRunElsewhere(Throwable failure) {
      if (!choice.reason().isReplica() || (tx != null && !RetryBar.isOpen(tx))) {
        return false;
      }
      FailureKind known = kind == null ? kindFor(failure) : kind;
      return switch (known) {
        case RECOVERY_CONFLICT, CONNECTION_LOST, CANNOT_CONNECT, POOL_EXHAUSTED, READ_ONLY -> true;
        default -> false;
      };
    }
  }
}
