package dev.pgbelay.jobqueue;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.jobqueue.NewJob.UniqueKey;
import dev.pgbelay.jobqueue.NewJob.UniqueScope;
import dev.pgbelay.jobqueue.control.Limits;
import dev.pgbelay.jobqueue.control.Rate;
import dev.pgbelay.jobqueue.cron.CronTimes;
import dev.pgbelay.jobqueue.cron.Schedule;
import dev.pgbelay.jobqueue.cron.ScheduleRunner;
import dev.pgbelay.jobqueue.health.QueueMonitor;
import dev.pgbelay.jobqueue.inspect.JobState;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.IntConsumer;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Every option with a range takes what stands at its ends, and refuses what is one step beyond. */
class OptionRangesTest {
  private static final Duration DAY = Duration.ofDays(1);
  private static final Duration MILLI = Duration.ofMillis(1);

  /** Never asked for a connection. */
  private static final HikariDataSource NOWHERE =
      QueueFixture.pool("jdbc:postgresql://127.0.0.1:1/none", 1);

  private static final Transactions TRANSACTIONS = Transactions.of(NOWHERE);
  private static final NewJob<String> MAIL = QueueFixture.MAIL.job("secret");

  @AfterAll
  static void close() {
    NOWHERE.close();
  }

  /** What is taken and what is refused, with how the refusal begins. */
  private record Range(String option, List<Runnable> taken, List<Runnable> refused) {
    @Override
    public String toString() {
      return option;
    }
  }

  private static Range times(
      String option, Consumer<Duration> set, Duration least, Duration most, Duration step) {
    return new Range(
        option,
        List.of(() -> set.accept(least), () -> set.accept(most)),
        List.of(() -> set.accept(least.minus(step)), () -> set.accept(most.plus(step))));
  }

  private static Range times(String option, Consumer<Duration> set, Duration least, Duration most) {
    return times(option, set, least, most, MILLI);
  }

  private static Range counts(String option, IntConsumer set, int least, int most) {
    return new Range(
        option,
        List.of(() -> set.accept(least), () -> set.accept(most)),
        List.of(() -> set.accept(least - 1), () -> set.accept(most + 1)));
  }

  /** Lengths from one on, and a NUL. */
  private static Range texts(String option, Consumer<String> set, int most) {
    return new Range(
        option,
        List.of(() -> set.accept("x"), () -> set.accept("x".repeat(most))),
        List.of(() -> set.accept(""), () -> set.accept("x".repeat(most + 1))));
  }

  private static Range names(String option, Consumer<String> set) {
    List<Runnable> refused = new ArrayList<>();
    for (String bad :
        new String[] {"", "-a", ".a", "a b", "ä", "a\n", "a;", "a\0", "x".repeat(64)}) {
      refused.add(() -> set.accept(bad));
    }
    return new Range(
        option,
        List.of(
            () -> set.accept("a"), () -> set.accept("7.B_c-d"), () -> set.accept("x".repeat(63))),
        refused);
  }

  private static JobWorkerBuilder worker() {
    return JobWorker.builder(TRANSACTIONS, NOWHERE)
        .handle(QueueFixture.MAIL, (context, payload) -> JobOutcome.done());
  }

  private static QueueMonitor.Builder monitor() {
    return QueueMonitor.builder(TRANSACTIONS);
  }

  private static Schedule schedule(String name) {
    return Schedule.of(name, CronTimes.of("0 0 1 1 *", ZoneOffset.UTC), MAIL);
  }

  private static NewJob<String> withHeaders(int count) {
    NewJob<String> job = MAIL;
    for (int i = 0; i < count; i++) {
      job = job.withHeader("h" + i, "");
    }
    return job;
  }

  private static NewJob<String> withTags(int count) {
    NewJob<String> job = MAIL;
    for (int i = 0; i < count; i++) {
      job = job.withTag("t" + i);
    }
    return job;
  }

