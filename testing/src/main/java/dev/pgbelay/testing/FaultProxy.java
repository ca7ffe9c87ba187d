package dev.pgbelay.testing;

import dev.pgbelay.testing.CommitTracker.Fate;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.time.Duration;
import java.util.EnumSet;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A TCP proxy on the loopback address that reads the PostgreSQL protocol well enough to lose a
 * connection at the moment that matters: just before a COMMIT reaches the server, or after the
 * server has executed it and before the client hears so.
 *
 * <p>It follows simple queries (several statements in one text, too) and the extended protocol:
 * pipelines under one Sync, and prepared statements that are only bound by name. A COMMIT is a
 * statement that begins with COMMIT or END; not seen are commits inside a procedure and the
 * implicit commit of a statement under autocommit. Requests for TLS are answered with no, so
 * connections are plain. {@link #raw} gives a proxy that forwards any bytes and has no notion of
 * COMMIT.
 *
 * <p>Faults apply to connections that exist and to new ones, and stay until {@link #heal}; those
 * that end one connection are spent by it. Safe for use by several threads; no method waits for
 * traffic. Closing it drops its connections.
 */
public final class FaultProxy implements AutoCloseable {
  /** The way the bytes go. */
  public enum Direction {
    /** From the client to the server. */
    TO_SERVER,
    /** From the server to the client. */
    TO_CLIENT
  }

  /**
   * What has gone through since the proxy was opened.
   *
   * @param accepted connections accepted
   * @param open connections open now
   * @param roundTrips messages that make the client wait: simple queries, Syncs, function calls
   * @param commits COMMITs sent by clients, those that were cut included
   * @param cutsBeforeCommit connections cut before a COMMIT reached the server
   * @param cutsAfterCommit connections cut after the server had answered a COMMIT
   * @param cutsAtByte connections cut by {@link FaultProxy#cutAfterBytes}
   * @param bytesToServer bytes forwarded to the server
   * @param bytesToClient bytes forwarded to the client
   */
  public record Counters(
      long accepted,
      int open,
      long roundTrips,
      long commits,
      long cutsBeforeCommit,
      long cutsAfterCommit,
      long cutsAtByte,
      long bytesToServer,
      long bytesToClient) {}

  private static final Logger log = LoggerFactory.getLogger(FaultProxy.class);

  private final InetSocketAddress target;
  private final @Nullable PostgresNode node;
  private final boolean raw;
  private final ProxyFaults faults = new ProxyFaults();
  private final Set<ProxyConnection> connections = ConcurrentHashMap.newKeySet();
  private final ProxyListener listener;

  private FaultProxy(InetSocketAddress target, @Nullable PostgresNode node, boolean raw) {
    this.target = target;
    this.node = node;
    this.raw = raw;
    this.listener = new ProxyListener(this::connect);
  }

  /** A proxy that understands what goes to and comes from this node. */
  public static FaultProxy inFrontOf(PostgresNode node) {
    return new FaultProxy(node.address(), node, false);
  }

  /** A proxy that understands PostgreSQL's protocol, in front of anything that speaks it. */
  public static FaultProxy inFrontOf(InetSocketAddress target) {
    return new FaultProxy(target, null, false);
  }

  /**
   * A proxy that forwards bytes without reading them: for TLS, and for what is not PostgreSQL. It
   * counts no round trips and no COMMITs, and refuses to cut at one.
   */
  public static FaultProxy raw(InetSocketAddress target) {
    return new FaultProxy(target, null, true);
  }

  /** Where clients connect to. */
  public InetSocketAddress address() {
    return new InetSocketAddress(InetAddress.getLoopbackAddress(), listener.port());
  }

  /**
   * The node's URL for this database, through the proxy.
   *
   * @throws IllegalStateException if the proxy stands in front of an address, not of a node
   */
  public String jdbcUrl(String database) {
    if (node == null) {
      throw new IllegalStateException("this proxy knows only the address " + target);
    }
    return node.jdbcUrl(address(), database);
  }

  /**
   * Cuts the connection on which the nth COMMIT from now is sent, counted over all connections:
   * what was sent before it arrives, the COMMIT does not. May be set several times.
   *
   * @param nth from 1
   */
  public void cutBeforeCommit(int nth) {
    requireProtocol("cutBeforeCommit");
    faults.arm(Fate.CUT_BEFORE, nth);
  }

  /**
   * Cuts the connection on which the nth COMMIT from now is sent, after the server has answered it
   * and before the client gets the answer. When the server refuses the COMMIT or an earlier
   * statement of the same round trip, that answer is withheld likewise.
   *
   * @param nth from 1
   */
  public void cutAfterCommit(int nth) {
    requireProtocol("cutAfterCommit");
    faults.arm(Fate.CUT_AFTER, nth);
  }

  /**
   * Cuts a share of all COMMITs at random, before and after they reach the server; {@code (seed, 0,
   * 0)} stops it. The draws follow from the seed; which COMMIT gets which draw is up to the
   * threads.
   */
  public void cutCommitsAtRandom(long seed, double shareBefore, double shareAfter) {
    requireProtocol("cutCommitsAtRandom");
    faults.cutAtRandom(seed, shareBefore, shareAfter);
  }

  private void requireProtocol(String control) {
    if (raw) {
      throw new IllegalStateException(
          control + ": a raw proxy does not know a COMMIT; use inFrontOf(...) or cutAfterBytes");
    }
  }

  /**
   * Forwards so many more bytes in this direction, counted over all connections, and cuts the
   * connection that would send the next one: in the middle of a message or of a pipeline.
   */
  public void cutAfterBytes(Direction direction, long bytes) {
    faults.cutAfterBytes(direction, bytes);
  }

  /** Holds back what goes in this direction: connections stay open and say nothing (half-open). */
  public void freeze(Direction direction) {
    faults.freeze(EnumSet.of(direction));
  }

  /** Holds back both directions: not even the end of a connection gets through. */
  public void freeze() {
    faults.freeze(EnumSet.allOf(Direction.class));
  }

  /** Lets through what was held back and what comes. */
  public void thaw() {
    faults.thaw();
  }

  /** Adds this much to every round trip, half of it on each way; zero ends it. */
  public void delay(Duration roundTrip) {
    faults.delay(roundTrip);
  }

  /** Closes all connections, on both sides, without a word. */
  public void dropConnections() {
    connections.forEach(ProxyConnection::end);
  }

  /** New connections are refused by the operating system; existing ones go on. */
  public void refuseConnections() {
    listener.refuse();
  }

  /** Ends {@link #refuseConnections}. */
  public void acceptConnections() {
    listener.accept();
  }

  private void connect(Socket client) throws IOException {
    faults.countAccepted();
    ProxyConnection connection;
    try {
      connection =
          new ProxyConnection(
              "pgbelay-proxy-" + client.getLocalPort(),
              faults,
              raw,
              client,
              target,
              connections::remove);
    } catch (IOException e) {
      log.debug("{} does not answer", target, e);
      client.close();
      return;
    }
    connections.add(connection);
    connection.start();
  }

  /** Ends all faults; connections that were cut stay so. */
  public void heal() {
    faults.heal();
    acceptConnections();
  }

  /** What has gone through so far. */
  public Counters counters() {
    return faults.counters(connections.size());
  }

  @Override
  public void close() {
    listener.close();
    dropConnections();
  }

  @Override
  public String toString() {
    return "FaultProxy[" + listener.port() + " -> " + target + "]";
  }
}
