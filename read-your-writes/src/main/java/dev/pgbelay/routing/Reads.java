package dev.pgbelay.routing;

import dev.pgbelay.core.CommitPosition;
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
import java.util.Optional;
import java.util.OptionalLong;
import org.jooq.exception.DataAccessException;
import org.jspecify.annotations.Nullable;

/** Runs reads where the router sends them. Safe for several threads. */
final class Reads {
  private static final int MOST_ATTEMPTS = 5;

  private final Fleet fleet;
  private final Router router;
  private final SeenConnections connections;
  private final RoutingMeters meters;
  private final RoutingOptions options;

  Reads(
      Fleet fleet,
      Router router,
      SeenConnections connections,
      RoutingMeters meters,
      RoutingOptions options) {
    this.fleet = fleet;
    this.router = router;
    this.connections = connections;
    this.meters = meters;
    this.options = options;
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
    Writes.requireNotWriting();
    RouteState state = new RouteState();
    while (true) {
      Choice choice = next.choose(state);
      Run<T, X> run = new Run<>(choice, session, work);
      boolean mayTryAgain = state.attempt() < MOST_ATTEMPTS;
      try {
        return run.run(read);
      } catch (NotFitException e) {
        if (!mayTryAgain) {
          throw noneFit(e);
        }
        awaitSight(choice, e, state);
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

  private static RoutingException noneFit(NotFitException e) {
    return new RoutingException(
        RoutingException.Kind.NO_REPLICA,
        "connections kept leading elsewhere than their nodes' probes do: " + e.getMessage(),
        e);
  }

  private void awaitSight(Choice choice, NotFitException e, RouteState state) {
    long begun = System.nanoTime();
    try {
      boolean came =
          choice
              .node()
              .monitor()
              .await(
                  sight -> sight.askedNanos() - e.untilNanos() >= 0, options.maxWait().toNanos());
      if (!came) {
        state.failed().add(choice.node());
      }
    } catch (InterruptedException interrupted) {
      Thread.currentThread().interrupt();
    }
    state.waited(System.nanoTime() - begun);
  }

  /** One attempt on one node. */
  private final class Run<T extends @Nullable Object, X extends Exception> {
    private final Choice choice;
    private final @Nullable Session session;
    private final TxWork<T, X> work;
    private @Nullable Tx tx;
    private @Nullable FailureKind kind;

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
                  requireFit(opened);
                  return work.run(opened);
                });
        long ended = System.nanoTime();
        node.ended(ended - begun);
        decided(ended);
        return value;
      } catch (NotFitException e) {
        node.notRun();
        throw e;
      } catch (Throwable failure) {
        kind = Failures.classify(failure);
        long ended = System.nanoTime();
        node.failed(kind, failure, ended - begun);
        shown(ended);
        throw failure;
      } finally {
        router.over(choice);
      }
    }

    private void requireFit(Tx opened) {
      try {
        Seen seen = connections.of(opened.connection());
        if (choice.floor() == null) {
          requirePrimary(opened, seen);
        } else {
          requireCovered(seen, choice.floor());
        }
      } catch (SQLException e) {
        throw new DataAccessException("the node could not be identified", e);
      }
    }

    private void requirePrimary(Tx opened, Seen seen) throws SQLException {
      if (choice.reason().isReplica()) {
        return;
      }
      if (seen.recovering() || seen.primaryTimeline() != fleet.timelines().newest()) {
        SeenConnections.evict(opened.connection());
        throw new NotFitException("is not the primary", System.nanoTime());
      }
    }

    /** Also a replica that has crashed and is back says so: it may stand further back then. */
    private void requireCovered(Seen seen, Floor floor) {
      if (!options.compares()) {
        return;
      }
      NodeSight sight = choice.sight();
      if (!seen.server().equals(sight.server())) {
        throw new NotFitException("leads to another server or start of it", seen.seenNanos());
      }
      for (Shown shown : floor.shown()) {
        if (seen.seenNanos() - shown.untilNanos() > 0) {
          throw new NotFitException("is newer than what was shown", shown.untilNanos());
        }
      }
      if (floor.position() == null || sight.askedNanos() - seen.seenNanos() >= 0) {
        return;
      }
      CommitPosition first =
          new CommitPosition(seen.server().systemIdentifier(), sight.timeline(), seen.lsn());
      if (!fleet.timelines().covers(first, floor.position())) {
        throw new NotFitException("is newer than what its node said", seen.seenNanos());
      }
    }

    private void decided(long ended) {
      Member node = choice.node();
      RouteDecision decision =
          new RouteDecision(
              node.name(),
              choice.reason(),
              Duration.ofNanos(choice.waitedNanos()),
              OptionalLong.of(node.lagBytes()),
              choice.reason() == Reason.STALE_BY_CHOICE
                  ? fleet.staleness(choice.sight().position())
                  : Optional.empty());
      meters.decided(decision, choice.waitedNanos());
      shown(ended);
      if (session != null) {
        session.decided(decision);
      }
    }

    /** Also work that failed may have seen something, and told. */
    private void shown(long ended) {
      if (session != null) {
        Shown shown =
            new Shown(choice.node(), choice.sight().server(), choice.sight().timeline(), ended);
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
      FailureKind known = kind == null ? Failures.classify(failure) : kind;
      return switch (known) {
        case RECOVERY_CONFLICT, CONNECTION_LOST, CANNOT_CONNECT, POOL_EXHAUSTED, READ_ONLY -> true;
        default -> false;
      };
    }
  }
}
