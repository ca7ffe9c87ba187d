package dev.pgbelay.batch.chunk;

import static dev.pgbelay.batch.chunk.ChunkFixture.freshName;
import static dev.pgbelay.batch.chunk.ChunkFixture.quick;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.name;
import static org.jooq.impl.DSL.table;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.batch.chunk.JobRefusedException.Reason;
import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.testing.PostgresExtension;
import java.util.Map;
import org.jooq.DSLContext;
import org.jooq.Field;
import org.jooq.Record;
import org.jooq.Table;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Which job a row of the table of jobs belongs to, and what its position may be. */
class JobDefinitionPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(ChunkFixture.SCHEMA);

  private static final Field<Integer> ID = field(name("id"), Integer.class);
  private static final Field<Integer> HIT = field(name("hit"), Integer.class);
  private static final Table<Record> FIRST = table(name("first", "event"));
  private static final Table<Record> SECOND = table(name("second", "event"));

  private final DSLContext dsl = ChunkFixture.dsl(postgres.dataSource());
  private final Transactions transactions = Transactions.of(postgres.dataSource());
  private final String job = freshName();

  @BeforeEach
  void createTwoSchemas() {
    for (String schema : new String[] {"first", "second"}) {
      dsl.execute(
          """
          create schema %1$s;
          create table %1$s.event (id int primary key, hit int not null default 0);
          create table %1$s.copied (id int primary key);
          insert into %1$s.event select generate_series(1, 100);
          """
              .formatted(schema));
    }
  }

  @AfterEach
  void dropSchemas() {
    dsl.execute("drop schema first, second cascade");
  }

  /** Ends in the middle, with a position behind row 40. */
  private void beginAndFail(ChunkedJob.Builder builder) {
    int[] told = new int[1];
    ChunkedJob failing =
        builder
            .onProgress(
                status -> {
                  if (++told[0] == 2) {
                    throw new IllegalStateException("poison");
                  }
                })
            .build();
    assertThatThrownBy(failing::run).hasMessage("poison");
    assertThat(failing.control().status().orElseThrow().rowsWalked()).isEqualTo(40);
  }

  private ChunkedJob.Builder over(Table<?> table) {
    return quick(ChunkedJob.over(transactions, job, table).key(ID)).chunkRows(20, 20, 20);
  }

  private static void assertOtherDefinition(ChunkedJob other, String known, String asked) {
    assertThatThrownBy(other::run)
        .isInstanceOfSatisfying(
            JobRefusedException.class,
            e -> assertThat(e.reason()).isEqualTo(Reason.OTHER_DEFINITION))
        .hasMessageContaining(known)
        .hasMessageContaining(asked);
  }

  @Test
  void tableOfTheSameNameInAnotherSchema_isAnotherJob() {
    beginAndFail(over(FIRST).update(Map.of(HIT, 1)));

    assertOtherDefinition(
        over(SECOND).update(Map.of(HIT, 1)).build(),
        "update over first.event by id",
        "update over second.event by id");
    assertThat(dsl.fetchCount(SECOND, HIT.eq(1))).isZero();

    assertThat(over(FIRST).update(Map.of(HIT, 1)).build().run().rows()).isEqualTo(60);
    assertThat(dsl.fetchCount(FIRST, HIT.eq(1))).isEqualTo(100);
  }

  @Test
  void unqualifiedTableThatTheSearchPathFindsElsewhere_isAnotherJob() {
    Table<Record> event = table(name("event"));
    try (HikariDataSource inFirst = withSearchPath("first");
        HikariDataSource inSecond = withSearchPath("second")) {
      beginAndFail(
          quick(ChunkedJob.over(Transactions.of(inFirst), job, event).key(ID))
              .chunkRows(20, 20, 20)
              .update(Map.of(HIT, 1)));

      assertOtherDefinition(
          quick(ChunkedJob.over(Transactions.of(inSecond), job, event).key(ID))
              .update(Map.of(HIT, 1))
              .build(),
          "update over first.event by id",
          "update over second.event by id");
      assertThat(dsl.fetchCount(SECOND, HIT.eq(1))).isZero();
      assertThat(over(FIRST).update(Map.of(HIT, 1)).build().run().rows())
          .as("the same table, however it is named")
          .isEqualTo(60);
    }
  }

  private static HikariDataSource withSearchPath(String schema) {
    HikariConfig config = new HikariConfig();
    config.setJdbcUrl(postgres.jdbcUrl());
    config.addDataSourceProperty("currentSchema", schema);
    config.setMaximumPoolSize(2);
    return new HikariDataSource(config);
  }

  @Test
  void targetOfTheSameNameInAnotherSchema_isAnotherJob() {
    beginAndFail(over(FIRST).insertInto(table(name("first", "copied")), Map.of(ID, ID)));

    assertOtherDefinition(
        over(FIRST).insertInto(table(name("second", "copied")), Map.of(ID, ID)).build(),
        "insert into first.copied over first.event",
        "insert into second.copied over first.event");
    assertThat(dsl.fetchCount(table(name("second", "copied")))).isZero();
  }

  @Test
  void targetThatIsNotThere_isRefusedBeforeAnythingIsWritten() {
    ChunkedJob lost =
        over(FIRST).insertInto(table(name("first", "nosuch")), Map.of(ID, ID)).build();

    assertThatThrownBy(lost::run)
        .isInstanceOfSatisfying(
            JobRefusedException.class, e -> assertThat(e.reason()).isEqualTo(Reason.NOT_FOUND))
        .hasMessageContaining("\"first\".\"nosuch\"");
    assertThat(lost.control().status()).isEmpty();
  }

  @Test
  void keysOfManyKilobytes_areWalkedAndResumed() {
    dsl.execute(
        """
        create table first.long (k text primary key, hit int not null default 0);
        insert into first.long (k)
          select repeat(chr(97 + i), 20000 * i) from generate_series(1, 6) i;
        """);
    Field<String> k = field(name("k"), String.class);
    Table<Record> longKeys = table(name("first", "long"));

    ChunkReport report =
        quick(ChunkedJob.over(transactions, job, longKeys).key(k))
            .chunkRows(1, 1, 1)
            .update(Map.of(HIT, HIT.plus(1)))
            .build()
            .run();

    assertThat(report.outcome()).isEqualTo(ChunkReport.Outcome.DONE);
    assertThat(dsl.fetchCount(longKeys, HIT.eq(1))).isEqualTo(6);
  }

  @Test
  void positionThatIsNone_isRefusedByName() {
    beginAndFail(over(FIRST).update(Map.of(HIT, 1)));
    dsl.execute("update pgbelay.chunk_job set position = 'row 40!' where name = '" + job + "'");

    assertThatThrownBy(() -> over(FIRST).update(Map.of(HIT, 1)).build().run())
        .isInstanceOf(PgBelayException.class)
        .hasMessageContaining(job)
        .hasMessageContaining("not a position of these keys (id)");
  }

  @Test
  void functionThatReturnsANegativeNumber_isRefusedByNameAndItsChunkRolledBack() {
    ChunkedJob negative =
        over(FIRST)
            .apply(
                "1",
                chunk -> {
                  chunk.tx().dsl().update(chunk.table()).set(HIT, 1).where(chunk.rows()).execute();
                  return -5;
                })
            .build();

    assertThatThrownBy(negative::run)
        .isInstanceOf(PgBelayException.class)
        .hasMessageContaining(job)
        .hasMessageContaining("returned -5");
    assertThat(dsl.fetchCount(FIRST, HIT.eq(1))).isZero();
    assertThat(negative.control().status().orElseThrow().running()).isFalse();
  }
}
