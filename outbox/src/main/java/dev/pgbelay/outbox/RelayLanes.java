package dev.pgbelay.outbox;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.core.background.Pass;
import dev.pgbelay.core.internal.Fence;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.UUID;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Takes this relay's fair share of the lanes, gives back what is more, and retires relays that are
 * not heard of. Used within passes only.
 */
final class RelayLanes {
  private static final Logger LOG = LoggerFactory.getLogger(RelayLanes.class);
  private static final Duration SOON = Duration.ofMillis(100);

  private final RelayOptions options;
  private final Transactions transactions;
  private final RelayIdentity identity;
  private final RelaySql sql;
  private final LaneSql laneSql;
  private final DueSql dueSql;
  private final List<RelayDestination> destinations;
  private final TxOptions write;
  private final Duration pause;
  private final Runnable found;
  private final Set<String> missing = new TreeSet<>();
  private Set<Short> named = Set.of();
  private @Nullable UUID last;
  private long lostAt;

  /**
   * @param found called when the number of a destination has become known
   */
  RelayLanes(
      RelayOptions options,
      RelayIdentity identity,
      List<RelayDestination> destinations,
      Runnable found) {
    this.options = options;
    this.transactions = options.transactions();
    this.identity = identity;
    this.sql = new RelaySql(options.schema());
    this.laneSql = new LaneSql(options.schema());
    this.dueSql = new DueSql(options.schema());
    this.destinations = destinations;
    this.found = found;
    this.write = stoppedAtMost(options.lease(), "outbox-lanes");
    Duration third = options.lease().dividedBy(3);
    Duration most = shorter(Duration.ofSeconds(5), options.pace().interval().multipliedBy(50));
    this.pause = shorter(third, most);
  }

  private static Duration shorter(Duration one, Duration other) {
    return one.compareTo(other) < 0 ? one : other;
  }

  /** A process that is stopped in the middle must not keep rows from others. */
  static TxOptions stoppedAtMost(Duration lease, String path) {
    return TxOptions.builder()
        .path(path)
        .setting("idle_in_transaction_session_timeout", lease.toMillis() + "ms")
        .build();
  }

  Duration pause() {
    return pause;
  }

  Pass pass() throws SQLException {
    int retired = transactions.run(write, tx -> sql.retireExpired(tx.connection()));
    if (retired > 0) {
      LOG.warn("{} relays were not heard of; others take their lanes", retired);
    }
    find();
    List<RelayDestination> known =
        destinations.stream().filter(one -> one.number() != null).toList();
    if (known.isEmpty()) {
      return Pass.idle(pause);
    }
    RelayIdentity.Identity me = identity.current();
    if (me == null) {
      me = beginAnew(known);
    }
    if (me == null) {
      return Pass.idle(SOON);
    }
    boolean settled = true;
    for (RelayDestination destination : known) {
      settled &= balance(destination, me);
    }
    return Pass.idle(settled ? pause : SOON);
  }

  /** The destinations' numbers; one whose name nobody knows yet is asked for again. */
  private void find() throws SQLException {
    List<String> unknown =
        destinations.stream()
            .filter(one -> one.number() == null)
            .map(one -> one.destination().name())
            .toList();
    if (unknown.isEmpty()) {
      return;
    }
    Map<String, Short> numbers =
        transactions.run(write, tx -> sql.destinations(tx.connection(), unknown));
    for (RelayDestination one : destinations) {
      String name = one.destination().name();
      Short number = numbers.get(name);
      if (number != null) {
        transactions.execute(write, tx -> laneSql.make(tx.connection(), number));
        one.known(number);
        found.run();
      } else if (one.number() == null && missing.add(name)) {
        LOG.warn(
            "destination '{}' has no route: relay '{}' delivers nothing there until a topic is"
                + " routed to it",
            name,
            options.name());
      }
    }
  }

  private RelayIdentity.@Nullable Identity beginAnew(List<RelayDestination> known)
      throws SQLException {
    UUID before = last;
    if (before != null) {
      // Calls that were begun under the old identity may deliver what would be delivered again.
      boolean waited = System.nanoTime() - lostAt > options.lease().toNanos();
      if (lostAt == 0) {
        lostAt = Math.max(1, System.nanoTime());
        return null;
      }
      if (!waited && destinations.stream().anyMatch(one -> one.window().running() > 0)) {
        return null;
      }
      identity.remove(before);
    }
    lostAt = 0;
    destinations.forEach(RelayDestination::forget);
    Short[] numbers = known.stream().map(RelayDestination::number).toArray(Short[]::new);
    RelayIdentity.Identity next = identity.begin(numbers);
    last = next.id();
    named = Set.of(numbers);
    return next;
  }

  /** Whether it has what it should have. */
  private boolean balance(RelayDestination destination, RelayIdentity.Identity me)
      throws SQLException {
    short number = requireNumber(destination);
    if (!named.contains(number)) {
      Set<Short> all = new TreeSet<>(named);
      all.add(number);
      transactions.execute(
          write, tx -> sql.nameDestinations(tx.connection(), me.id(), all.toArray(Short[]::new)));
      named = all;
    }
    RelayWindow window = destination.window();
    release(window, number, me);
    List<Integer> mine = window.numbers();
    LaneSql.Sharing sharing =
        transactions.run(write, tx -> laneSql.countRelays(tx.connection(), me.id(), number, mine));
    if (!sharing.registered()) {
      identity.retired(me.id());
      return false;
    }
    if (sharing.hasOthers()) {
      // Taken where the answer was lost: nobody would deliver them, however many it may have.
      transactions.execute(
          write, tx -> laneSql.releaseOthers(tx.connection(), me.id(), number, mine));
    }
    int share = (KeyPlace.LANES + sharing.relays() - 1) / sharing.relays();
    int owned = window.owned();
    if (owned > share) {
      window.drain(owned - share);
      release(window, number, me);
      return window.lanes() == share;
    }
    if (owned < share) {
      take(destination, number, me, share - owned);
    }
    return window.lanes() == window.owned();
  }

  private static short requireNumber(RelayDestination destination) {
    Short number = destination.number();
    if (number == null) {
      throw new IllegalStateException("no number: " + destination.destination().name());
    }
    return number;
  }

  private void release(RelayWindow window, short number, RelayIdentity.Identity me)
      throws SQLException {
    List<LaneClaim> drained = window.drained();
    if (!drained.isEmpty()) {
      List<Integer> lanes = drained.stream().map(claim -> claim.lane).toList();
      transactions.execute(write, tx -> laneSql.release(tx.connection(), me.id(), number, lanes));
      window.remove(drained);
    }
  }

  private void take(RelayDestination destination, short number, RelayIdentity.Identity me, int most)
      throws SQLException {
    Fence fence = me.claimant().next();
    List<Integer> lanes =
        transactions.run(write, tx -> laneSql.take(tx.connection(), fence, number, most));
    if (lanes.isEmpty()) {
      return;
    }
    List<LaneClaim> claims = new ArrayList<>();
    lanes.forEach(lane -> claims.add(new LaneClaim(lane, fence)));
    Map<String, LaneClaim> held =
        transactions.run(write, tx -> dueSql.keys(tx.connection(), number, claims));
    if (me.equals(identity.current())) {
      destination.window().add(claims, held);
      destination.wakeAll();
    }
  }

  /** What is not needed any more, at the end. */
  void releaseAll(RelayIdentity.Identity me) throws SQLException {
    for (RelayDestination destination : destinations) {
      Short number = destination.number();
      if (number != null) {
        release(destination.window(), number, me);
      }
    }
  }
}
