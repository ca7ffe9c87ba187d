package dev.pgbelay.lock.witness;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.background.BackgroundLoop;
import dev.pgbelay.core.background.Pass;
import dev.pgbelay.core.internal.OptionRange;
import dev.pgbelay.core.observe.StatementObserver;
import io.micrometer.core.instrument.MeterRegistry;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;
import java.util.function.LongFunction;
import java.util.function.Supplier;
import javax.sql.DataSource;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Watches which classes (tables, advisory locks of one kind) transactions lock in which order, and
 * reports a way to deadlock the first time it is seen: it takes one run of each piece of code, in
 * one thread, and nothing has to wait.
 *
 * <p>Seen are {@code FOR …} clauses, UPDATE, DELETE, MERGE, ON CONFLICT, LOCK TABLE, TRUNCATE,
 * advisory functions, and by the catalog the locks behind foreign keys: KEY SHARE on the row
 * pointed to, cascades. Not seen is what functions, triggers, rules and COPY do; {@link #unseen}
 * counts it. Where it is not known whether two statements mean the same row they are taken to, so
 * doubt makes no report.
 *
 * <p>It changes nothing in what it watches. Statements go out as they are; beside them it reads the
 * catalog on a connection of its own. Reports hold neither bound values nor literals. Memory is
 * bounded: 20,000 orders and 2,000 statements per database, 200 findings. Safe for several threads.
 */
public final class LockWitness implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(LockWitness.class);

  private final double share;
  private final boolean strict;
  private final @Nullable DataSource unobserved;
  private final LongFunction<String> advisoryClasses;
  private final @Nullable Duration holdLimit;
  private final Consumer<LongHold> onLongHold;
  private final WitnessEvents events;
  private final Map<String, LockGraph> graphs = new ConcurrentHashMap<>();
  private final AtomicLong dropped = new AtomicLong();
  private final Findings findings;
  private final Map<String, AtomicLong> unseen = new ConcurrentHashMap<>();
  private final Set<ObservedSession> open = ConcurrentHashMap.newKeySet();
  private final @Nullable BackgroundLoop holdWatch;

  private LockWitness(Builder builder) {
    this.share = builder.share;
    this.strict = builder.share >= 1;
    this.unobserved = builder.catalog;
    this.advisoryClasses = builder.advisoryClasses;
    this.holdLimit = builder.holdLimit;
    this.onLongHold = builder.onLongHold;
    this.events =
        builder.registry == null ? WitnessEvents.NONE : new WitnessMeters(builder.registry, this);
    this.findings = new Findings(Map.copyOf(builder.benign), events);
    this.holdWatch = holdLimit == null ? null : holdWatch(holdLimit);
    if (holdWatch != null) {
      holdWatch.start();
    }
  }

  private BackgroundLoop holdWatch(Duration limit) {
    Duration pause =
        limit.dividedBy(2).compareTo(Duration.ofMillis(10)) < 0
            ? Duration.ofMillis(10)
            : limit.dividedBy(2);
    BackgroundLoop.Builder loop =
        BackgroundLoop.builder(
                "lock-hold-watch-" + System.identityHashCode(this),
                () -> {
                  open.forEach(ObservedSession::checkHoldTime);
                  return Pass.idle();
                })
            .idlePause(pause, pause);
    return loop.build();
  }

  public static Builder builder() {
    return new Builder();
  }

  /**
   * For {@code PostgresExtension.withObserver}: a test fails in which a finding is new. Give each
   * extension its own; all of one witness share what was learned, so code that is run by different
   * test classes is compared too.
   */
  public StatementObserver observer() {
    return new WitnessObserver(this);
  }

  /**
   * A {@code DataSource} that hands out watched connections. Wrap the pool, not what is under it.
   * The driver's own interfaces stay within reach of {@code unwrap}; what is done through them is
   * not seen.
   */
  public DataSource observe(DataSource dataSource) {
    DataSource direct = unobserved == null ? dataSource : unobserved;
    return new WatchedDataSource(dataSource, this, view(() -> direct));
  }

  /**
   * A jOOQ {@code ExecuteListener} and {@code TransactionListener} in one, for code whose {@code
   * DataSource} cannot be wrapped: sees what goes through jOOQ. Set it as both.
   *
   * @throws IllegalStateException if the witness was built without a catalog
   */
  public WatchedJooq jooqListener() {
    if (unobserved == null) {
      throw new IllegalStateException(
          "a jOOQ listener knows no DataSource to read the catalog with: build the witness with"
              + " catalog(dataSource)");
    }
    return new WatchedJooq(this, view(() -> unobserved));
  }

  DatabaseView view(Supplier<@Nullable DataSource> direct) {
    return new DatabaseView(direct, strict);
  }

  /** What was found so far, oldest first; at most 200. */
  public List<LockFinding> findings() {
    return findings.all();
  }

  /**
   * For the end of a test run, or a health check.
   *
   * @throws LockFindingsException with all reports, if there are any
   */
  public void requireNone() {
    List<LockFinding> found = findings();
    if (!found.isEmpty()) {
      throw new LockFindingsException(found);
    }
  }

  /**
   * What may have locked without being seen, by reason ({@code trigger}, {@code view}, {@code
   * table} for one that the catalog does not have, {@code call}, {@code do}, …), and how often.
   */
  public Map<String, Long> unseen() {
    Map<String, Long> counts = new TreeMap<>();
    unseen.forEach((reason, count) -> counts.put(reason, count.get()));
    return counts;
  }

  /** Orders learned so far. */
  long orders() {
    return graphs.values().stream().mapToLong(LockGraph::size).sum();
  }

  /** Orders that were seen and not learned, because there was no place left. */
  long dropped() {
    return dropped.get();
  }

  boolean isSampled() {
    return strict || ThreadLocalRandom.current().nextDouble() < share;
  }

  LockTrace newTrace(DatabaseView view, String name) {
    LockGraph graph = graphs.computeIfAbsent(name, any -> new LockGraph(dropped));
    return new LockTrace(
        view, this::advisoryClass, new InversionCheck(graph, view, findings::found));
  }

  private String advisoryClass(long key) {
    try {
      return advisoryClasses.apply(key);
    } catch (RuntimeException e) {
      LOG.warn("advisoryClasses failed; the lock is taken for one without a class of its own", e);
      return "advisory";
    }
  }

  WitnessEvents events() {
    return events;
  }

  @Nullable Duration holdLimit() {
    return holdLimit;
  }

  void opened(ObservedSession session) {
    if (holdLimit != null) {
      open.add(session);
    }
  }

  void ended(ObservedSession session) {
    if (holdLimit != null) {
      open.remove(session);
    }
  }

  void heldTooLong(LongHold hold) {
    events.heldTooLong(hold);
    LOG.warn("{}", hold);
    try {
      onLongHold.accept(hold);
    } catch (RuntimeException e) {
      LOG.warn("the listener for long holds failed", e);
    }
  }

  void unseen(String reason) {
    unseen.computeIfAbsent(reason, any -> new AtomicLong()).incrementAndGet();
    events.unseen(reason);
  }

  /** Ends the watch over hold times; what was found stays. */
  @Override
  public void close() {
    if (holdWatch != null) {
      holdWatch.close();
    }
  }

  /** Not safe for several threads. */
  public static final class Builder {
    private double share = 1;
    private @Nullable DataSource catalog;
    private final Map<Set<String>, String> benign = new LinkedHashMap<>();
    private LongFunction<String> advisoryClasses = key -> "advisory";
    private @Nullable Duration holdLimit;
    private Consumer<LongHold> onLongHold = hold -> {};
    private @Nullable MeterRegistry registry;

    private Builder() {}

    /**
     * Watch this share of the transactions fully; of the others only what deadlock reports and hold
     * times need. Without it all are watched, texts are compared by the server where only it knows
     * their order, and {@link LockWitness#observer()} fails tests.
     *
     * @param share above 0 and below 1
     */
    public Builder sampled(double share) {
      if (!(share > 0 && share < 1)) {
        throw new PgBelayException(
            "share must be above 0 and below 1, is "
                + share
                + "; without sampled(…) all are watched");
      }
      this.share = share;
      return this;
    }

    /**
     * Where the catalog is read, and pg_stat_activity after a deadlock: a small pool, or a plain
     * DataSource. {@link LockWitness#observe} uses the wrapped one without it, which then must have
     * a connection to spare.
     */
    public Builder catalog(DataSource unobserved) {
      this.catalog = unobserved;
      return this;
    }

    /**
     * Both orders of these two are known to do no harm; with the same name twice, any order of rows
     * within that class. Counted, not reported.
     *
     * @param reason for whoever reads the code
     */
    public Builder benign(String first, String second, String reason) {
      if (first.isBlank() || second.isBlank()) {
        throw new PgBelayException("benign: a class's name is blank");
      }
      if (reason.isBlank()) {
        throw new PgBelayException(
            "benign(" + first + ", " + second + "): say why; the reason is blank");
      }
      benign.put(first.equals(second) ? Set.of(first) : Set.of(first, second), reason);
      return this;
    }

    /**
     * Names the class of an advisory lock with one 64-bit key; all are of class {@code advisory}
     * without it. Those with two keys are classed by the first.
     */
    public Builder advisoryClasses(LongFunction<String> classOfKey) {
      this.advisoryClasses = classOfKey;
      return this;
    }

    /**
     * Report transactions that hold row locks longer than this, while they do and at their end;
     * starts a thread, which {@link LockWitness#close} ends.
     *
     * @param limit 1 ms to 1 h
     */
    public Builder holdLimit(Duration limit) {
      OptionRange.require("holdLimit", limit, Duration.ofMillis(1), Duration.ofHours(1));
      this.holdLimit = limit;
      return this;
    }

    /** Called beside the log with each transaction that holds too long. */
    public Builder onLongHold(Consumer<LongHold> listener) {
      this.onLongHold = listener;
      return this;
    }

    /** Where the metrics of the guide go; none are kept otherwise. */
    public Builder meterRegistry(MeterRegistry metrics) {
      this.registry = metrics;
      return this;
    }

    public LockWitness build() {
      return new LockWitness(this);
    }
  }
}
