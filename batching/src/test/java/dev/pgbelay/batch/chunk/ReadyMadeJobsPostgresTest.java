package dev.pgbelay.batch.chunk;

import static dev.pgbelay.batch.chunk.ChunkFixture.DONE;
import static dev.pgbelay.batch.chunk.ChunkFixture.ID;
import static dev.pgbelay.batch.chunk.ChunkFixture.ITEM;
import static dev.pgbelay.batch.chunk.ChunkFixture.MADE_AT;
import static dev.pgbelay.batch.chunk.ChunkFixture.NOTE;
import static dev.pgbelay.batch.chunk.ChunkFixture.fill;
import static dev.pgbelay.batch.chunk.ChunkFixture.freshName;
import static dev.pgbelay.batch.chunk.ChunkFixture.quick;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.inline;
import static org.jooq.impl.DSL.name;
import static org.jooq.impl.DSL.table;

import dev.pgbelay.batch.chunk.JobRefusedException.Reason;
import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.testing.PostgresExtension;
import java.time.Duration;
import java.time.Instant;
import java.time.LocalDate;
import java.time.LocalDateTime;
import java.time.OffsetDateTime;
import java.time.ZoneId;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.jooq.DSLContext;
import org.jooq.Field;
import org.jooq.Record;
import org.jooq.Table;
import org.jooq.impl.DSL;
import org.jooq.impl.SQLDataType;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ReadyMadeJobsPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(ChunkFixture.SCHEMA);

  private static final Table<Record> PARENT = table(name("parent"));
  private static final Field<Long> PARENT_ID = field(name("id"), Long.class);
  private static final Field<Boolean> GOING = field(name("going"), Boolean.class);
  private static final Table<Record> CHILD = table(name("child"));
  private static final Field<Long> CHILD_PARENT = field(name("parent_id"), Long.class);
  private static final Field<Long> CHILD_ID = field(name("id"), Long.class);

  private final DSLContext dsl = ChunkFixture.dsl(postgres.dataSource());
  private final Transactions transactions = Transactions.of(postgres.dataSource());
  private final String job = freshName();

  @BeforeEach
  void fillTables() {
    fill(dsl, 1_000);
    dsl.execute("drop table if exists child, parent");
    dsl.execute(
        """
        create table parent (id bigint primary key, going boolean not null default false);
        create table child (id bigint primary key, parent_id bigint not null references parent);
        create index child_of_parent on child (parent_id, id);
        insert into parent select i from generate_series(1, 3) i;
        insert into child select i, 1 + i % 2 from generate_series(1, 2000) i;
        """);
  }

  @Test
  void purge_deletesWhatIsOlderByTheDatabasesClockAndCanBeRunAgain() {
    ChunkedJob purge =
        quick(Purge.olderThan(transactions, job, ITEM, MADE_AT, Duration.ofHours(10)))
            .key(MADE_AT, ID)
            .build();

    assertThat(purge.run().rows()).isBetween(400L, 401L);
    assertThat(dsl.fetchCount(ITEM)).isBetween(599, 600);
    assertThat(purge.run().rows()).as("nothing is old now").isZero();
    dsl.execute("update item set made_at = now() - interval '1 year' where id = 7");
    assertThat(purge.run().rows()).isOne();
  }

  @Test
  void purgeByColumnWithoutZone_needsToBeToldTheZone() {
    Field<LocalDateTime> local = field(name("at"), SQLDataType.LOCALDATETIME);
    dsl.execute("drop table if exists logged");
    dsl.execute(
        "create table logged (at timestamp not null, id int not null, primary key (at, id))");
    dsl.execute(
        "insert into logged select (now() at time zone 'Asia/Tokyo') - i * interval '1 minute', i"
            + " from generate_series(1, 100) i");
    Table<Record> logged = table(name("logged"));

    assertThatThrownBy(
            () -> Purge.olderThan(transactions, job, logged, local, Duration.ofMinutes(50)))
        .isInstanceOf(PgBelayException.class)
        .hasMessageContaining("zone");
    ChunkReport report =
        quick(
                Purge.olderThan(
                    transactions,
                    job,
                    logged,
                    local,
                    Duration.ofMinutes(50),
                    ZoneId.of("Asia/Tokyo")))
            .key(local, field(name("id"), Integer.class))
            .build()
            .run();
    assertThat(report.rows()).isBetween(50L, 51L);
  }

  @Test
  void backfillOfMissingValues_leavesWhatWritersHaveSet() {
    dsl.execute("update item set note = 'by a writer' where id = 5");

    ChunkReport report =
        quick(Backfill.missing(transactions, job, ITEM, NOTE, inline("filled")))
            .key(ID)
            .build()
            .run();

    assertThat(report.rows()).isEqualTo(999);
    assertThat(dsl.fetchCount(ITEM, NOTE.eq("by a writer"))).isOne();
    assertThat(dsl.fetchCount(ITEM, NOTE.eq("filled"))).isEqualTo(999);
  }

  @Test
  void backfillOfDifferingValues_doesNotWriteWhatIsRight() {
    dsl.execute("update item set done = 42 where id <= 10");

    ChunkReport report =
        quick(Backfill.differing(transactions, job, ITEM, DONE, inline(42))).key(ID).build().run();

    assertThat(report.rows()).isEqualTo(990);
    assertThat(dsl.fetchCount(ITEM, DONE.eq(42))).isEqualTo(1_000);
  }

  private CascadeDelete.Builder<Long> cascade() {
    return CascadeDelete.of(transactions, job, PARENT, PARENT_ID, 1L)
        .child(CHILD, CHILD_PARENT, CHILD_ID)
        .mark(Map.of(GOING, true))
        .jobs(ChunkFixture::quick);
  }

  @Test
  void cascade_deletesChildrenInChunksAndThenTheParent() {
    CascadeDelete.Report report = cascade().build().run();

    assertThat(report.outcome()).isEqualTo(CascadeDelete.Outcome.DELETED);
    assertThat(report.parts()).hasSize(1);
    assertThat(report.parts().get(0).rows()).isEqualTo(1_000);
    assertThat(report.parts().get(0).chunks()).isGreaterThanOrEqualTo(10);
    assertThat(dsl.fetchCount(PARENT)).isEqualTo(2);
    assertThat(dsl.fetchCount(CHILD)).isEqualTo(1_000);
    assertThat(cascade().build().run().outcome()).isEqualTo(CascadeDelete.Outcome.ALREADY_GONE);
  }

  @Test
  void cascadeOverMoreThanAllowed_isRefusedBeforeAnythingHappens() {
    assertThatThrownBy(() -> cascade().restrictTo(999).build().run())
        .isInstanceOfSatisfying(
            JobRefusedException.class, e -> assertThat(e.reason()).isEqualTo(Reason.NOT_CONFIRMED))
        .hasMessageContaining("more than 999 children");
    assertThat(dsl.fetchCount(PARENT, GOING.isTrue())).as("not even marked").isZero();
    assertThat(dsl.fetchCount(CHILD)).isEqualTo(2_000);

    assertThat(cascade().restrictTo(1_000).build().run().outcome())
        .isEqualTo(CascadeDelete.Outcome.DELETED);
  }

  @Test
  void confirmedCascade_asksNoMore() {
    assertThat(cascade().restrictTo(0).confirmed().build().run().outcome())
        .isEqualTo(CascadeDelete.Outcome.DELETED);
  }

  @Test
  void cascadeWithoutTheIndex_isRefusedBeforeTheParentIsMarked() {
    dsl.execute("drop index child_of_parent");

    assertThatThrownBy(() -> cascade().build().run())
        .isInstanceOfSatisfying(
            JobRefusedException.class, e -> assertThat(e.reason()).isEqualTo(Reason.NO_INDEX))
        .hasMessageContaining("(\"parent_id\", \"id\")");
    assertThat(dsl.fetchCount(PARENT, GOING.isTrue())).isZero();
  }

  @Test
  void cascadeOverTwoForeignKeysOfOneTable_hasAPartForEachAndResumes() {
    dsl.execute("drop table if exists message");
    dsl.execute(
        """
        create table message (
          id bigint primary key,
          sender bigint not null references parent,
          receiver bigint not null references parent);
        create index on message (sender, id);
        create index on message (receiver, id);
        insert into message select i, 1 + i % 2, 1 + (i / 2) % 2 from generate_series(1, 1000) i;
        """);
    Table<Record> message = table(name("message"));
    Field<Long> sender = field(name("sender"), Long.class);
    Field<Long> receiver = field(name("receiver"), Long.class);
    CascadeDelete delete =
        CascadeDelete.of(transactions, job, PARENT, PARENT_ID, 1L)
            .child(CHILD, CHILD_PARENT, CHILD_ID)
            .child(message, sender, CHILD_ID)
            .child(message, receiver, CHILD_ID)
            .jobs(ChunkFixture::quick)
            .build();
    JobControl second = JobControl.of(transactions, job + "/message-2");

    assertThat(delete.run().outcome()).isEqualTo(CascadeDelete.Outcome.DELETED);

    assertThat(dsl.fetchCount(message)).isEqualTo(250);
    assertThat(second.status().orElseThrow().state()).isEqualTo(JobControl.State.DONE);
    dsl.execute("insert into parent values (1)");
    dsl.execute("insert into message select 10000 + i, 1, 2 from generate_series(1, 50) i");
    // An unfinished second part, as a crash leaves it behind.
    dsl.execute(
        "update pgbelay.chunk_job set state = 'ACTIVE', position = null where name = '"
            + job
            + "/message-2'");
    assertThat(delete.run().outcome()).isEqualTo(CascadeDelete.Outcome.DELETED);
    assertThat(dsl.fetchCount(message)).isEqualTo(250);
    dsl.execute("drop table message");
  }

  /** Rows of the last 100 minutes, written in a local time that is {@code hours} from UTC. */
  private Table<Record> loggedAt(int hours) {
    dsl.execute("drop table if exists logged");
    dsl.execute(
        "create table logged (at timestamp not null, id int not null, primary key (at, id))");
    dsl.execute(
        "insert into logged select (now() at time zone 'UTC') + "
            + hours
            + " * interval '1 hour' - i * interval '1 minute', i from generate_series(1, 100) i");
    return table(name("logged"));
  }

  @ParameterizedTest
  @ValueSource(strings = {"-08:00", "UTC-08:00", "GMT-8", "Etc/GMT+8"})
  void purgeInAZoneThatIsAnOffset_doesNotTurnItsSign(String zone) {
    ChunkReport report =
        quick(
                Purge.olderThan(
                    transactions,
                    job,
                    loggedAt(-8),
                    field(name("at"), SQLDataType.LOCALDATETIME),
                    Duration.ofMinutes(50),
                    ZoneId.of(zone)))
            .key(field(name("at"), SQLDataType.LOCALDATETIME), CHILD_ID)
            .build()
            .run();

    assertThat(report.rows()).isBetween(50L, 51L);
  }

  /** A moment of the last year at which the zone was further behind UTC than it is now. */
  private static Optional<Instant> earlierOffset(ZoneId zone, Instant now) {
    int offset = zone.getRules().getOffset(now).getTotalSeconds();
    return Stream.iterate(now, at -> at.minus(Duration.ofDays(1)))
        .limit(300)
        .filter(at -> zone.getRules().getOffset(at).getTotalSeconds() < offset)
        .map(at -> at.minus(Duration.ofDays(2)))
        .findFirst();
  }

  @Test
  void purgeAcrossAChangeOfTheClocks_deletesNothingTooYoung() {
    Instant now = dsl.fetchSingle("select now()").get(0, OffsetDateTime.class).toInstant();
    // One of them is in summer time at any day of the year.
    ZoneId zone =
        Stream.of("Australia/Sydney", "America/New_York")
            .map(ZoneId::of)
            .filter(each -> earlierOffset(each, now).isPresent())
            .findFirst()
            .orElseThrow();
    Instant cutoff = earlierOffset(zone, now).orElseThrow();
    dsl.execute("drop table if exists logged");
    dsl.execute(
        "create table logged (at timestamp not null, id int not null, primary key (at, id))");
    Field<LocalDateTime> at = field(name("at"), SQLDataType.LOCALDATETIME);
    Table<Record> logged = table(name("logged"));
    Field<Integer> id = field(name("id"), Integer.class);
    dsl.insertInto(logged, at, id)
        .values(LocalDateTime.ofInstant(cutoff.plus(Duration.ofMinutes(30)), zone), 1)
        .values(LocalDateTime.ofInstant(cutoff.minus(Duration.ofMinutes(30)), zone), 2)
        .execute();

    quick(Purge.olderThan(transactions, job, logged, at, Duration.between(cutoff, now), zone))
        .key(at, id)
        .build()
        .run();

    assertThat(dsl.fetchValues(DSL.select(id).from(logged))).containsExactly(1);
  }

  @Test
  void purgeByDate_keepsADayThatIsNotWhollyOld() {
    dsl.execute("drop table if exists daily");
    dsl.execute("create table daily (day date primary key)");
    dsl.execute(
        "insert into daily select (now() at time zone 'Asia/Tokyo')::date - i"
            + " from generate_series(0, 9) i");
    Field<LocalDate> day = field(name("day"), SQLDataType.LOCALDATE);
    Table<Record> daily = table(name("daily"));

    quick(
            Purge.olderThan(
                transactions, job, daily, day, Duration.ofDays(3), ZoneId.of("Asia/Tokyo")))
        .key(day)
        .build()
        .run();

    assertThat(dsl.fetchCount(daily))
        .as("today and three days, the third one in part")
        .isEqualTo(4);
  }

  @Test
  void cascadeWithAnUndeclaredReference_isRefusedBeforeAnythingHappens() {
    dsl.execute("drop table if exists note");
    dsl.execute(
        """
        create table note (
          id bigint primary key, parent_id bigint not null references parent on delete cascade);
        insert into note values (1, 1), (2, 2);
        """);

    assertThatThrownBy(() -> cascade().restrictTo(1_000).build().run())
        .isInstanceOfSatisfying(
            JobRefusedException.class,
            e -> assertThat(e.reason().name()).isEqualTo("UNDECLARED_CHILDREN"))
        .hasMessageContaining("note (parent_id) ON DELETE CASCADE");
    assertThat(dsl.fetchCount(PARENT, GOING.isTrue())).isZero();
    assertThat(dsl.fetchCount(CHILD)).isEqualTo(2_000);
    dsl.execute("drop table note");
  }

  @Test
  void cascadeThatWouldReachGrandchildrenByItself_isRefused() {
    dsl.execute("drop table if exists grandchild");
    dsl.execute(
        "create table grandchild (id int, child_id bigint references child on delete set null)");

    assertThatThrownBy(() -> cascade().build().run())
        .hasMessageContaining("grandchild (child_id) ON DELETE SET NULL");
    assertThat(dsl.fetchCount(CHILD)).isEqualTo(2_000);
    dsl.execute("drop table grandchild");
  }

  @Test
  void childThatArrivesAfterTheChildrensJob_isNotDeletedByTheForeignKey() {
    dsl.execute("alter table child drop constraint child_parent_id_fkey");
    dsl.execute(
        "alter table child add foreign key (parent_id) references parent on delete cascade");
    CascadeDelete delete =
        cascade()
            .jobs(
                builder ->
                    ChunkFixture.quick(builder)
                        .onProgress(
                            status -> {
                              if (status.state() == JobControl.State.DONE) {
                                dsl.execute(
                                    "insert into child values (99999, 1) on conflict do nothing");
                              }
                            }))
            .build();

    CascadeDelete.Report report = delete.run();

    assertThat(report.outcome().name()).isEqualTo("CHILDREN_CAME");
    assertThat(dsl.fetchCount(CHILD, CHILD_ID.eq(99_999L))).isOne();
    assertThat(dsl.fetchCount(PARENT)).isEqualTo(3);
    assertThat(cascade().build().run().outcome()).isEqualTo(CascadeDelete.Outcome.DELETED);
    assertThat(dsl.fetchCount(CHILD)).isEqualTo(1_000);
  }

  @Test
  void retentionWithAFractionOfASecond_isRoundedUp() {
    dsl.transaction(
        inner -> {
          inner.dsl().execute("truncate item");
          inner
              .dsl()
              .execute(
                  "insert into item select i, 1, now() - i * interval '500 ms', null, 0"
                      + " from generate_series(1, 5) i");
          assertThat(
                  inner
                      .dsl()
                      .fetchValues(
                          DSL.select(ID)
                              .from(ITEM)
                              .where(PurgeSql.older(MADE_AT, Duration.ofMillis(1_400)))))
              .as("older than 2 s, not than 1 s")
              .containsExactly(5L);
        });
  }

  @Test
  void referenceToAPartitionOfTheParent_mustBeDeclaredToo() {
    dsl.execute(
        """
        create table owner (id bigint primary key) partition by range (id);
        create table owner_1 partition of owner for values from (0) to (100);
        insert into owner values (1);
        create table held (
          owner_id bigint not null references owner on delete cascade, id bigint,
          primary key (owner_id, id)) partition by hash (id);
        create table held_0 partition of held for values with (modulus 1, remainder 0);
        create table badge (
          id bigint primary key, owner_id bigint not null references owner_1 on delete cascade);
        insert into held values (1, 1);
        insert into badge values (1, 1);
        """);
    try {
      CascadeDelete.Builder<Long> delete =
          CascadeDelete.of(
                  transactions, job, table(name("owner")), field(name("id"), Long.class), 1L)
              .child(table(name("held")), field(name("owner_id"), Long.class), CHILD_ID)
              .jobs(ChunkFixture::quick);
      assertThatThrownBy(() -> delete.build().run())
          .isInstanceOfSatisfying(
              JobRefusedException.class,
              e -> assertThat(e.reason()).isEqualTo(Reason.UNDECLARED_CHILDREN))
          .hasMessageContaining("badge (owner_id) ON DELETE CASCADE")
          .hasMessageNotContaining("held");
      assertThat(dsl.fetchCount(table(name("badge")))).isOne();
      dsl.execute("create index on badge (owner_id, id)");
      assertThat(
              delete
                  .child(table(name("badge")), field(name("owner_id"), Long.class), CHILD_ID)
                  .build()
                  .run()
                  .outcome())
          .isEqualTo(CascadeDelete.Outcome.DELETED);
    } finally {
      dsl.execute("drop table badge, held, owner");
    }
  }

  @Test
  void largestLimitAndNullMark_areTaken() {
    dsl.execute("alter table parent alter going drop not null");
    Map<Field<?>, Object> mark = new HashMap<>();
    mark.put(GOING, null);

    assertThat(cascade().restrictTo(Long.MAX_VALUE).mark(mark).build().run().outcome())
        .isEqualTo(CascadeDelete.Outcome.DELETED);
  }

  @Test
  void cancelledPurge_runsAgainAfterARestartOnly() {
    ChunkedJob purge =
        quick(Purge.olderThan(transactions, job, ITEM, MADE_AT, Duration.ofHours(10)))
            .key(MADE_AT, ID)
            .build();
    purge.run();
    dsl.execute("update pgbelay.chunk_job set state = 'ACTIVE' where name = '" + job + "'");
    assertThat(purge.control().cancel()).isEqualTo(JobControl.Outcome.CHANGED);

    assertThat(purge.run().outcome()).isEqualTo(ChunkReport.Outcome.CANCELLED);
    assertThat(purge.control().restart()).isEqualTo(JobControl.Outcome.CHANGED);
    assertThat(purge.control().restart()).isEqualTo(JobControl.Outcome.UNCHANGED);
    assertThat(purge.run().outcome()).isEqualTo(ChunkReport.Outcome.DONE);
  }
}
