package dev.pgbelay.jobqueue;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.internal.Claimant;
import dev.pgbelay.core.internal.Fence;
import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.testing.TemplateInitializer;
import java.time.Duration;
import java.util.List;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicInteger;
import javax.sql.DataSource;
import org.awaitility.Awaitility;
import org.jooq.DSLContext;
import org.jooq.SQLDialect;
import org.jooq.impl.DSL;

/** The tables, a table for the effects of jobs, and a worker that does only what a test says. */
final class QueueFixture {
  static final boolean FULL = "full".equals(System.getProperty("pgbelay.scale"));
  static final JobKind<String> MAIL = JobKind.text("mail");

  static final TemplateInitializer SCHEMA =
      dataSource -> {
        SchemaInstaller.builder(dataSource).modules("jobqueue").build().install();
        DSL.using(dataSource, SQLDialect.POSTGRES)
            .execute("create table effect (n bigserial primary key, job_id bigint not null)");
      };

  private static final AtomicInteger NAMES = new AtomicInteger();

  final Transactions transactions;
  final DSLContext dsl;
  final String queue = "q" + NAMES.incrementAndGet();
  final JobQueue jobs = JobQueue.create();
  final SettleSql settle = new SettleSql("pgbelay", Duration.ofSeconds(30));

  QueueFixture(DataSource dataSource) {
    this.transactions = Transactions.of(dataSource);
    this.dsl = DSL.using(dataSource, SQLDialect.POSTGRES);
  }

  static String freshName() {
    return "w" + NAMES.incrementAndGet();
  }

  static HikariDataSource pool(String url, int size) {
    HikariConfig config = new HikariConfig();
    config.setJdbcUrl(url);
    config.setMaximumPoolSize(size);
    config.setMinimumIdle(0);
    config.setConnectionTimeout(5_000);
    config.setInitializationFailTimeout(-1);
    return new HikariDataSource(config);
  }

  NewJob<String> mail(String payload) {
    return MAIL.job(payload).withQueue(queue);
  }

  List<Long> enqueue(int count) {
    return transactions.run(
        tx ->
            jobs.enqueueAll(
                tx,
                java.util.stream.IntStream.range(0, count)
                    .mapToObj(i -> mail("payload " + i))
                    .toList()));
  }

  long enqueue(NewJob<?> job) {
    return transactions.run(tx -> jobs.enqueue(tx, job));
  }

  /** A worker that is registered and claims when told to. */
  final class Hand {
    final Claimant claimant = Claimant.random();
    final WorkerSql workers = new WorkerSql("pgbelay");
    final RescueSql rescues = new RescueSql("pgbelay");
    final PromoteSql promotions = new PromoteSql("pgbelay");
    final ClaimSql claims = new ClaimSql("pgbelay");

    Hand() throws Exception {
      transactions.execute(
          tx ->
              workers.register(
                  tx.connection(),
                  claimant.id(),
                  "hand",
                  Duration.ofMinutes(1),
                  Set.of(),
                  Set.of()));
    }

    List<ClaimedJob> claim(int limit) throws Exception {
      return claim(claimant.next(), limit);
    }

    List<ClaimedJob> claim(Fence fence, int limit) throws Exception {
      return transactions.run(
          tx ->
              claims.claim(
                  tx.connection(),
                  fence,
                  queue,
                  LowWaterMark.Spot.FRONT,
                  Set.of(MAIL.name()),
                  limit,
                  Duration.ofSeconds(30)));
    }

    void expire() {
      dsl.execute(
          "update pgbelay.job_worker set expires_at = now() - interval '1 s' where claimant = ?",
          claimant.id());
    }

    /** One round of what every worker does about others. */
    RescueSql.Rescued rescueOthers() throws Exception {
      transactions.execute(tx -> workers.fenceExpired(tx.connection()));
      int back = 0;
      int buried = 0;
      for (UUID dead : transactions.run(tx -> workers.fenced(tx.connection()))) {
        RescueSql.Rescued page =
            transactions.run(
                tx ->
                    rescues.rescue(tx.connection(), dead, rescues.claimed(tx.connection(), dead)));
        back += page.back();
        buried += page.buried();
        transactions.execute(tx -> workers.removeFenced(tx.connection(), dead));
      }
      return new RescueSql.Rescued(back, buried);
    }
  }

  Hand hand() throws Exception {
    return new Hand();
  }

  Settlement.Slots slots() {
    return new Settlement.Slots() {
      @Override
      public String queue() {
        return queue;
      }

      @Override
      public void settled(int jobs) {}
    };
  }

  int count(String sql, Object... values) {
    return Integer.parseInt(String.valueOf(dsl.fetchValue(sql, values)));
  }

  int jobs(String state) {
    return count("select count(*) from pgbelay.job where queue = ? and state = ?", queue, state);
  }

  int finished(String outcome) {
    return count(
        "select count(*) from pgbelay.job_finished where queue = ? and outcome = ?",
        queue,
        outcome);
  }

  int dead() {
    return count("select count(*) from pgbelay.job_dead where queue = ?", queue);
  }

  interface Check {
    boolean holds() throws Exception;
  }

  static void await(Check check) {
    Awaitility.await()
        .atMost(Duration.ofSeconds(60))
        .pollInterval(Duration.ofMillis(10))
        .ignoreExceptions()
        .until(check::holds);
  }
}
