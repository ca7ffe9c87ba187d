package dev.pgbelay.benchmarks.idempotency;

import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.benchmarks.BenchServer;
import dev.pgbelay.benchmarks.BenchSettings;
import dev.pgbelay.benchmarks.Contestant;
import dev.pgbelay.benchmarks.Scenario;
import dev.pgbelay.benchmarks.Stage;
import dev.pgbelay.core.schema.SchemaInstaller;
import java.sql.Connection;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;

/** Requests that carry a key, their replays, payments, and many duplicates at once. */
public final class IdempotencyScenario implements Scenario {
  private static final long STATISTICS_OF = 1_000;
  private static final HandWrittenGuards.Provider NO_OP = request -> {};

  @Override
  public String name() {
    return "idempotency";
  }

  @Override
  public String description() {
    return "an insert that runs once per key, by %d threads: first calls, replays, payments"
        .formatted(Requests.THREADS);
  }

  /** Requests per contestant, part and round. */
  @Override
  public long defaultRows(boolean full) {
    return full ? 100_000 : 16_000;
  }

  @Override
  public Stage prepare(BenchServer server, BenchSettings settings) throws Exception {
    HikariDataSource pool = server.dataSource().unwrap(HikariDataSource.class);
    SchemaInstaller.builder(pool).modules("batch", "idempotency").build().install();
    run(pool, GuardSql.CREATE);
    Requests requests = Requests.of(settings.rows());
    List<Contestant> all = new ArrayList<>();
    all.add(
        contestant(Stage.LIMIT, pool, requests)
            .calls(HandWrittenGuards.bare(pool))
            .payment(HandWrittenGuards.bare(pool)));
    PgbelayGuard own = new PgbelayGuard(pool, false);
    PgbelayGuard cached = new PgbelayGuard(pool, true);
    PgbelayPayment payment = new PgbelayPayment(pool, NO_OP);
    all.add(
        contestant("pgbelay", pool, requests)
            .calls(own::call)
            .replays(own::call, own::call)
            .payment(payment::call)
            .duplicates(own::waiting)
            .storage(own::call, Storage.ofKeys(pool, own::purge))
            .reset(own::reset));
    all.add(
        contestant("pgbelay (payments)", pool, requests)
            .storage(payment::call, Storage.ofPayments(pool, payment::purge)));
    all.add(
        contestant("pgbelay (one statement)", pool, requests)
            .calls(own::alone)
            .replays(own::alone, own::alone)
            .reset(own::reset));
    all.add(
        contestant("pgbelay (cache)", pool, requests)
            .replays(cached::call, cached::call)
            .reset(cached::reset));
    all.addAll(handWritten(pool, requests));
    Requests some = Requests.of(STATISTICS_OF);
    some.send(HandWrittenGuards.oneStatement(pool), Guard.Done.EXECUTED);
    some.send(own::call, Guard.Done.EXECUTED);
    some.send(payment::call, Guard.Done.EXECUTED);
    run(pool, GuardSql.ANALYZE);
    return new IdempotencyStage(all, payment);
  }

  private static List<Contestant> handWritten(HikariDataSource pool, Requests requests) {
    Guard one = HandWrittenGuards.oneStatement(pool);
    Guard two = HandWrittenGuards.twoStatements(pool);
    Guard three = HandWrittenGuards.threeStatements(pool, NO_OP);
    Guard naive = HandWrittenGuards.naive(pool);
    Guard payment = HandWrittenGuards.twoTransactions(pool, NO_OP);
    return List.of(
        contestant("hand-written (one statement)", pool, requests).calls(one).replays(one, one),
        contestant("hand-written (two statements)", pool, requests).calls(two).replays(two, two),
        contestant("hand-written (three statements)", pool, requests)
            .calls(three)
            .replays(three, three)
            .duplicates(during -> HandWrittenGuards.threeStatements(pool, during))
            .storage(three, Storage.byHand(pool)),
        contestant("hand-written (looks first)", pool, requests).calls(naive).replays(naive, naive),
        contestant("hand-written (two transactions)", pool, requests)
            .payment(payment)
            .replays(payment, payment),
        contestant("one keyed read", pool, requests)
            .replays(one, HandWrittenGuards.keyedRead(pool)));
  }

  private static GuardContestant contestant(String name, HikariDataSource pool, Requests requests) {
    return new GuardContestant(name, pool, requests);
  }

  private static void run(HikariDataSource pool, String sql) throws SQLException {
    try (Connection connection = pool.getConnection();
        Statement statement = connection.createStatement()) {
      statement.execute(sql);
    }
  }

  private record IdempotencyStage(List<Contestant> contestants, PgbelayPayment payment)
      implements Stage {
    @Override
    public void close() {
      payment.close();
    }

    @Override
    public List<String> parts() {
      return List.of(
          GuardContestant.CALLS,
          GuardContestant.REPLAYS,
          GuardContestant.PAYMENT,
          GuardContestant.DUPLICATES,
          GuardContestant.STORAGE);
    }

    @Override
    public List<String> notes() {
      return List.of(
          "limit is the operation without any guard: one INSERT under autocommit",
          "by hand: tenant, operation, key, SHA-256 of the request, state and a jsonb response; a"
              + " replay compares the hash and reads the response",
          "one statement: key, response and operation in a CTE, where the operation is known"
              + " beforehand; two and three statements: in one transaction; looks first: as"
              + " tutorials have it, two at a time fail at the primary key",
          "pgbelay (one statement): executeStatement, with the response known beforehand too",
          "payment: claim, provider, booking with the response; the provider is a method that"
              + " returns at once, so that claims are what is measured. pgbelay calls it on another"
              + " thread, with a time limit, and keeps the request for whoever goes on after a"
              + " crash; by hand (two transactions) the claim is committed before the provider is"
              + " asked too, and nobody ever takes it over",
          "all tables have the statistics of %,d rows, as autovacuum would see to within minutes:"
                  .formatted(STATISTICS_OF)
              + " without any, the planner looks payments up in the wrong index",
          "one keyed read: what a replay from the database costs at least",
          "storage: table and indexes behind the first calls, divided by their number; then as many"
              + " keys that are older than answers are kept are added and deleted, by hand in one"
              + " DELETE, with pgbelay in chunks that can be stopped and resumed",
          "duplicates: %d callers of one key, a pool of 8, an operation of 300 ms"
              .formatted(Duplicates.CALLERS));
    }
  }
}
