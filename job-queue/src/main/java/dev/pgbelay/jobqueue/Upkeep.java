package dev.pgbelay.jobqueue;

import dev.pgbelay.core.Failures;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.core.background.BackgroundLoop;
import dev.pgbelay.core.background.Pass;
import io.micrometer.core.instrument.MeterRegistry;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What every worker does for all queues: makes jobs ready that fall due, takes jobs back from
 * workers that are not heard of, and forgets what was finished long ago. Any number may do it at
 * once.
 */
final class Upkeep implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(Upkeep.class);
  private static final int PAGE = 500;

  private final TxOptions promoting;
  private final TxOptions rescuing;
  private final TxOptions retaining;
  private final Transactions transactions;
  private final WorkerSql sql;
  private final PromoteSql promoteSql;
  private final RescueSql rescueSql;
  private final CancelSql cancelSql;
  private final WorkMeters meters;
  private final Runnable promoted;
  private final BackgroundLoop promotion;
  private final BackgroundLoop rescue;
  private final BackgroundLoop retention;
  private final RetentionSql retentionSql;
  private final Retention kept;

  private final FullLooks fullPromotions = new FullLooks();

  /** By the database's clock: what fell due before was promoted. Used within passes only. */
  private long promotedUpTo;

  /** When a pass before this one had promoted all. */
  private long lookedAtMicros;

  /** Used within passes of the rescue only. */
  private long nextLookForUnknown = System.nanoTime();

  Upkeep(
      String name,
      MissingTables missing,
      Transactions transactions,
      String schema,
      Retention retention,
      Duration lease,
      Duration pollInterval,
      Runnable promoted,
      WorkMeters meters,
      @Nullable MeterRegistry registry) {
    this.promoting = stoppedAtMost(lease, "jobqueue-promote").build();
    this.rescuing = stoppedAtMost(lease, "jobqueue-rescue").build();
    this.retaining =
        stoppedAtMost(lease, "jobqueue-retain").lockTimeout(Duration.ofMillis(500)).build();
    this.transactions = transactions;
    this.sql = new WorkerSql(schema);
    this.promoteSql = new PromoteSql(schema);
    this.rescueSql = new RescueSql(schema);
    this.cancelSql = new CancelSql(schema);
    this.retentionSql = new RetentionSql(schema);
    this.kept = retention;
    this.meters = meters;
    this.promoted = promoted;
    this.promotion =
        BackgroundLoop.builder("jobs-" + name + "-promote", missing.toldOnce(this::promote))
            .idlePause(pollInterval, pollInterval)
            .meterRegistry(registry)
            .build();
    Duration third = lease.dividedBy(3);
    this.rescue =
        BackgroundLoop.builder("jobs-" + name + "-rescue", missing.toldOnce(this::rescue))
            .idlePause(third, third)
            .meterRegistry(registry)
            .build();
    this.retention =
        BackgroundLoop.builder("jobs-" + name + "-retain", missing.toldOnce(this::retain))
            .idlePause(Duration.ofMinutes(10), Duration.ofHours(1))
            .failurePause(Duration.ofSeconds(1), Duration.ofMinutes(10))
            .meterRegistry(registry)
            .build();
  }

  /** A process that is stopped in the middle must not keep rows from others. */
  static TxOptions.Builder stoppedAtMost(Duration lease, String path) {
    return TxOptions.builder()
        .path(path)
        .setting("idle_in_transaction_session_timeout", lease.toMillis() + "ms");
  }

  void start() {
    promotion.start();
    rescue.start();
    retention.start();
  }

  /** Everything that is due now, on the calling thread. */
  void promoteDue() throws Exception {
    Pass pass;
    do {
      promotedUpTo = 0; // tests put jobs back in time
      pass = promotion.runOnce();
    } while (pass.work() > 0);
  }

  private Pass promote() throws Exception {
    long start = System.nanoTime();
    boolean full = fullPromotions.isDue(start);
    long from = full ? 0 : promotedUpTo;
    int count = transactions.run(promoting, tx -> promoteSql.promote(tx.connection(), from, PAGE));
    if (count > 0) {
      promoted.run();
      return Pass.worked(count);
    }
    PromoteSql.Next next =
        transactions.run(promoting, tx -> promoteSql.next(tx.connection(), from));
    if (full) {
      fullPromotions.looked(start);
    }
    promotedUpTo = lookedAtMicros;
    lookedAtMicros = next.nowMicros();
    return Pass.idle(
        full ? next.untilNext() : shorter(next.untilNext(), fullPromotions.untilNext()));
  }

  private static Duration shorter(Duration one, Duration other) {
    return one.compareTo(other) < 0 ? one : other;
  }

  private Pass rescue() throws Exception {
    int fenced =
        transactions.run(rescuing, tx -> sql.fenceExpired(tx.connection())) + fenceUnknown();
    if (fenced > 0) {
      LOG.warn("{} workers were not heard of; their jobs are handed back", fenced);
    }
    int jobs = 0;
    for (UUID claimant : transactions.run(rescuing, tx -> sql.fenced(tx.connection()))) {
      jobs += rescue(claimant);
    }
    if (jobs > 0) {
      meters.rescued(jobs);
      promoted.run();
    }
    return Pass.worked(jobs);
  }

  /** It reads all jobs, so it may take a hundredth of the time. */
  private int fenceUnknown() throws SQLException {
    long start = System.nanoTime();
    if (start - nextLookForUnknown < 0) {
      return 0;
    }
    int fenced = transactions.run(rescuing, tx -> sql.fenceUnknown(tx.connection()));
    long end = System.nanoTime();
    nextLookForUnknown = end + 100 * (end - start);
    return fenced;
  }

  /**
   * All that is not being completed at this moment. A page that the database refuses is halved, so
   * that one job which cannot be buried does not keep the others.
   */
  private int rescue(UUID claimant) throws Exception {
    int jobs = 0;
    Deque<List<Long>> pages = new ArrayDeque<>();
    List<Long> ids = transactions.run(rescuing, tx -> rescueSql.claimed(tx.connection(), claimant));
    for (int from = 0; from < ids.size(); from += PAGE) {
      pages.add(ids.subList(from, Math.min(ids.size(), from + PAGE)));
    }
    while (!pages.isEmpty() && !rescue.isStopping()) {
      List<Long> page = pages.pop();
      try {
        jobs += rescue(claimant, page);
      } catch (RuntimeException | SQLException e) {
        if (!Settler.OF_THE_DATA.contains(Failures.classify(e))) {
          throw e;
        }
        if (page.size() == 1) {
          LOG.error(
              "job {} of a dead worker cannot be handed back (SQLSTATE {}); next try later",
              page.get(0),
              Failures.sqlState(e).orElse("none"));
        } else {
          int half = page.size() / 2;
          pages.push(page.subList(half, page.size()));
          pages.push(page.subList(0, half));
        }
      }
    }
    transactions.execute(rescuing, tx -> sql.removeFenced(tx.connection(), claimant));
    return jobs;
  }

  private int rescue(UUID claimant, List<Long> page) throws SQLException {
    RescueSql.Rescued rescued =
        transactions.run(
            rescuing,
            tx -> {
              RescueSql.Rescued found = rescueSql.rescue(tx.connection(), claimant, page);
              // Before anybody can claim them: one that is to be cancelled must not run again.
              cancelSql.apply(tx.connection());
              return found;
            });
    if (rescued.buried() > 0) {
      LOG.warn("{} jobs become dead letters: their last worker died", rescued.buried());
    }
    return rescued.back() + rescued.buried();
  }

  /** One slot that is in use just now must not keep the others full. */
  Pass retain() throws Exception {
    int emptied = 0;
    @Nullable Exception failed = null;
    for (int slot :
        transactions.run(
            retaining, tx -> retentionSql.expired(tx.connection(), kept.ofFinished()))) {
      try {
        transactions.execute(
            retaining,
            tx -> {
              if (!kept.saved().isEmpty()) {
                retentionSql.keep(tx.connection(), slot, kept.saved());
              }
              retentionSql.empty(tx.connection(), slot);
            });
        emptied++;
      } catch (RuntimeException | SQLException e) {
        failed = e;
      }
    }
    emptied += forgetOld();
    if (failed != null) {
      throw failed;
    }
    return Pass.worked(emptied);
  }

  /** A page of each sort; the next pass follows at once while there are more. */
  private int forgetOld() throws SQLException {
    int gone = 0;
    for (Map.Entry<String, Integer> one : kept.longer().entrySet()) {
      gone +=
          transactions.run(
              retaining,
              tx -> retentionSql.forgetKept(tx.connection(), one.getKey(), one.getValue(), PAGE));
    }
    if (kept.ofDead().isPresent()) {
      int days = kept.ofDead().getAsInt();
      gone +=
          transactions.run(retaining, tx -> retentionSql.forgetDead(tx.connection(), days, PAGE));
    }
    return gone;
  }

  @Override
  public void close() {
    promotion.close();
    rescue.close();
    retention.close();
  }
}
