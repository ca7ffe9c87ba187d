package dev.pgbelay.benchmarks.idempotency;

import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.benchmarks.Contestant;
import dev.pgbelay.benchmarks.Measurement;
import dev.pgbelay.benchmarks.Work;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.List;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** Sends requests from several threads, sends them again, or one from very many threads. */
final class GuardContestant implements Contestant {
  static final String CALLS = "calls";
  static final String REPLAYS = "replays";
  static final String PAYMENT = "payment";
  static final String DUPLICATES = "duplicates";
  static final String STORAGE = "storage";

  /** What a contestant does before a measurement, besides emptying the tables of them all. */
  interface Reset {
    void run() throws Exception;
  }

  private final String name;
  private final HikariDataSource pool;
  private final Requests requests;
  private @Nullable Guard calls;
  private @Nullable Guard fill;
  private @Nullable Guard replays;
  private @Nullable Guard payment;
  private @Nullable Function<HandWrittenGuards.Provider, Guard> duplicates;
  private @Nullable Storage storage;
  private Reset reset = () -> {};

  GuardContestant(String name, HikariDataSource pool, Requests requests) {
    this.name = name;
    this.pool = pool;
    this.requests = requests;
  }

  GuardContestant calls(Guard guard) {
    this.calls = guard;
    return this;
  }

  /**
   * @param first for the first calls, which are not timed
   */
  GuardContestant replays(Guard first, Guard guard) {
    this.fill = first;
    this.replays = guard;
    return this;
  }

  GuardContestant payment(Guard guard) {
    this.payment = guard;
    return this;
  }

  GuardContestant duplicates(Function<HandWrittenGuards.Provider, Guard> guard) {
    this.duplicates = guard;
    return this;
  }

  /**
   * @param first writes the keys, which is not timed
   */
  GuardContestant storage(Guard first, Storage what) {
    this.fill = first;
    this.storage = what;
    return this;
  }

  GuardContestant reset(Reset before) {
    this.reset = before;
    return this;
  }

  @Override
  public String name() {
    return name;
  }

  @Override
  public boolean takesPart(String part) {
    return switch (part) {
      case CALLS -> calls != null;
      case REPLAYS -> replays != null;
      case PAYMENT -> payment != null;
      case STORAGE -> storage != null;
      case DUPLICATES -> duplicates != null;
      default -> false;
    };
  }

  @Override
  public List<Measurement> measure(String part) throws Exception {
    empty();
    reset.run();
    if (part.equals(DUPLICATES) && duplicates != null) {
      return allAtOnce(duplicates);
    }
    if (part.equals(CALLS) && calls != null) {
      return List.of(
          rate("calls-per-second", "calls/s", requests.send(calls, Guard.Done.EXECUTED)));
    }
    if (part.equals(PAYMENT) && payment != null) {
      return List.of(
          rate(
              "payment/claims-per-second",
              "claims/s",
              requests.send(payment, Guard.Done.EXECUTED)));
    }
    if (part.equals(REPLAYS) && fill != null && replays != null) {
      requests.send(fill, Guard.Done.EXECUTED);
      return List.of(
          rate("replays-per-second", "replays/s", requests.send(replays, Guard.Done.REPLAYED)));
    }
    if (part.equals(STORAGE) && fill != null && storage != null) {
      return stored(fill, storage);
    }
    throw new IllegalArgumentException(name + " takes no part in " + part);
  }

  private Measurement rate(String metric, String unit, double rate) throws SQLException {
    long count = requests.shares().stream().mapToLong(List::size).sum();
    return new Measurement(metric, rate, unit, done(), new Work(count, requests.amounts()));
  }

  private List<Measurement> stored(Guard first, Storage what) throws Exception {
    requests.send(first, Guard.Done.EXECUTED);
    long count = requests.shares().stream().mapToLong(List::size).sum();
    double bytes = (double) what.bytes() / count;
    double purged = what.purgedPerSecond();
    Work did = done();
    Work expected = new Work(count, requests.amounts());
    return List.of(
        new Measurement("storage/bytes-per-key", bytes, "B", did, expected),
        new Measurement("storage/purged-per-second", purged, "keys/s", did, expected));
  }

  private List<Measurement> allAtOnce(Function<HandWrittenGuards.Provider, Guard> guard)
      throws Exception {
    Duplicates callers = new Duplicates(pool.getHikariPoolMXBean());
    Duplicates.Seen seen = callers.send(guard.apply(request -> callers.operation()));
    Work did = done();
    Work expected = new Work(1, 1);
    return List.of(
        new Measurement("duplicates/executions", seen.executions(), "in all", did, expected),
        new Measurement(
            "duplicates/connections-held-by-waiters", seen.held(), "mean", did, expected),
        new Measurement("duplicates/all-answered", seen.millis(), "ms", did, expected));
  }

  private void empty() throws SQLException {
    try (Connection connection = pool.getConnection();
        Statement statement = connection.createStatement()) {
      statement.execute(GuardSql.EMPTY);
    }
  }

  /** What is in the table; replays must have left it as it was. */
  private Work done() throws SQLException {
    try (Connection connection = pool.getConnection();
        Statement statement = connection.createStatement();
        ResultSet row = statement.executeQuery(GuardSql.DONE)) {
      row.next();
      return new Work(row.getLong(1), row.getLong(2));
    }
  }
}
