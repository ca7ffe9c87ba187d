package dev.pgbelay.jobqueue;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.Tx;
import dev.pgbelay.core.internal.StoredHeaders;
import dev.pgbelay.testing.PostgresExtension;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.sql.Connection;
import java.sql.Savepoint;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import org.jooq.Record;
import org.jooq.exception.DataAccessException;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Bulks that go by COPY are as good as any other. */
class LargeBulksPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(QueueFixture.SCHEMA);

  private static final int LARGE = 5_000;

  private static final JobKind<byte[]> BYTES = JobKind.bytes("bytes");

  private final QueueFixture fixture = new QueueFixture(postgres.dataSource());

  /** Notes by which statements jobs came, and refuses one payload. */
  @BeforeEach
  void watch() {
    fixture.dsl.execute(
        "create table if not exists seen (n bigint generated always as identity, how text)");
    fixture.dsl.execute(
        "create or replace function note_statement() returns trigger language plpgsql security"
            + " definer as $$ begin insert into public.seen (how)"
            + " values (split_part(current_query(), ' ', 1)); return null; end $$");
    fixture.dsl.execute(
        "create or replace trigger seen after insert on pgbelay.job for each statement execute"
            + " function note_statement()");
    fixture.dsl.execute("truncate seen, pgbelay.job");
  }

  @AfterEach
  void unwatch() {
    fixture.dsl.execute("drop trigger if exists refuse on pgbelay.job");
    fixture.dsl.execute("drop trigger seen on pgbelay.job");
    fixture.dsl.execute("alter table pgbelay.job disable row level security");
  }

  private List<String> statements() {
    return fixture.dsl.fetch("select how from seen order by n").getValues(0, String.class);
  }

  private List<NewJob<String>> mails(int count) {
    return IntStream.range(0, count).mapToObj(i -> fixture.mail("p" + i)).toList();
  }

  private static byte[] payload(int i) {
    byte[] bytes = new byte[i % 300];
    for (int at = 0; at < bytes.length; at++) {
      bytes[at] = (byte) (i + at);
    }
    return bytes;
  }

  @Test
  void everyByteAndEveryColumn_isStoredAsByArraysAndIdsAreInOrder() {
    List<byte[]> payloads = new ArrayList<>();
    for (int i = 0; i < LARGE + 3; i++) {
      payloads.add(payload(i));
    }
    payloads.set(
        17,
        "tab\tline\nback\\slash \\. \\N \0 é".getBytes(java.nio.charset.StandardCharsets.UTF_8));
    byte[] larger = new byte[200_000];
    Arrays.fill(larger, (byte) 0xff);
    payloads.set(18, larger);
    payloads.set(LARGE + 2, larger);
    List<NewJob<byte[]>> jobs =
        payloads.stream()
            .map(
                bytes ->
                    BYTES
                        .job(bytes)
                        .withQueue(fixture.queue)
                        .withPriority(Duration.ofMinutes(3))
                        .withMaxAttempts(7)
                        .withHeader("trace \"id\"", "a\\b,{c}\t\"d\" é\n")
                        .withHeader("empty", "")
                        .withHeader("null", "NULL"))
            .toList();
    List<Long> ids = fixture.transactions.run(tx -> fixture.jobs.enqueueAll(tx, jobs));
    List<Long> few =
        fixture.transactions.run(tx -> fixture.jobs.enqueueAll(tx, jobs.subList(17, 19)));
    assertThat(statements()).containsExactly("COPY", "WITH");
    assertThat(ids).hasSize(jobs.size()).doesNotHaveDuplicates().isSorted();
    var stored = fixture.dsl.fetch("select id, payload from pgbelay.job").intoMap("id", "payload");
    for (int i = 0; i < payloads.size(); i++) {
      assertThat((byte[]) stored.get(ids.get(i))).as("payload %s", i).isEqualTo(payloads.get(i));
    }
    Record copied = columns(ids.get(17));
    assertThat(copied).isEqualTo(columns(few.get(0)));
    assertThat(StoredHeaders.read(List.of(copied.get("headers", String[].class))))
        .containsExactlyEntriesOf(jobs.get(0).headers());
    assertThat(fixture.count("select count(distinct (place, enqueued_at)) from pgbelay.job"))
        .as("moments, of two statements")
        .isEqualTo(2);
    assertThat(
            fixture.count(
                "select count(*) from pgbelay.job where abs(extract(epoch from clock_timestamp() -"
                    + " enqueued_at)) < 600"))
        .isEqualTo(LARGE + 5);
  }

  /** All but those that differ between any two jobs. */
  private Record columns(long id) {
    return fixture.dsl.fetchSingle(
        "select to_jsonb(j) - 'id' - 'place' - 'enqueued_at' as rest, headers,"
            + " headers::text as bounds,"
            + " place - (extract(epoch from enqueued_at) * 1000000)::bigint + 180000000 as apart"
            + " from pgbelay.job j where id = ?",
        id);
  }

  @Test
  void bulkWithMoreThanOnePart_isWholeAndInOrder() {
    List<NewJob<String>> jobs = mails(EncodedJobs.MOST_COPIED + LARGE + 7);
    List<Long> ids = fixture.transactions.run(tx -> fixture.jobs.enqueueAll(tx, jobs));
    assertThat(statements()).containsExactly("COPY", "COPY");
    assertThat(ids).hasSize(jobs.size()).doesNotHaveDuplicates();
    for (int i = 0; i < ids.size(); i += 4_999) {
      assertThat(
              fixture.dsl.fetchValue(
                  "select convert_from(payload, 'UTF8') from pgbelay.job where id = ?", ids.get(i)))
          .isEqualTo("p" + i);
    }
  }

  @Test
  void fewerOrUnlikeJobs_goByArrays() {
    List<NewJob<String>> unlike = new ArrayList<>(mails(LARGE));
    unlike.set(LARGE - 1, fixture.mail("x").withMaxAttempts(2));
    fixture.transactions.execute(
        tx -> {
          fixture.jobs.enqueueAll(tx, mails(LARGE - 1));
          fixture.jobs.enqueueAll(tx, unlike);
        });
    assertThat(statements()).containsExactly("WITH", "WITH");
    assertThat(fixture.jobs("ready")).isEqualTo(2 * LARGE - 1);
  }

  @Test
  void rollback_takesABulkAwayAndToASavepointWhatCameAfterIt() throws Exception {
    assertThatThrownBy(
            () ->
                fixture.transactions.execute(
                    tx -> {
                      fixture.jobs.enqueueAll(tx, mails(LARGE));
                      throw new IllegalStateException("business");
                    }))
        .hasMessage("business");
    assertThat(fixture.jobs("ready")).isZero();
    fixture.transactions.execute(
        tx -> {
          fixture.jobs.enqueueAll(tx, mails(LARGE));
          Savepoint savepoint = tx.connection().setSavepoint();
          fixture.jobs.enqueueAll(tx, mails(LARGE));
          tx.connection().rollback(savepoint);
          assertThat(fixture.jobs("ready")).as("seen from outside").isZero();
        });
    assertThat(fixture.jobs("ready")).isEqualTo(LARGE);
  }

  /**
   * HikariCP does not see a COPY: it rolls back what is returned open only if it saw a statement.
   */
  @Test
  void bulkInATransactionThatIsAbandoned_isNotThereForTheNextBorrower() throws Exception {
    HikariConfig config = new HikariConfig();
    config.setJdbcUrl(postgres.jdbcUrl());
    config.setMaximumPoolSize(1);
    config.setAutoCommit(false);
    try (HikariDataSource pool = new HikariDataSource(config)) {
      try (Connection connection = pool.getConnection()) {
        fixture.jobs.enqueueAll(Tx.join(connection), mails(LARGE));
      }
      try (Connection connection = pool.getConnection()) {
        connection.commit();
      }
    }
    assertThat(fixture.jobs("ready")).isZero();
  }

  @Test
  void refusalOfOneRow_refusesTheBulkAndLeavesTheConnectionUsable() throws Exception {
    fixture.dsl.execute(
        "create or replace function refuse_one() returns trigger language plpgsql as $$ begin"
            + " if new.payload = 'p4000'::bytea then raise exception 'not this one'; end if;"
            + " return new; end $$");
    fixture.dsl.execute(
        "create trigger refuse before insert on pgbelay.job for each row execute function"
            + " refuse_one()");
    fixture.transactions.execute(
        tx -> {
          fixture.jobs.enqueue(tx, fixture.mail("kept"));
          Savepoint savepoint = tx.connection().setSavepoint();
          assertThatThrownBy(() -> fixture.jobs.enqueueAll(tx, mails(20_000)))
              .isInstanceOf(DataAccessException.class)
              .hasMessage("jobs were not enqueued: SQLSTATE P0001");
          assertThatThrownBy(() -> fixture.jobs.enqueue(tx, fixture.mail("too late")))
              .hasMessageContaining("25P02");
          tx.connection().rollback(savepoint);
          fixture.jobs.enqueueAll(tx, mails(3));
        });
    assertThat(fixture.jobs("ready")).isEqualTo(4);
    assertThatThrownBy(
            () -> fixture.transactions.run(tx -> fixture.jobs.enqueueAll(tx, mails(LARGE))))
        .hasMessageContaining("P0001");
    assertThat(fixture.jobs("ready")).isEqualTo(4);
  }

  @Test
  void tooLargePayload_isRefusedBeforeAnythingIsSent() {
    List<NewJob<String>> jobs = new ArrayList<>(mails(LARGE));
    jobs.add(fixture.mail("x".repeat(300 << 10)));
    fixture.transactions.execute(
        tx -> {
          assertThatThrownBy(() -> fixture.jobs.enqueueAll(tx, jobs))
              .hasMessageContaining("the limit is");
          fixture.jobs.enqueue(tx, fixture.mail("goes on"));
        });
    assertThat(fixture.jobs("ready")).isEqualTo(1);
  }

  @Test
  void roleWithoutTheSequence_andRowSecurity_goByArrays() throws Exception {
    String role = "bulk_" + fixture.queue;
    fixture.dsl.execute("create role " + role);
    HikariConfig config = new HikariConfig();
    config.setJdbcUrl(postgres.jdbcUrl());
    config.setMaximumPoolSize(1);
    config.setConnectionInitSql("set role " + role);
    try {
      fixture.dsl.execute("grant usage on schema pgbelay to " + role);
      fixture.dsl.execute("grant insert, select on pgbelay.job to " + role);
      try (HikariDataSource pool = new HikariDataSource(config)) {
        Transactions restricted = Transactions.of(pool);
        restricted.execute(tx -> fixture.jobs.enqueueAll(tx, mails(2 * LARGE)));
        assertThat(statements()).containsExactly("WITH", "WITH");
        fixture.dsl.execute("grant usage on sequence pgbelay.job_id_seq to " + role);
        restricted.execute(tx -> fixture.jobs.enqueueAll(tx, mails(LARGE)));
        assertThat(statements()).containsExactly("WITH", "WITH", "COPY");
        fixture.dsl.execute("alter table pgbelay.job enable row level security");
        fixture.dsl.execute("create policy all_jobs on pgbelay.job to " + role + " using (true)");
        restricted.execute(tx -> fixture.jobs.enqueueAll(tx, mails(LARGE)));
        assertThat(statements()).containsExactly("WITH", "WITH", "COPY", "WITH");
      }
      assertThat(fixture.jobs("ready")).isEqualTo(4 * LARGE);
    } finally {
      fixture.dsl.execute("drop policy if exists all_jobs on pgbelay.job");
      fixture.dsl.execute("drop owned by " + role);
      fixture.dsl.execute("drop role " + role);
    }
  }

  @Test
  void connectionThatHidesTheDriver_goesByArrays() throws Exception {
    try (Connection real = postgres.dataSource().getConnection()) {
      real.setAutoCommit(false);
      Connection hiding =
          (Connection)
              Proxy.newProxyInstance(
                  Connection.class.getClassLoader(),
                  new Class<?>[] {Connection.class},
                  (proxy, method, arguments) -> {
                    if (method.getName().equals("isWrapperFor")) {
                      return false;
                    }
                    try {
                      return method.invoke(real, arguments);
                    } catch (InvocationTargetException e) {
                      throw e.getCause();
                    }
                  });
      CopySql sql = new CopySql("pgbelay");
      assertThat(sql.draw(hiding, 3)).isEmpty();
      assertThat(sql.draw(real, 3).orElseThrow().ids()).hasSize(3).isSorted();
      real.rollback();
    }
  }

  /** They are announced with the commit, counted, and run once each. */
  @Test
  void bulk_isCountedAndWorkedOffOnce() throws Exception {
    SimpleMeterRegistry meters = new SimpleMeterRegistry();
    JobQueue counted = JobQueue.builder().meterRegistry(meters).build();
    BitSet seen = new BitSet();
    AtomicInteger calls = new AtomicInteger();
    JobWorker worker =
        JobWorker.builder(fixture.transactions, postgres.dataSource())
            .queue(fixture.queue, 4)
            .pollInterval(Duration.ofMinutes(1))
            .wokenBy(counted)
            .handle(
                QueueFixture.MAIL,
                (context, payload) -> {
                  synchronized (seen) {
                    seen.set(Integer.parseInt(payload.substring(1)));
                  }
                  calls.incrementAndGet();
                  return JobOutcome.done();
                })
            .build();
    worker.start();
    try {
      fixture.transactions.execute(tx -> counted.enqueueAll(tx, mails(LARGE)));
      assertThat(meters.get("pgbelay.jobqueue.enqueued").counter().count()).isEqualTo(LARGE);
      QueueFixture.await(() -> fixture.finished("done") == LARGE);
      assertThat(calls).hasValue(LARGE);
      assertThat(seen.cardinality()).isEqualTo(LARGE);
    } finally {
      worker.stop(Duration.ofSeconds(30));
    }
  }
}
