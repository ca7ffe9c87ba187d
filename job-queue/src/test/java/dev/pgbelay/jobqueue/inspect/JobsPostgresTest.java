package dev.pgbelay.jobqueue.inspect;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.jobqueue.FailedAttempt;
import dev.pgbelay.jobqueue.JobKind;
import dev.pgbelay.jobqueue.JobOutcome;
import dev.pgbelay.jobqueue.JobQueue;
import dev.pgbelay.jobqueue.JobWorker;
import dev.pgbelay.jobqueue.NewJob;
import dev.pgbelay.jobqueue.RetryPolicy;
import dev.pgbelay.jobqueue.testing.ManualWorker;
import dev.pgbelay.testing.PostgresExtension;
import dev.pgbelay.testing.TemplateInitializer;
import java.lang.management.ManagementFactory;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
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
    dsl.execute(
        "truncate pgbelay.job, pgbelay.job_dead, pgbelay.job_finished, pgbelay.job_finished_kept");
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
    transactions.execute(tx -> queue.cancelWaiting(tx, cancelled, "no longer wanted"));
    JobInfo waiting = find(ready);
    assertThat(waiting.state()).isEqualTo(JobState.READY);
    assertThat(waiting.headers()).containsEntry("a", "b");
    assertThat(waiting.maxAttempts()).hasValue(4);
    assertThat(waiting.enqueuedAt()).isPresent();
    assertThat(waiting.runAt()).isEmpty();
    assertThat(find(later).state()).isEqualTo(JobState.SCHEDULED);
    assertThat(find(later).runAt()).isPresent();
    List<JobState> whileRunning = new ArrayList<>();
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
    assertThat(whileRunning).hasSize(3).containsOnly(JobState.RUNNING);
    assertThat(find(ready).state()).isEqualTo(JobState.DONE);
    assertThat(find(ready).endedAt()).isPresent();
    JobInfo dead = find(failing);
    assertThat(dead.state()).isEqualTo(JobState.DEAD);
    assertThat(dead.reason()).contains("java.lang.IllegalStateException: down");
    FailedAttempt failure = dead.failures().get(0);
    assertThat(dead.failures()).hasSize(1);
    assertThat(failure.attempt()).isEqualTo(1);
    assertThat(failure.node()).isEqualTo(ManagementFactory.getRuntimeMXBean().getName());
    assertThat(failure.error()).isEqualTo("java.lang.IllegalStateException: down");
    assertThat(Duration.between(failure.at(), dead.endedAt().orElseThrow()).abs())
        .as("in UTC, whatever the session's zone")
        .isLessThan(Duration.ofMinutes(10));
    dsl.execute("update pgbelay.job_dead set failures = array['by hand'] where id = ?", failing);
    assertThat(find(failing).failures())
        .containsExactly(new FailedAttempt(0, Instant.EPOCH, "", "by hand"));
    assertThat(find(gone).state()).isEqualTo(JobState.DISCARDED);
    assertThat(find(gone).reason()).contains("account closed");
    assertThat(find(cancelled).state()).isEqualTo(JobState.CANCELLED);
    assertThat(jobs.find(dsl, Long.MAX_VALUE)).isEmpty();
  }

  /** That it arrives is told by a moment that never comes, which is nobody's business. */
  @Test
  void jobThatWaitsForItsKey_hasNoMomentAtWhichItRuns() {
    long id = enqueue(MAIL.job("x").withPartitionKey("key"));
    assertThat(find(id).runAt()).isEmpty();
    assertThat(jobs.list(dsl, JobFilter.all(), 10).jobs())
        .extracting(JobInfo::runAt)
        .containsExactly(Optional.empty());
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
    JobPage<JobInfo> page = jobs.list(dsl, filter, limit);
    while (true) {
      assertThat(page.jobs()).hasSizeLessThanOrEqualTo(limit);
      page.jobs().forEach(job -> ids.add(job.id()));
      if (page.next().isEmpty()) {
        return ids;
      }
      String after = page.next().get();
      page = jobs.list(dsl, filter, after, limit);
      assertThat(page.next()).as("goes on").isNotEqualTo(Optional.of(after));
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
      assertThat(walk(JobFilter.all().in(JobState.SCHEDULED), limit)).isEqualTo(later);
      assertThat(walk(JobFilter.all().inQueue("a").in(JobState.SCHEDULED), limit)).isEmpty();
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
    JobPage<JobInfo> first = jobs.list(dsl, JobFilter.all().ofKind(OTHER), 10);
    assertThat(first.jobs()).isEmpty();
    assertThat(first.next()).isPresent();
    assertThat(walk(JobFilter.all().ofKind(OTHER), 10)).hasSize(1);
  }

  private List<Long> walkFinished(JobFilter filter, int limit) {
    List<Long> ids = new ArrayList<>();
    JobPage<JobInfo> page = jobs.listFinished(dsl, filter, limit);
    while (true) {
      assertThat(page.jobs()).hasSizeLessThanOrEqualTo(limit);
      page.jobs().forEach(job -> ids.add(job.id()));
      if (page.next().isEmpty()) {
        return ids;
      }
      String after = page.next().get();
      page = jobs.listFinished(dsl, filter, after, limit);
      assertThat(page.next()).as("goes on").isNotEqualTo(Optional.of(after));
    }
  }

  /** Records with ascending ids, of so many days ago. */
  private void finish(int fromId, int count, int daysAgo, String outcome, String queueName) {
    dsl.execute(
        "insert into pgbelay.job_finished (id, finished_at, finished_day, attempt, outcome, queue,"
            + " kind, reason) select n, clock_timestamp() - ? * interval '24 hours',"
            + " floor(extract(epoch from clock_timestamp()) / 86400)::int - ?, 1, ?, ?, 'mail',"
            + " case when ? <> 'done' then 'why' end from generate_series(?, ?) n",
        daysAgo,
        daysAgo,
        outcome,
        queueName,
        outcome,
        fromId,
        fromId + count - 1);
  }

  private static List<Long> descending(int fromId, int count) {
    return IntStream.iterate(fromId + count - 1, i -> i >= fromId, i -> i - 1)
        .mapToObj(i -> (long) i)
        .toList();
  }

  @Test
  void listFinished_pagesFromTheLatestToTheEarliestOnce() {
    finish(1, 3, 30, "done", "a");
    finish(101, 40, 5, "cancelled", "b");
    finish(201, 25, 0, "done", "a");
    finish(301, 25, 0, "discarded", "b");
    List<Long> all = new ArrayList<>(descending(301, 25));
    all.addAll(descending(201, 25));
    all.addAll(descending(101, 40));
    all.addAll(descending(1, 3));
    for (int limit : new int[] {1, 7, 25, 93, 1_000}) {
      assertThat(walkFinished(JobFilter.all(), limit)).as("limit %s", limit).isEqualTo(all);
      assertThat(walkFinished(JobFilter.all().in(JobState.CANCELLED), limit))
          .isEqualTo(descending(101, 40));
      assertThat(walkFinished(JobFilter.all().in(JobState.DISCARDED).inQueue("b"), limit))
          .isEqualTo(descending(301, 25));
      assertThat(walkFinished(JobFilter.all().in(JobState.DISCARDED).inQueue("a"), limit))
          .isEmpty();
      assertThat(walkFinished(JobFilter.all().ofKind(MAIL), limit)).isEqualTo(all);
      assertThat(walkFinished(JobFilter.all().ofKind(OTHER), limit)).isEmpty();
    }
    JobInfo last = jobs.listFinished(dsl, JobFilter.all(), 1).jobs().get(0);
    assertThat(last.state()).isEqualTo(JobState.DISCARDED);
    assertThat(last.reason()).contains("why");
    assertThat(last.endedAt()).isPresent();
  }

  @Test
  void listFinished_looksAtABoundedNumberOfRecordsAndGoesOnAcrossDays() {
    finish(1, 10, 3, "discarded", "a");
    finish(1_001, 15_000, 2, "done", "a");
    finish(20_001, 15_000, 0, "done", "a");
    dsl.execute(
        "insert into pgbelay.job_finished_kept (id, finished_at, attempt, outcome, queue, kind)"
            + " select 50000 + n, now() - interval '2400 hours', 1, 'discarded', 'a', 'mail'"
            + " from generate_series(1, 5) n");
    JobFilter discarded = JobFilter.all().in(JobState.DISCARDED);
    JobPage<JobInfo> first = jobs.listFinished(dsl, discarded, 10);
    assertThat(first.jobs()).as("not found in so few blocks").isEmpty();
    assertThat(first.next()).isPresent();
    List<Long> kept = descending(50_001, 5);
    List<Long> expected = new ArrayList<>(descending(1, 10));
    expected.addAll(kept);
    for (int limit : new int[] {3, 10}) {
      assertThat(walkFinished(discarded, limit)).as("limit %s", limit).isEqualTo(expected);
    }
    assertThat(find(50_003).state()).isEqualTo(JobState.DISCARDED);
    List<Long> all = new ArrayList<>(descending(20_001, 15_000));
    all.addAll(descending(1_001, 15_000));
    all.addAll(expected);
    assertThat(walkFinished(JobFilter.all(), 1_000)).isEqualTo(all);
  }

  @Test
  void listFinished_isNotDisturbedByWhatFinishesMeanwhile() {
    finish(1, 500, 0, "done", "a");
    JobPage<JobInfo> first = jobs.listFinished(dsl, JobFilter.all(), 200);
    finish(501, 500, 0, "done", "a");
    JobPage<JobInfo> second =
        jobs.listFinished(dsl, JobFilter.all(), first.next().orElseThrow(), 200);
    assertThat(second.jobs()).extracting(JobInfo::id).isEqualTo(descending(101, 200));
    dsl.execute("truncate pgbelay.job_finished");
    assertThat(jobs.listFinished(dsl, JobFilter.all(), second.next().orElseThrow(), 200))
        .as("a day that was emptied")
        .isEqualTo(new JobPage<JobInfo>(List.of(), Optional.empty()));
  }

  @Test
  void tags_findWhatIsNotFinishedAndDeadLetters() {
    long one = enqueue(MAIL.job("x").withTag("customer-7").withTag("bulk"));
    enqueue(MAIL.job("x").withTag("customer-8"));
    enqueue(MAIL.job("x"));
    long two = enqueue(OTHER.job("x").withTag("customer-7").withDelay(Duration.ofDays(1)));
    assertThat(walk(JobFilter.all().tagged("customer-7"), 1)).containsExactly(one, two);
    assertThat(walk(JobFilter.all().tagged("customer-7").in(JobState.SCHEDULED), 5))
        .containsExactly(two);
    assertThat(walk(JobFilter.all().tagged("customer"), 5)).isEmpty();
    assertThat(find(one).tags()).containsExactly("customer-7", "bulk");
    try (ManualWorker worker =
        ManualWorker.of(
            JobWorker.builder(transactions, postgres.dataSource())
                .handle(
                    MAIL,
                    RetryPolicy.defaults().withNoRetryAfter(IllegalStateException.class),
                    (context, payload) -> {
                      throw new IllegalStateException("down");
                    }))) {
      worker.drain();
    }
    JobFilter dead = JobFilter.all().in(JobState.DEAD);
    assertThat(walk(dead, 1)).hasSize(3);
    assertThat(walk(dead.tagged("customer-7"), 1)).containsExactly(one);
    assertThat(walk(dead.inQueue("elsewhere"), 1)).isEmpty();
    JobInfo letter = jobs.list(dsl, dead.tagged("bulk"), 1).jobs().get(0);
    assertThat(letter.state()).isEqualTo(JobState.DEAD);
    assertThat(letter.endedAt()).isPresent();
    assertThat(letter.reason().orElseThrow()).contains("down");
    assertThat(letter.tags()).containsExactly("customer-7", "bulk");
  }

  /** However a job ends, and also where the record is kept for longer than its day. */
  @Test
  void tags_findFinishedJobs() {
    long done = enqueue(MAIL.job("done").withTag("customer-7").withTag("bulk"));
    long discarded = enqueue(MAIL.job("gone").withTag("customer-7"));
    long withoutTag = enqueue(MAIL.job("done"));
    long keyed = enqueue(MAIL.job("done").withTag("customer-7").withPartitionKey("key"));
    long inHandler = enqueue(MAIL.job("in handler").withTag("customer-7"));
    long ended = enqueue(OTHER.job("x").withTag("customer-7"));
    long asked = enqueue(OTHER.job("x").withTag("customer-7"));
    long waits = enqueue(OTHER.job("x").withTag("customer-7"));
    transactions.execute(tx -> queue.cancelWaiting(tx, ended, "no longer wanted"));
    transactions.execute(tx -> queue.cancel(tx, asked, "no longer wanted"));
    try (ManualWorker worker =
        ManualWorker.of(
            JobWorker.builder(transactions, postgres.dataSource())
                .handle(
                    MAIL,
                    (context, payload) -> {
                      if (payload.equals("in handler")) {
                        transactions.execute(context::complete);
                      }
                      return payload.equals("gone")
                          ? JobOutcome.discard("account closed")
                          : JobOutcome.done();
                    }))) {
      worker.drain();
    }
    JobFilter tagged = JobFilter.all().tagged("customer-7");
    for (int limit : new int[] {1, 3, 100}) {
      assertThat(walkFinished(tagged, limit))
          .as("limit %s", limit)
          .containsExactlyInAnyOrder(done, discarded, keyed, inHandler, ended, asked);
      assertThat(walkFinished(tagged.in(JobState.DISCARDED), limit)).containsExactly(discarded);
      assertThat(walkFinished(tagged.in(JobState.CANCELLED), limit))
          .containsExactlyInAnyOrder(ended, asked);
      assertThat(walkFinished(tagged.ofKind(MAIL).inQueue("elsewhere"), limit)).isEmpty();
    }
    assertThat(walkFinished(JobFilter.all().tagged("customer"), 10)).isEmpty();
    assertThat(walk(tagged, 10)).containsExactly(waits);
    assertThat(find(done).tags()).containsExactly("customer-7", "bulk");
    assertThat(find(withoutTag).tags()).isEmpty();
    assertThat(jobs.listFinished(dsl, JobFilter.all().tagged("bulk"), 1).jobs().get(0).tags())
        .containsExactly("customer-7", "bulk");
    assertThat(dsl.fetchCount(DSL.table("pgbelay.job_finished"), DSL.condition("tags is null")))
        .as("nothing is stored where there is none")
        .isEqualTo(1);
    dsl.execute(
        "insert into pgbelay.job_finished_kept (id, finished_at, attempt, outcome, queue, kind,"
            + " reason, tags) select id, finished_at, attempt, outcome, queue, kind, reason, tags"
            + " from pgbelay.job_finished");
    dsl.execute("truncate pgbelay.job_finished");
    assertThat(walkFinished(tagged, 2))
        .containsExactlyInAnyOrder(done, discarded, keyed, inHandler, ended, asked);
    assertThat(find(done).tags()).containsExactly("customer-7", "bulk");
  }

  @Test
  void badInput_isRefusedByName() {
    assertThatThrownBy(() -> jobs.list(dsl, JobFilter.all(), 0))
        .hasMessageContaining("limit must be between 1 and 1000");
    assertThatThrownBy(() -> jobs.list(dsl, JobFilter.all().in(JobState.DONE), 1))
        .hasMessageContaining("state is DONE");
    assertThatThrownBy(() -> jobs.listFinished(dsl, JobFilter.all().in(JobState.DEAD), 1))
        .hasMessageContaining("state is DEAD");
    assertThatThrownBy(() -> jobs.listFinished(dsl, JobFilter.all(), 1_001))
        .hasMessageContaining("limit must be between 1 and 1000");
    assertThatThrownBy(() -> jobs.listFinished(dsl, JobFilter.all(), "x; drop", 1))
        .hasMessageContaining("after is 'x; drop'");
    assertThatThrownBy(() -> jobs.list(dsl, JobFilter.all(), "7 or so", 1))
        .hasMessageContaining("after is '7 or so'");
  }
}