  static List<Range> ofWorkers() {
    Duration hour = Duration.ofHours(1);
    List<Range> ranges = new ArrayList<>();
    ranges.add(times("lease", time -> worker().lease(time), Duration.ofSeconds(1), hour));
    ranges.add(
        times(
            "pollInterval",
            time -> worker().pollInterval(time),
            Duration.ofMillis(10),
            Duration.ofMinutes(1)));
    ranges.add(times("closeDeadline", time -> worker().closeDeadline(time), Duration.ZERO, hour));
    ranges.add(
        times(
            "deadline",
            time -> worker().deadline(QueueFixture.MAIL, time),
            Duration.ofMillis(100),
            DAY));
    ranges.add(
        counts(
            "concurrency of queue 'other' must",
            count -> worker().queue("other", count),
            1,
            1_000));
    ranges.add(names("queue", name -> worker().queue(name, 1)));
    ranges.add(times("retention", time -> worker().retention(time), DAY, Duration.ofDays(28), DAY));
    for (JobState ended :
        List.of(JobState.DONE, JobState.DISCARDED, JobState.CANCELLED, JobState.DEAD)) {
      ranges.add(
          times(
              "retention of " + ended,
              time -> worker().retention(ended, time),
              DAY,
              Duration.ofDays(3_650),
              DAY));
    }
    ranges.add(times("delay", JobOutcome::snooze, Duration.ZERO, Duration.ofDays(3_650)));
    ranges.add(
        times(
            "delay",
            time -> JobOutcome.retryLater(time, "x"),
            Duration.ZERO,
            Duration.ofDays(3_650)));
    Duration month = Duration.ofDays(30);
    ranges.add(
        times(
            "longest",
            time -> RetryPolicy.exponential(Duration.ofMillis(10), time),
            Duration.ofMillis(10),
            month));
    ranges.add(
        times(
            "first",
            time -> RetryPolicy.exponential(time, Duration.ofSeconds(9)),
            Duration.ofMillis(10),
            Duration.ofSeconds(9)));
    ranges.add(
        times(
            "pause",
            time -> RetryPolicy.defaults().withPauseAfter(IOException.class, time),
            Duration.ZERO,
            month));
    return ranges;
  }

  static List<Range> ofJobs() {
    Duration year = Duration.ofDays(365);
    List<Range> ranges = new ArrayList<>();
    ranges.add(names("kind", JobKind::text));
    ranges.add(names("queue", MAIL::withQueue));
    ranges.add(names("tag", MAIL::withTag));
    ranges.add(times("delay", MAIL::withDelay, Duration.ZERO, Duration.ofDays(3_650)));
    ranges.add(times("priority", MAIL::withPriority, year.negated(), year));
    ranges.add(counts("maxAttempts", MAIL::withMaxAttempts, 1, 1_000));
    ranges.add(times("deadline", MAIL::withDeadline, Duration.ofMillis(100), DAY));
    ranges.add(times("period", UniqueScope::forPeriod, Duration.ofSeconds(1), year));
    ranges.add(times("period", UniqueScope.whileWaiting()::andFor, Duration.ofSeconds(1), year));
    ranges.add(texts("the length of the partition key", MAIL::withPartitionKey, 255));
    UniqueScope scope = UniqueScope.whileUnfinished();
    ranges.add(texts("the length of the unique key", key -> MAIL.withUniqueKey(key, scope), 255));
    ranges.add(texts("the length of header", name -> MAIL.withHeader(name, ""), 255));
    ranges.add(
        new Range(
            "the length of header 'a's value",
            List.of(() -> MAIL.withHeader("a", ""), () -> MAIL.withHeader("a", "x".repeat(4_096))),
            List.of(() -> MAIL.withHeader("a", "x".repeat(4_097)))));
    ranges.add(
        new Range(
            "the number of headers",
            List.of(() -> withHeaders(32)),
            List.of(() -> withHeaders(33))));
    ranges.add(
        new Range("the number of tags", List.of(() -> withTags(16)), List.of(() -> withTags(17))));
    Instant least = Instant.EPOCH;
    Instant most = Instant.parse("2200-01-01T00:00:00Z");
    ranges.add(
        new Range(
            "runAt",
            List.of(() -> MAIL.withRunAt(least), () -> MAIL.withRunAt(most)),
            List.of(
                () -> MAIL.withRunAt(least.minus(MILLI)), () -> MAIL.withRunAt(most.plus(MILLI)))));
    ranges.add(
        counts("payloadLimit", bytes -> JobQueue.builder().payloadLimit(bytes), 1, 64 << 20));
    return ranges;
  }

