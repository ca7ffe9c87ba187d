package dev.pgbelay.benchmarks.reconcile;

import dev.pgbelay.benchmarks.BenchServer;
import dev.pgbelay.benchmarks.BenchSettings;
import dev.pgbelay.benchmarks.Contestant;
import dev.pgbelay.benchmarks.Measurement;
import dev.pgbelay.benchmarks.Scenario;
import dev.pgbelay.benchmarks.Stage;
import dev.pgbelay.benchmarks.Work;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.Tx;
import dev.pgbelay.reconcile.guard.ParentGuard;
import java.sql.Array;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.LongStream;
import javax.sql.DataSource;

/** What the question for a parent costs. */
public final class GuardScenario implements Scenario {
  private static final String REMEMBERED = "remembered";
  private static final String ASKED = "asked-1000";
  private static final String ASKED_ONE = "asked-1";
  private static final int BATCH = 1_000;
  private static final int REMEMBERED_ROUNDS = 200;
  private static final int SINGLE = 2_000;

  @Override
  public String name() {
    return "guard";
  }

  @Override
  public String description() {
    return "is the parent there: microseconds a key, remembered and asked for";
  }

  @Override
  public long defaultRows(boolean full) {
    return 100_000;
  }

  @Override
  public Stage prepare(BenchServer server, BenchSettings settings) throws Exception {
    DataSource pool = server.dataSource();
    Shop.load(pool, settings.rows(), Long.MAX_VALUE);
    Transactions transactions = Transactions.of(pool);
    long customers = Shop.customers(settings.rows());
    List<Long> ids = LongStream.range(0, BATCH).map(n -> 1 + n % customers).boxed().toList();
    return new GuardStage(
        List.of(
            new ByHand(Stage.LIMIT, ShopSql.FIND_KEYS, pool, ids),
            new ByHand("by hand, locked", ShopSql.LOCK_KEYS, pool, ids),
            new Guarded(
                "pgbelay (cached)",
                List.of(REMEMBERED),
                transactions,
                ParentGuard.cached(Shop.REFERENCE, Duration.ofDays(1), 1_000_000),
                ids),
            new Guarded(
                "pgbelay (exists)",
                List.of(ASKED, ASKED_ONE),
                transactions,
                ParentGuard.exists(Shop.REFERENCE),
                ids),
            new Guarded(
                "pgbelay (locked)",
                List.of(ASKED, ASKED_ONE),
                transactions,
                ParentGuard.locked(Shop.REFERENCE),
                ids)));
  }

  private record GuardStage(List<? extends Contestant> all) implements Stage {
    @Override
    public List<String> parts() {
      return List.of(REMEMBERED, ASKED, ASKED_ONE);
    }

    @Override
    public List<Contestant> contestants() {
      return List.copyOf(all);
    }

    @Override
    public List<String> notes() {
      return List.of(
          "limit: remembered is HashSet.contains; asked is one prepared '= any' in JDBC, and 'by hand, locked' the same FOR KEY SHARE",
          "asked-1000: 1,000 keys in one call; asked-1: one key; both within an open transaction, without its begin and commit");
    }
  }

  private static Measurement figure(String part, long nanos, long keys, long found) {
    return new Measurement(
        part + "/microseconds-per-key",
        nanos / 1e3 / keys,
        "us/key",
        new Work(keys, found),
        new Work(keys, keys));
  }

  private record ByHand(String name, String sql, DataSource pool, List<Long> ids)
      implements Contestant {
    @Override
    public boolean takesPart(String part) {
      return !part.equals(REMEMBERED) || name.equals(Stage.LIMIT);
    }

    @Override
    public List<Measurement> measure(String part) throws Exception {
      if (part.equals(REMEMBERED)) {
        Set<Long> known = new HashSet<>(ids);
        long found = 0;
        long start = System.nanoTime();
        for (int round = 0; round < REMEMBERED_ROUNDS; round++) {
          for (Long id : ids) {
            found += known.contains(id) ? 1 : 0;
          }
        }
        long nanos = System.nanoTime() - start;
        return List.of(figure(part, nanos, (long) REMEMBERED_ROUNDS * ids.size(), found));
      }
      try (Connection connection = pool.getConnection();
          PreparedStatement find = connection.prepareStatement(sql)) {
        connection.setAutoCommit(false);
        List<List<Long>> calls = calls(part, ids);
        long found = 0;
        long start = System.nanoTime();
        for (List<Long> keys : calls) {
          Array array = connection.createArrayOf("bigint", keys.toArray());
          find.setArray(1, array);
          Set<Long> there = new HashSet<>();
          try (ResultSet rows = find.executeQuery()) {
            while (rows.next()) {
              there.add(rows.getLong(1));
            }
          }
          found += keys.stream().filter(there::contains).count();
        }
        long nanos = System.nanoTime() - start;
        connection.rollback();
        return List.of(figure(part, nanos, keys(calls), found));
      }
    }
  }

  private static List<List<Long>> calls(String part, List<Long> ids) {
    List<List<Long>> calls = new ArrayList<>();
    if (part.equals(ASKED_ONE)) {
      for (int n = 0; n < SINGLE; n++) {
        calls.add(List.of(ids.get(n % ids.size())));
      }
    } else {
      for (int n = 0; n < 10; n++) {
        calls.add(ids);
      }
    }
    return calls;
  }

  private static long keys(List<List<Long>> calls) {
    return calls.stream().mapToLong(List::size).sum();
  }

  private record Guarded(
      String name, List<String> parts, Transactions transactions, ParentGuard guard, List<Long> ids)
      implements Contestant {
    @Override
    public boolean takesPart(String part) {
      return parts.contains(part);
    }

    @Override
    public List<Measurement> measure(String part) {
      if (part.equals(REMEMBERED)) {
        // Remembered from the commit of this one on.
        transactions.execute(tx -> guard.checkAll(tx, wrapped(ids)));
        return transactions.run(tx -> List.of(remembered(tx, part)));
      }
      return transactions.run(
          tx -> {
            List<List<Long>> calls = calls(part, ids);
            long start = System.nanoTime();
            for (List<Long> keys : calls) {
              guard.checkAll(tx, wrapped(keys));
            }
            long nanos = System.nanoTime() - start;
            return List.of(figure(part, nanos, keys(calls), keys(calls)));
          });
    }

    private Measurement remembered(Tx tx, String part) {
      long start = System.nanoTime();
      long passed = 0;
      for (int round = 0; round < REMEMBERED_ROUNDS; round++) {
        for (Long id : ids) {
          guard.check(tx, id);
          passed++;
        }
      }
      return figure(part, System.nanoTime() - start, (long) REMEMBERED_ROUNDS * ids.size(), passed);
    }

    private static List<List<Long>> wrapped(List<Long> keys) {
      return keys.stream().map(List::of).toList();
    }
  }
}
