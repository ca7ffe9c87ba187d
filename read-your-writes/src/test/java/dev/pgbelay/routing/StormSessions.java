package dev.pgbelay.routing;

import dev.pgbelay.core.Commit;
import dev.pgbelay.core.CommitPosition;
import dev.pgbelay.core.OutcomeUnknownException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.core.token.KeyRing;
import dev.pgbelay.routing.History.Handed;
import dev.pgbelay.routing.History.Op;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;

/** The sessions of one process in a storm, which hand tokens to another process's. */
final class StormSessions implements AutoCloseable {
  static final int KEYS = 40;
  static final int SESSIONS = 60;
  private static final int THREADS = 4;

  /** How a writer gets the position of its write. */
  enum Position {
    RIGHT,
    BEFORE_COMMIT,
    FLUSHED
  }

  /** What one process gives to another: the token as text, whose it was, and when. */
  record Hand(long from, String token, long at) {}

  final History history = new History();
  final AtomicInteger unknown = new AtomicInteger();
  final AtomicInteger refused = new AtomicInteger();
  final AtomicInteger lost = new AtomicInteger();
  private final AtomicLong names;
  private final Set<Session> gone = ConcurrentHashMap.newKeySet();
  private final ConcurrentLinkedQueue<Hand> received = new ConcurrentLinkedQueue<>();
  private final ConsistencyTokens tokens =
      ConsistencyTokens.of(KeyRing.of("storm", new byte[32]), Duration.ofHours(1));
  private final ReadYourWrites db;
  private final Position how;
  private volatile Consumer<Hand> peer = hand -> {};

  /** A session with the name it has in the history. */
  private record Line(long name, Session session) {}

  StormSessions(int process, ReadYourWritesBuilder builder, Position how) {
    this.names = new AtomicLong(process * 1_000_000_000L);
    this.how = how;
    this.db =
        builder
            .probeInterval(Duration.ofMillis(20))
            .maxAge(Duration.ofMillis(500))
            .maxWait(Duration.ofMillis(30))
            .failoverWait(Duration.ofSeconds(20))
            .onLost(
                position -> {
                  lost.incrementAndGet();
                  gone.add(position.session());
                })
            .start();
  }

  void handTo(Consumer<Hand> other) {
    peer = other;
  }

  void receive(Hand hand) {
    received.add(hand);
  }

  private int known() {
    return db.fleet().timelines().newest();
  }

  private void write(Line line, int key) {
    int known = known();
    long begun = System.nanoTime();
    try {
      long value;
      int timeline = known;
      if (how == Position.RIGHT) {
        Commit<Long> commit =
            db.commit(
                line.session(), TxOptions.forPath("storm"), tx -> increment(tx.connection(), key));
        value = commit.value();
        timeline = commit.position().map(CommitPosition::timeline).orElse(known);
      } else {
        value = withWrongPosition(line, key);
      }
      // A session that was told of a loss owes nothing from that very write on.
      if (!gone.contains(line.session())) {
        history.add(
            new Op(
                line.name(),
                true,
                key,
                value,
                begun,
                System.nanoTime(),
                node(line),
                timeline,
                known));
      }
    } catch (OutcomeUnknownException e) {
      unknown.incrementAndGet();
    } catch (RuntimeException | SQLException e) {
      refused.incrementAndGet();
    }
  }

  private static long increment(Connection connection, int key) throws SQLException {
    try (Statement statement = connection.createStatement();
        ResultSet row =
            statement.executeQuery(
                "UPDATE register SET value = value + 1 WHERE id = " + key + " RETURNING value")) {
      row.next();
      return row.getLong(1);
    }
  }

  private static CommitPosition position(Connection connection, String function)
      throws SQLException {
    try (Statement statement = connection.createStatement();
        ResultSet row =
            statement.executeQuery(
                "SELECT system_identifier, ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()),"
                    + " 8))::bit(32)::int, "
                    + function
                    + "() - '0/0'::pg_lsn FROM pg_control_system()")) {
      row.next();
      return new CommitPosition(row.getLong(1), row.getInt(2), row.getLong(3));
    }
  }

