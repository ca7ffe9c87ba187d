package dev.pgbelay.routing;

import dev.pgbelay.core.Commit;
import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.core.TxWork;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Sends writes to the primary and reads to replicas, and never shows a session less than it wrote
 * or saw: a replica is read from once it has replayed the session's position in the log.
 *
 * <p>Guarantees, for all that goes through the same session or its tokens: a read sees every write
 * that returned before it began, and at least what every read showed that returned before it began;
 * after a fail-over that lost some of that, the session is told so. Not while {@link
 * ReadOptions.WhenFull#STALE} answers, and not between a replica and the primary while a commit
 * waits for a synchronous standby, unless reads stay on replicas.
 *
 * <p>Owns a thread and a connection for each node; {@link #close()} ends them. Each read or write
 * takes one connection of one node's pool for as long as its work runs; while it waits for a
 * replica it holds none. Blocks the calling thread. Safe for several threads; build one per
 * cluster.
 */
public final class ReadYourWrites implements AutoCloseable {
  private final Fleet fleet;
  private final Reads reads;
  private final Writes writes;
  private final Tokens tokens;
  private final Membership membership;
  private final ConnectionLender lender;

  ReadYourWrites(
      Fleet fleet,
      Reads reads,
      Writes writes,
      Tokens tokens,
      Membership membership,
      ConnectionLender lender) {
    this.fleet = fleet;
    this.reads = reads;
    this.writes = writes;
    this.tokens = tokens;
    this.membership = membership;
    this.lender = lender;
  }

  /** For a cluster whose primary is this node now; after a fail-over it is found by asking all. */
  public static ReadYourWritesBuilder builder(DatabaseNode primary) {
    return new ReadYourWritesBuilder(Objects.requireNonNull(primary, "the primary is null"));
  }

  /** A session that has written and seen nothing yet. */
  public Session session() {
    return new Session(this);
  }

  /**
   * A session that goes on from a token. One of an older timeline is judged when the session is
   * used: kept where the cluster's history has it, reported as lost otherwise.
   *
   * @throws RoutingException of kind {@code FOREIGN_TOKEN} if it is of another cluster
   */
  public Session session(ConsistencyToken token) {
    Session session = session();
    join(session, token);
    return session;
  }

  /**
   * A session whose token could not be read, because it was forged, has expired or is of another
   * cluster: it goes to the primary until it has a position of its own.
   */
  public Session sessionOnPrimary() {
    Session session = session();
    joinUnreadable(session);
    return session;
  }

  /**
   * From now on the session sees at least what the primary has now: for a token that should have
   * been joined and could not be read. Its next read goes to the primary.
   */
  public void joinUnreadable(Session session) {
    own(session).change(Floor::forPrimary);
  }

  /**
   * From now on the session sees at least what the token stands for.
   *
   * @throws RoutingException of kind {@code FOREIGN_TOKEN} if it is of another cluster
   */
  public void join(Session session, ConsistencyToken token) {
    tokens.join(own(session), token);
  }

  /**
   * What another session or process needs to see as much; empty for a session that has written and
   * seen nothing. After a read it may take a probe of the node that was read from, shared by all
   * who ask at that moment. Where the position is not known yet, the token sends whoever has it to
   * the primary.
   */
  public Optional<ConsistencyToken> token(Session session) {
    return tokens.of(own(session));
  }

  /** {@link #commit} with default options, for its value alone. */
  public <T extends @Nullable Object, X extends Exception> T write(
      Session session, TxWork<T, X> work) throws X {
    return commit(session, TxOptions.forPath("write"), work).value();
  }

  /**
   * Runs {@code work} in a transaction on the primary and commits it; what it wrote the session
   * sees from then on, wherever it reads. Whether it wrote is a fact, not a guess: a transaction
   * that did not leaves the position alone. Costs no round trip beside the transaction's own.
   *
   * @throws RoutingException if no node, or more than one, accepts writes on the newest timeline
   *     that this process knows of; nothing was run
   * @throws dev.pgbelay.core.OutcomeUnknownException as {@link Transactions#commit}; the session
   *     then reads from the primary until it is known from where on the write is to be seen
   */
  public <T extends @Nullable Object, X extends Exception> Commit<T> commit(
      Session session, TxOptions options, TxWork<T, X> work) throws X {
    return writes.commit(own(session), options, work);
  }

  /** {@link #read(Session, ReadOptions, TxWork)} with default options. */
  public <T extends @Nullable Object, X extends Exception> T read(
      Session session, TxWork<T, X> work) throws X {
    return reads.read(own(session), ReadOptions.defaults(), work);
  }

  /**
   * Runs {@code work} in a read-only transaction on a replica that has all that the session wrote
   * and saw: the least loaded one; else the nearest, after a bounded wait; else the primary, with a
   * bounded number of others. Work that a replica cancels, cannot run or loses is run again
   * elsewhere, unless it has called {@link dev.pgbelay.core.Tx#noRetryAfterThis()}.
   *
   * @throws RoutingException if no node can take it; nothing was run
   */
  public <T extends @Nullable Object, X extends Exception> T read(
      Session session, ReadOptions options, TxWork<T, X> work) throws X {
    return reads.read(own(session), options, work);
  }

  /** Runs {@code work} in a read-only transaction on the primary, however many others do. */
  public <T extends @Nullable Object, X extends Exception> T readPrimary(
      Session session, ReadOptions options, TxWork<T, X> work) throws X {
    return reads.readPrimary(own(session), options, work);
  }

  /**
   * Runs {@code work} in a read-only transaction on a replica that has everything that was
   * committed longer ago than {@code maxStaleness}, whatever any session wrote since; on the
   * primary if there is none. For reports and pages that may be old, and no session's guarantee.
   *
   * @param maxStaleness at least the probe interval, or none will ever do
   * @throws PgBelayException if it is negative
   */
  public <T extends @Nullable Object, X extends Exception> T readAnyReplica(
      Duration maxStaleness, ReadOptions options, TxWork<T, X> work) throws X {
    if (maxStaleness.isNegative()) {
      throw new PgBelayException(
          "maxStaleness is " + maxStaleness + ": must be at least the probe interval");
    }
    return reads.readAnyReplica(maxStaleness, options, work);
  }

  /**
   * From now on reads go to this node too, once it answers and has caught up.
   *
   * @throws RoutingException of kind {@code MISCONFIGURED} if it does not answer, is of another
   *     cluster, or a node has its name
   */
  public void addReplica(DatabaseNode node) {
    membership.add(node);
  }

  /**
   * No read begins there any more; those under way may end. Returns when they have, or the time is
   * over. Its pool stays the caller's to close.
   *
   * @return how many were still under way
   * @throws RoutingException of kind {@code MISCONFIGURED} if no node has that name, or it is the
   *     primary now
   */
  public int removeReplica(String name, Duration deadline) {
    return membership.remove(name, deadline);
  }

  /**
   * Whether a session is one of this, so that it may be used here: for those who keep sessions of
   * several clusters.
   */
  public boolean owns(Session session) {
    return session.owner() == this;
  }

  /**
   * Single connections, for those who run statements and end transactions themselves; {@code
   * dev.pgbelay.routing.jdbc.RoutingDataSource} is what applications use.
   */
  public NodeConnections connections() {
    return lender;
  }

  /** What each node said last. */
  public List<NodeState> nodes() {
    return membership.states();
  }

  Fleet fleet() {
    return fleet;
  }

  private Session own(Session session) {
    fleet.requireOwn(session);
    return session;
  }

  /**
   * Ends the probes. Reads and writes that begin later throw a {@link RoutingException} of kind
   * {@code CLOSED}; those under way may end. Pools stay the caller's to close.
   */
  @Override
  public void close() {
    membership.close();
  }
}