  static List<Range> ofLimitsSchedulesAndMonitors() {
    Duration second = Duration.ofSeconds(1);
    List<Range> ranges = new ArrayList<>();
    ranges.add(counts("count", count -> Rate.of(count, second), 1, 1_000_000));
    ranges.add(times("per", per -> Rate.of(1, per), second, DAY));
    ranges.add(counts("burst", burst -> new Rate(7, second, burst), 1, 7));
    ranges.add(counts("running", Limits.none()::withRunning, 1, 10_000));
    ranges.add(counts("perKey", Limits.none()::withPerKey, 1, 100));
    ranges.add(names("schedule", OptionRangesTest::schedule));
    ranges.add(times("grace", schedule("x")::withGrace, second, DAY));
    ranges.add(
        new Range(
            "the number of headers",
            List.of(() -> Schedule.of("x", schedule("x").times(), withHeaders(30))),
            List.of(() -> Schedule.of("x", schedule("x").times(), withHeaders(31)))));
    ranges.add(
        times(
            "pollInterval",
            time -> ScheduleRunner.builder(TRANSACTIONS, JobQueue.create()).pollInterval(time),
            Duration.ofMillis(10),
            Duration.ofMinutes(1)));
    Duration week = Duration.ofDays(7);
    ranges.add(
        times("standstill", time -> monitor().standstill(time), Duration.ofSeconds(10), week));
    ranges.add(
        times(
            "standstill",
            time -> monitor().standstill("named", time),
            Duration.ofSeconds(10),
            week));
    ranges.add(times("late", time -> monitor().late(time), second, Duration.ofDays(30)));
    ranges.add(
        times(
            "every",
            time -> monitor().expect(QueueFixture.MAIL, time),
            Duration.ofMinutes(1),
            Duration.ofDays(400)));
    ranges.add(times("pinnedHorizon", time -> monitor().pinnedHorizon(time), second, DAY));
    ranges.add(
        times(
            "interval",
            time -> monitor().interval(time),
            Duration.ofMillis(100),
            Duration.ofMinutes(10)));
    ranges.add(counts("countUpTo", limit -> monitor().countUpTo(limit), 1, 1_000_000));
    return ranges;
  }

  @ParameterizedTest
  @MethodSource({"ofWorkers", "ofJobs", "ofLimitsSchedulesAndMonitors"})
  void option_takesItsEndsAndRefusesWhatIsBeyond(Range range) {
    range.taken().forEach(Runnable::run);
    for (Runnable refused : range.refused()) {
      assertThatThrownBy(refused::run)
          .isInstanceOf(PgBelayException.class)
          .hasMessageStartingWith(range.option())
          .hasMessageNotContaining("secret");
    }
  }

  /** The values are not in the messages. */
  @Test
  void nul_isRefusedWherePostgresStoresNone() {
    UniqueScope scope = UniqueScope.whileUnfinished();
    assertThatThrownBy(() -> MAIL.withPartitionKey("sec\0ret"))
        .hasMessage("the partition key holds a NUL, which PostgreSQL does not store");
    assertThatThrownBy(() -> new UniqueKey("sec\0ret", scope))
        .hasMessage("the unique key holds a NUL, which PostgreSQL does not store");
    assertThatThrownBy(() -> MAIL.withHeader("na\0me", "x"))
        .hasMessageStartingWith("header 'na\\0me' holds a NUL");
    assertThatThrownBy(() -> MAIL.withHeader("name", "sec\0ret"))
        .hasMessageStartingWith("header 'name' holds a NUL")
        .hasMessageNotContaining("ret");
  }

  @Test
  void momentAndDelay_excludeEachOther() {
    assertThatThrownBy(
            () ->
                new NewJob<>(
                    MAIL.kind(),
                    "x",
                    MAIL.queue(),
                    java.util.Optional.of(Instant.EPOCH),
                    MILLI,
                    MAIL.priority(),
                    1,
                    MAIL.deadline(),
                    MAIL.partitionKey(),
                    MAIL.unique(),
                    MAIL.tags(),
                    MAIL.headers()))
        .hasMessage("runAt is 1970-01-01T00:00:00Z and delay is PT0.001S: give one of the two");
    assertThat(MAIL.withDelay(DAY).withRunAt(Instant.EPOCH).delay()).isZero();
    assertThat(MAIL.withRunAt(Instant.EPOCH).withDelay(DAY).runAt()).isEmpty();
  }

  @Test
  void retention_isWholeDays() {
    assertThatThrownBy(() -> worker().retention(DAY.plusHours(1)))
        .hasMessageStartingWith("retention must be whole days, is PT25H");
  }

  @Test
  void rate_hasABurstOfATenth() {
    int[] counts = {1, 9, 10, 19, 20, 1_000_000};
    assertThat(IntStream.of(counts).map(count -> Rate.of(count, DAY).burst()))
        .containsExactly(1, 1, 1, 1, 2, 100_000);
  }
}
