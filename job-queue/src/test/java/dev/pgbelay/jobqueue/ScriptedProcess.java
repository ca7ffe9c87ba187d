package dev.pgbelay.jobqueue;

import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.Tx;
import dev.pgbelay.jobqueue.cron.ScheduleRunner;
import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jooq.DSLContext;
import org.jooq.SQLDialect;
import org.jooq.impl.DSL;

/**
 * A JVM that works on one queue and stands still at the place that a test wants. How far it is
 * stands in the table {@code marker}; it goes on when its test opens the table {@code gate}.
 */
final class ScriptedProcess {
  /** Where the process stands still, or what is strange about it. */
  enum Script {
    /** In its handler, before the effect. */
    IN_HANDLER,
    /** The same, with results that are written without a fence. */
    IN_HANDLER_UNFENCED,
    /** In the transaction that has handed a job over. */
    BEFORE_COMMIT,
    /** Behind the commit that has handed a job over, before the worker is told of it. */
    BEFORE_TOLD,
    /** In the handler of a job that was handed over. */
    HANDED_OVER,
    /** Nowhere; it also fires schedules. */
    ON_AND_ON
  }

  /** Marked when a completion was refused. */
  static final long REFUSED = -1;

  static final Duration LEASE = Duration.ofSeconds(2);

  private static final Path LOGS = Path.of("target", "scripted");
  private static final String NO_FENCE = "AND CAST(? AS uuid) IS NOT NULL";

  private final HikariDataSource pool;
  private final Transactions transactions;
  private final DSLContext apart;
  private final String node;
  private final String queue;
  private final Script script;
  private final JobQueue jobs = JobQueue.create();

  private ScriptedProcess(String url, String node, String queue, Script script) {
    this.pool = QueueFixture.pool(url, 8);
    this.transactions = Transactions.of(pool);
    this.apart = DSL.using(pool, SQLDialect.POSTGRES);
    this.node = node;
    this.queue = queue;
    this.script = script;
  }

  /** Tables that the processes of a test need. */
  static void install(DSLContext dsl) {
    dsl.execute("create table if not exists marker (node text not null, job_id bigint not null)");
    dsl.execute("create table if not exists gate (node text not null)");
  }

  static Process start(String url, String node, String queue, Script script) throws IOException {
    return start(url, node, queue, script, Map.of());
  }

  static Process start(
      String url, String node, String queue, Script script, Map<String, String> environment)
      throws IOException {
    Files.createDirectories(LOGS);
    ProcessBuilder builder =
        new ProcessBuilder(
            Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "-XX:TieredStopAtLevel=1",
            "-Xmx128m",
            "-cp",
            System.getProperty("java.class.path"),
            ScriptedProcess.class.getName(),
            url + "&ApplicationName=" + node,
            node,
            queue,
            script.name());
    builder.environment().putAll(environment);
    return builder
        .redirectErrorStream(true)
        .redirectOutput(ProcessBuilder.Redirect.appendTo(LOGS.resolve(node + ".log").toFile()))
        .redirectInput(ProcessBuilder.Redirect.from(new File("/dev/null")))
        .start();
  }

  static void signal(Process process, String signal) throws Exception {
    Process kill = new ProcessBuilder("kill", signal, Long.toString(process.pid())).start();
    if (kill.waitFor() != 0) {
      throw new IllegalStateException("kill " + signal + " has failed");
    }
  }

  public static void main(String[] args) throws Exception {
    new ScriptedProcess(args[0], args[1], args[2], Script.valueOf(args[3])).run();
  }

  private void run() throws Exception {
    JobWorkerBuilder builder =
        JobWorker.builder(transactions, QueueFixture.pool(pool.getJdbcUrl(), 1))
            .node(node)
            .queue(queue, 4)
            .lease(LEASE)
            .pollInterval(Duration.ofMillis(50))
            .wokenBy(jobs)
            .handle(QueueFixture.MAIL, this::handle);
    if (script == Script.IN_HANDLER_UNFENCED) {
      builder.settleSql(new SettleSql("pgbelay", LEASE, NO_FENCE));
    }
    builder.build().start();
    if (script == Script.ON_AND_ON) {
      mark(System.currentTimeMillis());
      ScheduleRunner.builder(transactions, jobs).build().start();
    }
    AtomicBoolean handedOver = new AtomicBoolean();
    while (handsOver() && !handedOver.get()) {
      transactions.execute(tx -> handedOver.set(handOver(tx)));
      Thread.sleep(10);
    }
    Thread.sleep(Duration.ofMinutes(10).toMillis());
  }

  private boolean handsOver() {
    return script == Script.BEFORE_COMMIT
        || script == Script.BEFORE_TOLD
        || script == Script.HANDED_OVER;
  }

  /** Rolled back unless the job was enqueued as claimed. */
  private boolean handOver(Tx tx) throws Exception {
    AtomicBoolean stands = new AtomicBoolean();
    long[] id = new long[1];
    tx.afterCommit(
        commit -> {
          if (stands.get() && script == Script.BEFORE_TOLD) {
            mark(id[0]);
            stand();
          }
        });
    id[0] = jobs.enqueue(tx, QueueFixture.MAIL.job("handed over").withQueue(queue));
    if (!"running"
        .equals(tx.dsl().fetchValue("select state from pgbelay.job where id = ?", id[0]))) {
      tx.dsl().execute("delete from pgbelay.job where id = ?", id[0]);
      return false;
    }
    stands.set(true);
    if (script == Script.BEFORE_COMMIT) {
      mark(id[0]);
      stand();
    }
    return true;
  }

  private JobOutcome handle(JobContext context, String payload) throws Exception {
    if (script != Script.ON_AND_ON) {
      mark(context.jobId());
      stand();
    }
    try {
      transactions.execute(
          tx -> {
            tx.dsl().execute("insert into effect (job_id) values (?)", context.jobId());
            context.complete(tx);
          });
    } catch (LeaseLostException e) {
      mark(REFUSED);
    }
    return JobOutcome.done();
  }

  /** In a transaction of its own. */
  private void mark(long id) {
    apart.execute("insert into marker (node, job_id) values (?, ?)", node, id);
  }

  private void stand() {
    while (apart.fetch("select 1 from gate where node = ?", node).isEmpty()) {
      try {
        Thread.sleep(20);
      } catch (InterruptedException e) {
        throw new IllegalStateException(e);
      }
    }
  }
}
