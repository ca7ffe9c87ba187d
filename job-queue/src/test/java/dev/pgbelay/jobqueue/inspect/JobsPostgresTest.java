package dev.pgbelay.jobqueue.inspect;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.jobqueue.JobKind;
import dev.pgbelay.jobqueue.JobOutcome;
import dev.pgbelay.jobqueue.JobQueue;
import dev.pgbelay.jobqueue.JobWorker;
import dev.pgbelay.jobqueue.NewJob;
import dev.pgbelay.jobqueue.inspect.JobInfo.State;
import dev.pgbelay.jobqueue.testing.ManualWorker;
import dev.pgbelay.testing.PostgresExtension;
import dev.pgbelay.testing.TemplateInitializer;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.stream.IntStream;
import org.jooq.DSLContext;
import org.jooq.SQLDialect;
import org.jooq.impl.DSL;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Jobs are found wherever they are. */
class JobsPostgresTest {
  private static final TemplateInitializer SCHEMA =
      dataSource -> SchemaInstaller.builder(dataSource).modules("jobqueue").build().install();

  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.create().withTemplate(SCHEMA);

  private static final JobKind<String> MAIL = JobKind.text("mail");
  private static final JobKind<String> OTHER = JobKind.text("other");

  private final Transactions transactions = Transactions.of(postgres.dataSource());
  private final DSLContext dsl = DSL.using(postgres.dataSource(), SQLDialect.POSTGRES);
  private final JobQueue queue = JobQueue.create();
  private final Jobs jobs = Jobs.create();

  @BeforeEach
  void empty() {
    dsl.execute("truncate pgbelay.job, pgbelay.job_dead, pgbelay.job_finished");
  }

  private long enqueue(NewJob<?> job) {
    return transactions.run(tx -> queue.enqueue(tx, job));
  }

  private JobInfo find(long id) {
    return jobs.find(dsl, id).orElseThrow();
  }

  @Test
  void find_followsAJobToItsEnd() {
    long ready = enqueue(MAIL.job("done").withHeader("a", "b").withMaxAttempts(4));
    long later = enqueue(MAIL.job("x").withDelay(Duration.ofDays(1)));
    long failing = enqueue(MAIL.job("failing").withMaxAttempts(1));
    long gone = enqueue(MAIL.job("gone"));
    long cancelled = enqueue(MAIL.job("x").withDelay(Duration.ofDays(1)));
    transactions.execute(tx -> queue.cancel(tx, cancelled, "no longer wanted"));
    JobInfo waiting = find(ready);
    assertThat(waiting.state()).isEqualTo(State.READY);
    assertThat(waiting.headers()).containsEntry("a", "b");
    assertThat(waiting.maxAttempts()).hasValue(4);
    assertThat(waiting.enqueuedAt()).isPresent();
    assertThat(waiting.runAt()).isEmpty();
    assertThat(find(later).state()).isEqualTo(State.SCHEDULED);
    assertThat(find(later).runAt()).isPresent();
    List<State> whileRunning = new ArrayList<>();
    try (ManualWorker worker =
        ManualWorker.of(
            JobWorker.builder(transactions, postgres.dataSource())
                .handle(
                    MAIL,
                    (context, payload) -> {
                      whileRunning.add(find(context.jobId()).state());
                      if (payload.equals("failing")) {
                        throw new IllegalStateException("down");
                      }
                      return payload.equals("gone")
                          ? JobOutcome.discard("account closed")
                          : JobOutcome.done();
                    }))) {
      worker.drain();
    }
    assertThat(whileRunning).hasSize(3).containsOnly(State.RUNNING);
    assertThat(find(ready).state()).isEqualTo(State.DONE);
    assertThat(find(ready).endedAt()).isPresent();
    JobInfo dead = find(failing);
    assertThat(dead.state()).isEqualTo(State.DEAD);
    assertThat(dead.reason()).contains("java.lang.IllegalStateException: down");
    assertThat(dead.failures()).hasSize(1);
    assertThat(find(gone).state()).isEqualTo(State.DISCARDED);
    assertThat(find(gone).reason()).contains("account closed");
    assertThat(find(cancelled).state()).isEqualTo(State.CANCELLED);
    assertThat(jobs.find(dsl, Long.MAX_VALUE)).isEmpty();
  }

  @Test
  void find_seesTheTransactionItIsGiven() {
    transactions.execute(
        tx -> {
          long id = queue.enqueue(tx, MAIL.job("x"));
          assertThat(jobs.find(tx.dsl(), id)).isPresent();
          assertThat(jobs.find(dsl, id)).isEmpty();
        });
  }

  private List<Long> walk(JobFilter filter, int limit) {
    List<Long> ids = new ArrayList<>();
    long after = 0;
    while (true) {
      JobPage page = jobs.list(dsl, filter, after, limit);
      assertThat(page.jobs()).hasSizeLessThanOrEqualTo(limit);
      page.jobs().forEach(job -> ids.add(job.id()));
      if (page.next().isEmpty()) {
        return ids;
      }
      assertThat(page.next().getAsLong()).isGreaterThan(after);
      after = page.next().getAsLong();
    }
  }

  @Test
  void list_pagesThroughEverythingThatFitsOnce() {
    List<Long> mails = new ArrayList<>();
    List<Long> later = new ArrayList<>();
    for (int i = 0; i < 25; i++) {
      mails.add(enqueue(MAIL.job("x").withQueue("a")));
      later.add(enqueue(OTHER.job("x").withQueue("b").withDelay(Duration.ofDays(1))));
    }
    List<Long> all = new ArrayList<>(mails);
    all.addAll(later);
    Collections.sort(all);
    Collections.sort(mails);
    Collections.sort(later);
    for (int limit : new int[] {1, 7, 25, 50, 1_000}) {
      assertThat(walk(JobFilter.all(), limit)).isEqualTo(all);
      assertThat(walk(JobFilter.all().inQueue("a"), limit)).isEqualTo(mails);
      assertThat(walk(JobFilter.all().ofKind(OTHER), limit)).isEqualTo(later);
      assertThat(walk(JobFilter.all().in(State.SCHEDULED), limit)).isEqualTo(later);
      assertThat(walk(JobFilter.all().inQueue("a").in(State.SCHEDULED), limit)).isEmpty();
    }
  }

  /** A page that fits nothing ends after a bounded number of jobs, and the walk goes on. */
  @Test
  void list_looksAtABoundedNumberOfJobs() {
    transactions.execute(
        tx ->
            queue.enqueueAll(
                tx,
                IntStream.range(0, InspectSql.MOST_LOOKED_AT + 500)
                    .mapToObj(i -> MAIL.job("x"))
                    .toList()));
    long last = enqueue(OTHER.job("x"));
    dsl.execute(
        "update pgbelay.job set id = (select max(id) + 1 from pgbelay.job) where id = ?", last);
    JobPage first = jobs.list(dsl, JobFilter.all().ofKind(OTHER), 0, 10);
    assertThat(first.jobs()).isEmpty();
    assertThat(first.next()).isPresent();
    assertThat(walk(JobFilter.all().ofKind(OTHER), 10)).hasSize(1);
  }

  @Test
  void badInput_isRefusedByName() {
    assertThatThrownBy(() -> jobs.list(dsl, JobFilter.all(), 0, 0))
        .hasMessageContaining("limit must be between 1 and 1000");
    assertThatThrownBy(() -> JobFilter.all().in(State.DEAD)).hasMessageContaining("state is DEAD");
  }
}
