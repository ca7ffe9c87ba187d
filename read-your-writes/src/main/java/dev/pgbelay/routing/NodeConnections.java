package dev.pgbelay.routing;

import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.Collection;
import java.util.Optional;

/**
 * Connections of nodes, routed as reads and writes are, for those who run statements and end
 * transactions themselves. What they run and show has to be said to the connection that was lent:
 * the guarantee of sessions hangs on it. Applications use {@code
 * dev.pgbelay.routing.jdbc.RoutingDataSource}, which does so.
 *
 * <p>Safe for several threads. Each call blocks as {@link ReadYourWrites#read} and {@link
 * ReadYourWrites#write} do before their work begins.
 */
public interface NodeConnections {
  /**
   * For what only reads: of a replica that has all that the session wrote and saw, else of the
   * primary.
   *
   * @param read its wait and what happens when the primary is full; not its transaction
   * @throws RoutingException if no node can take it
   * @throws SQLException if the last node that was tried gave no connection
   */
  Lent forRead(Session session, ReadOptions read) throws SQLException;

  /** For what only reads, of no session: as {@link ReadYourWrites#readAnyReplica}. */
  Lent forAnyReplica(Duration maxStaleness, ReadOptions read) throws SQLException;

  /**
   * Of the primary.
   *
   * @throws RoutingException if there is none, or more than one
   * @throws SQLException if its pool gave no connection
   */
  Lent forWrite() throws SQLException;

  /** A connection of one node's pool, until it is given back. For one thread at a time. */
  interface Lent {
    /** The pool's connection, outside of any transaction and with the pool's own settings. */
    Connection connection();

    /** Where it leads, and why. */
    RouteDecision decision();

    /** Whether it was lent as one of a replica. */
    boolean isOfReplica();

    /**
     * Whether a transaction of that session may begin here now: the node has all that the session
     * wrote and saw, or is still the primary. Sends nothing.
     */
    boolean fits(Optional<Session> session);

    /**
     * {@link #fits}, for whoever sends the first statement of a transaction next. Behind a pooler,
     * where each transaction may be on another of the server's sessions, it is asked for; with
     * autocommit off that question begins the transaction, so that what follows runs where it was
     * answered. Nothing is left open if the answer is no.
     *
     * @throws SQLException if the question could not be asked
     */
    boolean mayBegin(Optional<Session> session) throws SQLException;

    /** Whether a pooler stands between, so that settings of a session do not stay. */
    boolean isBehindPooler();

    /** A transaction, or a statement that is one, begins for the session: counts it. */
    void begins(Optional<Session> session);

    /** The session may have been shown what was there until now, or has written it. */
    void shown(Session session);

    /**
     * Something that the session sent may have been committed, and nobody said so: it reads from
     * the primary until the server's process has ended that had it.
     */
    void mayHaveCommitted(Session session);

    /**
     * Ends the open transaction of a primary; what it wrote the sessions see from then on. One
     * round trip. Where it fails, nothing of the transaction is left open.
     *
     * @throws SQLException if it was rolled back; with SQLSTATE 08007 if nobody knows, and the
     *     sessions then read from the primary
     */
    void commit(Collection<Session> sessions) throws SQLException;

    /** Whether a transaction is open, sound or failed, by the server's last answer. */
    boolean isInTransaction();

    /** Whether the driver has given it up. */
    boolean isLost();

    /** To its pool; the second time does nothing. */
    void giveBack();
  }
}