  /** As others do it; the session itself learns nothing from the commit. */
  private long withWrongPosition(Line line, int key) throws SQLException {
    Member primary = db.fleet().primary();
    Transactions plain = Transactions.of(primary.node().pool());
    CommitPosition[] taken = new CommitPosition[1];
    long value =
        plain.run(
            tx -> {
              if (how == Position.FLUSHED) {
                tx.dsl().execute("SET LOCAL synchronous_commit = off");
              }
              long changed = increment(tx.connection(), key);
              taken[0] = position(tx.connection(), "pg_current_wal_insert_lsn");
              return changed;
            });
    if (how == Position.FLUSHED) {
      try (Connection connection = primary.node().pool().getConnection()) {
        taken[0] = position(connection, "pg_current_wal_flush_lsn");
      }
    }
    db.join(line.session(), ConsistencyToken.of(taken[0]));
    return value;
  }

  private void read(Line line, int key) {
    int known = known();
    long begun = System.nanoTime();
    try {
      long value = db.read(line.session(), tx -> value(tx.connection(), key));
      // A session that was told of a loss owes nothing from that very read on.
      if (!gone.contains(line.session())) {
        history.add(
            new Op(line.name(), false, key, value, begun, System.nanoTime(), node(line), 0, known));
      }
    } catch (RuntimeException | SQLException e) {
      refused.incrementAndGet();
    }
  }

  private static long value(Connection connection, int key) throws SQLException {
    try (Statement statement = connection.createStatement();
        ResultSet row = statement.executeQuery("SELECT value FROM register WHERE id = " + key)) {
      row.next();
      return row.getLong(1);
    }
  }

  private static String node(Line line) {
    return line.session().lastDecision().map(RouteDecision::node).orElse("?");
  }

  private void handOver(Line line) {
    Optional<ConsistencyToken> token = db.token(line.session());
    long at = System.nanoTime();
    // What a session was told to be lost, its token does not carry either.
    if (token.isPresent() && !gone.contains(line.session())) {
      peer.accept(new Hand(line.name(), tokens.write(token.get()), at));
    }
  }

  private Line begin() {
    Hand hand = received.poll();
    if (hand == null) {
      return new Line(names.incrementAndGet(), db.session());
    }
    Line line = new Line(names.incrementAndGet(), db.session(tokens.read(hand.token())));
    history.add(new Handed(hand.from(), line.name(), hand.at()));
    return line;
  }

  /** Each thread has its own sessions, one of which is used at a time. */
  void run(long operations, long seed) throws Exception {
    ExecutorService threads = Executors.newFixedThreadPool(THREADS);
    AtomicLong left = new AtomicLong(operations);
    List<Future<?>> running = new ArrayList<>();
    for (int t = 0; t < THREADS; t++) {
      Random random = new Random(seed + t);
      running.add(threads.submit(() -> run(left, random)));
    }
    threads.shutdown();
    for (Future<?> each : running) {
      each.get();
    }
  }

  private void run(AtomicLong left, Random random) {
    Line[] lines = new Line[SESSIONS / THREADS];
    while (left.getAndDecrement() > 0 && !Thread.currentThread().isInterrupted()) {
      int at = random.nextInt(lines.length);
      Line line = lines[at];
      if (line == null || gone.contains(line.session()) || random.nextInt(100) < 4) {
        line = begin();
        lines[at] = line;
      }
      int key = 1 + random.nextInt(KEYS);
      int what = random.nextInt(100);
      if (what < 15) {
        write(line, key);
        read(line, key);
        left.decrementAndGet();
      } else if (what < 20) {
        handOver(line);
      } else {
        read(line, key);
      }
    }
  }

  @Override
  public void close() {
    db.close();
  }
}
