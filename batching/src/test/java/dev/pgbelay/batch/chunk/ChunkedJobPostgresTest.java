package dev.pgbelay.batch.chunk;

import static dev.pgbelay.batch.chunk.ChunkFixture.DONE;
import static dev.pgbelay.batch.chunk.ChunkFixture.EFFECT;
import static dev.pgbelay.batch.chunk.ChunkFixture.ID;
import static dev.pgbelay.batch.chunk.ChunkFixture.ITEM;
import static dev.pgbelay.batch.chunk.ChunkFixture.MADE_AT;
import static dev.pgbelay.batch.chunk.ChunkFixture.NOTE;
import static dev.pgbelay.batch.chunk.ChunkFixture.TENANT;
import static dev.pgbelay.batch.chunk.ChunkFixture.doubled;
import static dev.pgbelay.batch.chunk.ChunkFixture.effects;
import static dev.pgbelay.batch.chunk.ChunkFixture.fill;
import static dev.pgbelay.batch.chunk.ChunkFixture.freshName;
import static dev.pgbelay.batch.chunk.ChunkFixture.leftOut;
import static dev.pgbelay.batch.chunk.ChunkFixture.quick;
import static dev.pgbelay.batch.chunk.ChunkFixture.started;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.name;
import static org.jooq.impl.DSL.table;

import dev.pgbelay.batch.chunk.JobRefusedException.Reason;
import dev.pgbelay.core.FailureKind;
import dev.pgbelay.core.Failures;
import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.testing.HeldTransaction;
import dev.pgbelay.testing.PostgresExtension;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.jooq.DSLContext;
import org.jooq.Field;
import org.jooq.exception.DataAccessException;
import org.jooq.impl.DSL;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

class ChunkedJobPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(ChunkFixture.SCHEMA);

  private final DSLContext dsl = ChunkFixture.dsl(postgres.dataSource());
  private final Transactions transactions = Transactions.of(postgres.dataSource());
  private final String job = freshName();

  @BeforeEach
  void fillTable() {
    fill(dsl, 1_050);
  }

  private ChunkedJob.Builder over() {
    return quick(ChunkedJob.over(transactions, job, ITEM).key(ID));
  }

  @Test
  void everyRow_isWorkedOnOnce() {
    ChunkReport report = effects(transactions, job).build().run();

    assertThat(report.outcome()).isEqualTo(ChunkReport.Outcome.DONE);
    assertThat(report.rows()).isEqualTo(1_050);
    assertThat(report.chunks()).isEqualTo(11);
    assertThat(doubled(dsl)).isZero();
    assertThat(leftOut(dsl)).isZero();
    JobControl.Status status = JobControl.of(transactions, job).status().orElseThrow();
    assertThat(status.state()).isEqualTo(JobControl.State.DONE);
    assertThat(status.running()).isFalse();
    assertThat(status.rowsDone()).isEqualTo(1_050);
    assertThat(status.rowsWalked()).isEqualTo(1_050);
    assertThat(status.rowsEstimated()).contains(1_050L);
    assertThat(status.fraction()).contains(1.0);
    assertThat(status.remaining()).contains(Duration.ZERO);
  }

  @Test
  void rowCountAtAnExactMultiple_needsNoRowMoreAndLosesNone() {
    fill(dsl, 200);

    assertThat(effects(transactions, job).build().run().rows()).isEqualTo(200);
    assertThat(leftOut(dsl)).isZero();
    assertThat(doubled(dsl)).isZero();
  }

  @Test
  void emptyTable_isDone() {
    dsl.execute("truncate item");

    ChunkReport report = over().delete().build().run();

    assertThat(report.outcome()).isEqualTo(ChunkReport.Outcome.DONE);
    assertThat(report.rows()).isZero();
  }

  @Test
  void delete_removesWhatTheFilterNamesAndNothingElse() {
    ChunkReport report = over().where(TENANT.eq(3)).delete().build().run();

    assertThat(report.rows()).isEqualTo(105);
    assertThat(dsl.fetchCount(ITEM, TENANT.eq(3))).isZero();
    assertThat(dsl.fetchCount(ITEM)).isEqualTo(945);
  }

  @Test
  void deletingEveryRow_ends() {
    assertThat(over().delete().build().run().rows()).isEqualTo(1_050);
    assertThat(dsl.fetchCount(ITEM)).isZero();
  }

  @Test
  void update_setsExpressionsOverTheRow() {
    over().update(Map.of(DONE, DONE.plus(1), NOTE, "seen")).build().run();

    assertThat(dsl.fetchCount(ITEM, DONE.eq(1).and(NOTE.eq("seen")))).isEqualTo(1_050);
  }

  @Test
  void insertInto_copiesEachRowOnce() {
    over().insertInto(EFFECT, Map.of(ID, ID)).build().run();

    assertThat(leftOut(dsl)).isZero();
    assertThat(doubled(dsl)).isZero();
  }

  @Test
  void gapsAndSkew_leaveNothingOut() {
    dsl.execute("delete from item where id between 100 and 900");
    dsl.execute(
        "insert into item select 1000000000 + i::bigint * i * 1000003, 1, now(), null, 0"
            + " from generate_series(1, 500) i");
    dsl.execute("insert into item values (-9000000000000000000, 1, now(), null, 0)");

    effects(transactions, job).chunkRows(7, 1, 50).build().run();

    assertThat(leftOut(dsl)).isZero();
    assertThat(doubled(dsl)).isZero();
  }

  @Test
  void compositeKeyWithEqualLeadingValues_leavesNothingOut() {
    quick(ChunkedJob.over(transactions, job, ITEM).key(TENANT, ID))
        .apply("1", ChunkFixture::writeEffects)
        .chunkRows(13, 1, 13)
        .build()
        .run();

    assertThat(leftOut(dsl)).isZero();
    assertThat(doubled(dsl)).isZero();
  }

  @Test
  void keyOfTimestamps_keepsEveryMicrosecond() {
    dsl.execute(
        "update item set made_at = timestamptz '2026-01-01 00:00:00Z' + id * interval '1"
            + " microsecond'");
    dsl.execute("update item set made_at = 'infinity' where id = 1");

    quick(ChunkedJob.over(transactions, job, ITEM).key(MADE_AT, ID))
        .apply("1", ChunkFixture::writeEffects)
        .chunkRows(13, 1, 13)
        .build()
        .run();

    assertThat(leftOut(dsl)).isZero();
    assertThat(doubled(dsl)).isZero();
  }

  @Test
  void rowsInsertedBehindTheCursor_areNotWorkedOnAndThoseBeforeItAre() {
    fill(dsl, 0);
    dsl.execute("insert into item select i * 10, 1, now(), null, 0 from generate_series(1, 300) i");
    boolean[] inserted = new boolean[1];

    effects(transactions, job)
        .apply(
            "1",
            chunk -> {
              long rows = ChunkFixture.writeEffects(chunk);
              if (!inserted[0] && dsl.fetchCount(EFFECT) > 0) {
                inserted[0] = true;
                dsl.execute("insert into item values (5, 1, now(), null, 0)");
                dsl.execute("insert into item values (2995, 1, now(), null, 0)");
              }
              return rows;
            })
        .build()
        .run();

    assertThat(inserted[0]).isTrue();
    assertThat(dsl.fetchCount(EFFECT, ID.eq(5L))).isZero();
    assertThat(dsl.fetchCount(EFFECT, ID.eq(2995L))).isOne();
  }

  @Test
  void finishedJob_isNotRunAgainUnlessTold() {
    effects(transactions, job).build().run();

    assertThat(effects(transactions, job).build().run().outcome())
        .isEqualTo(ChunkReport.Outcome.ALREADY_DONE);
    assertThat(dsl.fetchCount(EFFECT)).isEqualTo(1_050);
    assertThat(effects(transactions, job).restartWhenDone(true).build().run().rows())
        .isEqualTo(1_050);
    assertThat(dsl.fetchCount(EFFECT)).isEqualTo(2_100);
  }

  @Test
  void failureOfTheWork_rollsItsChunkBackAndTheNextRunGoesOn() {
    ChunkedJob failing =
        effects(transactions, job)
            .apply(
                "1",
                chunk -> {
                  long rows = ChunkFixture.writeEffects(chunk);
                  if (dsl.fetchCount(EFFECT) >= 300) {
                    throw new IllegalStateException("poison");
                  }
                  return rows;
                })
            .build();

    assertThatThrownBy(failing::run).isInstanceOf(IllegalStateException.class).hasMessage("poison");
    assertThat(dsl.fetchCount(EFFECT)).isEqualTo(300);
    assertThat(failing.control().status().orElseThrow().rowsWalked()).isEqualTo(300);
    assertThat(failing.control().status().orElseThrow().running()).isFalse();

    effects(transactions, job).build().run();
    assertThat(leftOut(dsl)).isZero();
    assertThat(doubled(dsl)).isZero();
  }

  @Test
  void jobOfAnotherDefinition_isRefused() {
    effects(transactions, job)
        .apply(
            "1",
            chunk -> {
              throw new IllegalStateException("stop");
            });
    over().where(TENANT.eq(1)).delete().build().run();

    assertThatThrownBy(() -> over().where(TENANT.eq(2)).delete().build().run())
        .isInstanceOfSatisfying(
            JobRefusedException.class,
            e -> assertThat(e.reason()).isEqualTo(Reason.OTHER_DEFINITION))
        .hasMessageContaining("forget()");
    assertThat(dsl.fetchCount(ITEM, TENANT.eq(2))).isEqualTo(105);
    assertThat(JobControl.of(transactions, job).forget()).isEqualTo(JobControl.Outcome.CHANGED);
    assertThat(over().where(TENANT.eq(2)).delete().build().run().rows()).isEqualTo(105);
  }

  @Test
  void missingIndex_isRefusedWithTheDdlThatHelps() {
    dsl.execute("create table unindexed (k int not null, v int)");
    Field<Integer> k = field(name("k"), Integer.class);
    ChunkedJob refused =
        quick(ChunkedJob.over(transactions, job, table(name("unindexed"))).key(k)).delete().build();

    assertThatThrownBy(refused::run)
        .isInstanceOfSatisfying(
            JobRefusedException.class, e -> assertThat(e.reason()).isEqualTo(Reason.NO_INDEX))
        .hasMessageContaining("CREATE UNIQUE INDEX CONCURRENTLY ON \"unindexed\" (\"k\")");
    assertThat(refused.control().status()).as("nothing was written").isEmpty();

    dsl.execute("create unique index on unindexed (k)");
    assertThat(refused.run().outcome()).isEqualTo(ChunkReport.Outcome.DONE);
  }

  @Test
  void uselessIndexes_areNotTakenForUsable() {
    dsl.execute(
        """
        create table tricky (a int not null, b text not null, c int, primary key (a, b));
        create unique index on tricky (b, a) where a > 0;
        create index on tricky (b desc, a asc);
        create index on tricky (b text_pattern_ops, a);
        create index on tricky using hash (b);
        create index on tricky (lower(b), a);
        """);
    Field<Integer> a = field(name("a"), Integer.class);
    Field<String> b = field(name("b"), String.class);
    Field<Integer> c = field(name("c"), Integer.class);

    assertReason(Reason.NO_INDEX, b, a);
    assertReason(Reason.KEY_NOT_UNIQUE, b);
    assertReason(Reason.KEY_NOT_UNIQUE, a);
    assertReason(Reason.KEY_NULLABLE, c);
    assertReason(Reason.NOT_FOUND, field(name("nosuch"), Integer.class));
    dsl.execute("create index on tricky (b desc, a desc)");
    quick(ChunkedJob.over(transactions, job, table(name("tricky"))).key(b, a))
        .delete()
        .build()
        .run();
  }

  private void assertReason(Reason reason, Field<?>... key) {
    assertThatThrownBy(
            () ->
                quick(ChunkedJob.over(transactions, job, table(name("tricky"))).key(key))
                    .delete()
                    .build()
                    .run())
        .isInstanceOfSatisfying(
            JobRefusedException.class, e -> assertThat(e.reason()).isEqualTo(reason));
  }

  @Test
  void updateOfAKeyColumn_isRefused() {
    assertThatThrownBy(() -> over().update(Map.of(ID, ID.plus(1))).build())
        .isInstanceOfSatisfying(
            JobRefusedException.class,
            e -> assertThat(e.reason()).isEqualTo(Reason.KEY_CHANGED_BY_WORK))
        .hasMessageContaining("updates id");
  }

  @Test
  void insertIntoTheWalkedTable_isRefused() {
    assertThatThrownBy(() -> over().insertInto(ITEM, Map.of(ID, ID.plus(1))))
        .isInstanceOfSatisfying(
            JobRefusedException.class,
            e -> assertThat(e.reason()).isEqualTo(Reason.WALKS_ITS_OWN_ROWS));
  }

  @Test
  void dryRun_saysRowsIndexAndPlanAndChangesNothing() {
    ChunkedJob purge =
        ChunkedJob.over(transactions, job, ITEM)
            .key(MADE_AT, ID)
            .where(MADE_AT.lt(DSL.currentOffsetDateTime().minus(1)))
            .delete()
            .chunkRows(50, 10, 100)
            .build();

    ChunkedJob.DryRun dryRun = purge.dryRun();

    assertThat(dryRun.index()).isEqualTo("item_by_time");
    assertThat(dryRun.rows()).isBetween(1L, 1_050L);
    assertThat(dryRun.firstRows()).isEqualTo(50);
    assertThat(dryRun.chunks()).isEqualTo((dryRun.rows() + 49) / 50);
    assertThat(dryRun.plan()).contains("item_by_time");
    assertThat(dsl.fetchCount(ITEM)).isEqualTo(1_050);
    assertThat(purge.control().status()).isEmpty();
  }

  @Test
  void progress_growsAndIsTold() {
    List<JobControl.Status> told = new ArrayList<>();

    effects(transactions, job).onProgress(told::add).build().run();

    assertThat(told).hasSizeGreaterThan(5);
    assertThat(told.get(0).fraction().orElseThrow()).isBetween(0.05, 0.2);
    assertThat(told.get(0).remaining()).isPresent();
    assertThat(told.get(0).running()).isTrue();
    assertThat(told).extracting(JobControl.Status::rowsWalked).isSorted();
    assertThat(told.get(told.size() - 1).fraction()).contains(1.0);
  }

  @Test
  void timeoutOfAChunk_isAnsweredWithASmallerOne() {
    ChunkReport report =
        effects(transactions, job)
            .apply(
                "1",
                chunk -> {
                  long rows = ChunkFixture.writeEffects(chunk);
                  chunk.tx().dsl().execute("select pg_sleep(" + (rows > 30 ? 10 : 0) + ")");
                  return rows;
                })
            .chunkTimeout(Duration.ofSeconds(1))
            .chunkRows(100, 1, 100)
            .build()
            .run();

    assertThat(report.outcome()).isEqualTo(ChunkReport.Outcome.DONE);
    assertThat(report.retried()).isPositive();
    assertThat(report.smallestChunk()).isLessThanOrEqualTo(30);
    assertThat(leftOut(dsl)).isZero();
    assertThat(doubled(dsl)).isZero();
  }

  @Test
  void updateOfWhatAKeyColumnIsGeneratedFrom_isRefused() {
    dsl.execute(
        """
        create table priced (
          id int primary key, price int not null, note text,
          band int not null generated always as (price / 100) stored);
        create unique index on priced (band, id);
        insert into priced select i, i, null from generate_series(1, 300) i;
        """);
    Field<Integer> price = field(name("price"), Integer.class);
    ChunkedJob.Builder priced =
        quick(
            ChunkedJob.over(transactions, job, table(name("priced")))
                .key(field(name("band"), Integer.class), field(name("id"), Integer.class)));

    assertThatThrownBy(() -> priced.update(Map.of(price, price.plus(1_000))).build().run())
        .isInstanceOfSatisfying(
            JobRefusedException.class,
            e -> assertThat(e.reason()).isEqualTo(Reason.KEY_CHANGED_BY_WORK))
        .hasMessageContaining("updates price, from which band is generated");
    assertThat(priced.update(Map.of(NOTE, "seen")).build().run().rows()).isEqualTo(300);
  }

  @Test
  void partitionedTable_isWalkedAcrossItsPartitions() {
    dsl.execute(
        """
        create table measured (day int not null, id int not null, primary key (day, id))
          partition by range (day);
        create table measured_1 partition of measured for values from (0) to (10);
        create table measured_2 partition of measured for values from (10) to (100);
        insert into measured select i % 30, i from generate_series(1, 900) i;
        """);
    Field<Integer> day = field(name("day"), Integer.class);

    ChunkReport report =
        quick(
                ChunkedJob.over(transactions, job, table(name("measured")))
                    .key(day, field(name("id"), Integer.class)))
            .where(day.lt(20))
            .delete()
            .throttle(ThrottleSignal.defaults())
            .build()
            .run();

    assertThat(report.rows()).isEqualTo(600);
    assertThat(dsl.fetchCount(table(name("measured")))).isEqualTo(300);
  }

  @Test
  void count_isExactAndBounded() {
    assertThat(over().where(TENANT.eq(3)).delete().build().count(Duration.ofSeconds(10)))
        .isEqualTo(105);
    ChunkedJob endless = over().where(DSL.condition("pg_sleep(0.01) is not null")).delete().build();
    assertThatThrownBy(() -> endless.count(Duration.ofMillis(200)))
        .satisfies(
            e ->
                assertThat(dev.pgbelay.core.Failures.classify(e))
                    .isIn(
                        dev.pgbelay.core.FailureKind.STATEMENT_TIMEOUT,
                        dev.pgbelay.core.FailureKind.DEADLINE_EXCEEDED));
  }

  @Test
  void sameAssignmentOfBytes_isTheSameDefinition() {
    Field<byte[]> raw = field(name("note"), byte[].class);
    String first =
        JobWork.update(Map.of(raw, new byte[] {1, 2}))
            .over("public.item", Optional.empty(), List.of(ID), DSL.noCondition());
    assertThat(
            JobWork.update(Map.of(raw, new byte[] {1, 2}))
                .over("public.item", Optional.empty(), List.of(ID), DSL.noCondition()))
        .isEqualTo(first);
    assertThat(
            JobWork.update(Map.of(raw, new byte[] {1, 3}))
                .over("public.item", Optional.empty(), List.of(ID), DSL.noCondition()))
        .isNotEqualTo(first);
  }

  @Test
  void rateAndRemainingTime_followFromWhatWasWalked() {
    JobControl.Status status =
        new JobControl.Status(
            job,
            JobControl.State.ACTIVE,
            true,
            200,
            250,
            java.util.Optional.of(1_000L),
            3,
            100,
            java.util.Optional.empty(),
            java.util.Optional.empty(),
            Duration.ofSeconds(5),
            Duration.ofSeconds(4),
            java.time.Instant.EPOCH,
            java.time.Instant.EPOCH);

    assertThat(status.rowsPerSecond()).isEqualTo(50.0);
    assertThat(status.fraction()).contains(0.25);
    assertThat(status.remaining()).contains(Duration.ofSeconds(15));
  }

  @Test
  void optionOutOfItsRange_isRefusedByNameInBuild() {
    assertRefused("lease", over().lease(Duration.ofMillis(999)));
    assertRefused("target", over().target(Duration.ofMinutes(2)));
    assertRefused("chunkTimeout", over().chunkTimeout(Duration.ZERO));
    assertRefused("lockTimeout", over().lockTimeout(Duration.ofHours(1)));
    assertRefused("pollInterval", over().pollInterval(Duration.ZERO));
    assertRefused(
        "pollInterval", over().lease(Duration.ofSeconds(1)).pollInterval(Duration.ofMillis(501)));
    assertRefused("signalInterval", over().signalInterval(Duration.ofMillis(-1)));
    assertRefused("stuckAfter", over().stuckAfter(Duration.ZERO));
    assertRefused("patience", over().patience(Duration.ofDays(2)));
    assertRefused("chunkRows", over().chunkRows(5, 10, 20));
    assertRefused("maxRowsPerSecond", over().maxRowsPerSecond(0));
    assertThatThrownBy(() -> ChunkedJob.over(transactions, " ", ITEM).key(ID).delete().build())
        .hasMessageContaining("name");
    assertThatThrownBy(() -> over().build()).hasMessageContaining("nothing to do");
    assertThatThrownBy(() -> ChunkedJob.over(transactions, job, ITEM).delete().build())
        .hasMessageContaining("give key(...)");
  }

  private static void assertRefused(String option, ChunkedJob.Builder builder) {
    assertThatThrownBy(() -> builder.delete().build())
        .isInstanceOf(PgBelayException.class)
        .hasMessageContaining(option + (option.equals("chunkRows") ? ":" : " must be"));
  }

  @Test
  void definition_doesNotDependOnTheOrderOfAMap() {
    Map<Field<?>, Object> one = new LinkedHashMap<>();
    one.put(NOTE, "x");
    one.put(DONE, 1);
    Map<Field<?>, Object> other = new LinkedHashMap<>();
    other.put(DONE, 1);
    other.put(NOTE, "x");

    assertThat(
            JobWork.update(one)
                .over("public.item", Optional.empty(), List.of(ID), DSL.noCondition()))
        .isEqualTo(
            JobWork.update(other)
                .over("public.item", Optional.empty(), List.of(ID), DSL.noCondition()));
  }

  @Test
  void sparseFilter_isWalkedInBoundedSteps() {
    dsl.execute("truncate item");
    dsl.execute("insert into item select i, 1, now(), null, 0 from generate_series(1, 3000) i");
    dsl.execute(
        "create function costly(bigint) returns boolean volatile language plpgsql as"
            + " 'begin perform pg_sleep(0.0005); return $1 % 1000 = 1; end'");

    ChunkReport report =
        effects(transactions, job)
            .where(DSL.condition("costly({0})", ID))
            .chunkRows(100, 1, 5_000)
            .target(Duration.ofMillis(100))
            .chunkTimeout(Duration.ofMillis(700))
            .patience(Duration.ofMinutes(1))
            .build()
            .run();

    assertThat(report.outcome()).isEqualTo(ChunkReport.Outcome.DONE);
    assertThat(dsl.fetchValues(DSL.select(ID).from(EFFECT).orderBy(ID)))
        .containsExactly(1L, 1_001L, 2_001L);
    assertThat(report.chunks()).isGreaterThan(5);
  }

  @Test
  void rowOfTheJobHeldByAnotherStatement_isWaitedForAndNotTakenForARunner() throws Exception {
    effects(transactions, job).build().run();
    CompletableFuture<ChunkReport> running;
    try (HeldTransaction held =
        postgres
            .database()
            .holdTransaction(
                "select * from pgbelay.chunk_job where name = '" + job + "' for update")) {
      assertThat(held.pid()).isPositive();
      running =
          started(
              () -> effects(transactions, job).lockTimeout(Duration.ofSeconds(60)).build().run());
      assertThatThrownBy(() -> running.get(500, TimeUnit.MILLISECONDS))
          .as("waits")
          .isInstanceOf(TimeoutException.class);
    }
    assertThat(running.get(60, TimeUnit.SECONDS).outcome())
        .isEqualTo(ChunkReport.Outcome.ALREADY_DONE);
  }

  @Test
  void insertIntoAPartitionOrTheRootOfTheWalkedTable_isRefused() {
    dsl.execute(
        """
        create table parted (id int primary key) partition by range (id);
        create table parted_1 partition of parted for values from (0) to (1000);
        insert into parted select generate_series(1, 10);
        """);
    Field<Integer> id = field(name("id"), Integer.class);
    for (String[] pair :
        new String[][] {{"parted", "parted_1"}, {"parted_1", "parted"}, {"parted", "parted"}}) {
      ChunkedJob own =
          quick(ChunkedJob.over(transactions, job, table(name(pair[0]))).key(id))
              .insertInto(table(name("public", pair[1])), Map.of(id, id.plus(100)))
              .build();
      assertThatThrownBy(own::run)
          .as(pair[0] + " into " + pair[1])
          .isInstanceOfSatisfying(
              JobRefusedException.class,
              e -> assertThat(e.reason()).isEqualTo(Reason.WALKS_ITS_OWN_ROWS));
    }
    assertThat(dsl.fetchCount(table(name("parted")))).isEqualTo(10);
  }

  /** No statement of it runs into a timeout of its own. */
  private static long slowly(Chunk chunk) {
    for (Long id :
        chunk.tx().dsl().fetchValues(DSL.select(ID).from(chunk.table()).where(chunk.rows()))) {
      chunk.tx().dsl().execute("select pg_sleep(0.01)");
      chunk.tx().dsl().insertInto(EFFECT, ID).values(id).execute();
    }
    return 1;
  }

  @Test
  void chunkOfManyShortStatements_isEndedAtItsDeadlineAndTriedAgainSmaller() {
    fill(dsl, 120);
    ChunkReport report =
        effects(transactions, job)
            .apply("1", ChunkedJobPostgresTest::slowly)
            .chunkRows(100, 1, 100)
            .chunkTimeout(Duration.ofMillis(600))
            .build()
            .run();

    assertThat(report.outcome()).isEqualTo(ChunkReport.Outcome.DONE);
    assertThat(report.retried()).isPositive();
    assertThat(report.largestChunk()).isLessThanOrEqualTo(60);
    assertThat(leftOut(dsl)).isZero();
    assertThat(doubled(dsl)).isZero();
  }

  @Test
  void chunkThatNeverFits_endsTheRunByNameWithItsPositionKept() {
    fill(dsl, 20);
    ChunkedJob.Builder builder =
        effects(transactions, job)
            .chunkRows(10, 10, 10)
            .chunkTimeout(Duration.ofSeconds(3))
            .patience(Duration.ofSeconds(1));
    assertThatThrownBy(
            () ->
                builder
                    .apply(
                        "1",
                        chunk -> {
                          long rows = ChunkFixture.writeEffects(chunk);
                          if (dsl.fetchCount(EFFECT) > 0) {
                            chunk.tx().dsl().execute("select pg_sleep(60)");
                          }
                          return rows;
                        })
                    .build()
                    .run())
        .satisfies(
            e ->
                assertThat(Failures.classify(e))
                    .isIn(FailureKind.DEADLINE_EXCEEDED, FailureKind.STATEMENT_TIMEOUT));
    assertThat(JobControl.of(transactions, job).status().orElseThrow().running())
        .as("the claim is given back")
        .isFalse();

    assertThat(
            builder
                .chunkTimeout(Duration.ofSeconds(20))
                .apply("1", ChunkFixture::writeEffects)
                .build()
                .run()
                .rows())
        .isEqualTo(10);
    assertThat(leftOut(dsl)).isZero();
    assertThat(doubled(dsl)).isZero();
  }

  @Test
  void limitOfThePrograms_isNotOutwaited() {
    assertThat(Patience.mayPass(new DataAccessException("x", new SQLException("x", "54001"))))
        .isFalse();
    assertThat(Patience.mayPass(new DataAccessException("x", new SQLException("x", "53200"))))
        .isTrue();
  }
}
