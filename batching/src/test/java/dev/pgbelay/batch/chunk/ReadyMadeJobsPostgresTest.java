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
import dev.pgbelay.core.Transactions;
import dev.pgbelay.testing.PostgresExtension;
import java.time.Duration;
import java.time.LocalDateTime;
import java.time.ZoneId;
import java.util.Map;
import org.jooq.DSLContext;
import org.jooq.Field;
import org.jooq.Record;
import org.jooq.Table;
import org.jooq.impl.SQLDataType;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

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
        .isInstanceOf(IllegalArgumentException.class)
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
}
