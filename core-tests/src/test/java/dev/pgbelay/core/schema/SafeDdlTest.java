package dev.pgbelay.core.schema;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowable;
import static org.assertj.core.api.Assertions.catchThrowableOfType;
import static org.awaitility.Awaitility.await;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.schema.DdlException.Reason;
import dev.pgbelay.testing.PostgresDatabase;
import dev.pgbelay.testing.PostgresExtension;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicBoolean;
import javax.sql.DataSource;
import org.assertj.core.api.AbstractThrowableAssert;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.ExtendWith;

@ExtendWith(PostgresExtension.class)
@Timeout(60)
class SafeDdlTest {
  private static final Duration LOCK_TIMEOUT = Duration.ofMillis(200);

  private final PostgresDatabase database;
  private final DataSource dataSource;
  private final ExecutorService threads = Executors.newCachedThreadPool();

  SafeDdlTest(PostgresDatabase database) {
    this.database = database;
    this.dataSource = database.dataSource();
  }

  @BeforeEach
  void makeTable() throws SQLException {
    Sql.execute(
        dataSource,
        """
        DROP TABLE IF EXISTS item, "Odd ""table" CASCADE;
        CREATE TABLE item (id bigint PRIMARY KEY, code text, price numeric);
        INSERT INTO item SELECT n, 'c' || n % 50, n FROM generate_series(1, 100) n""");
  }

  @AfterEach
  void stopThreads() {
    threads.shutdownNow();
  }

  private SafeDdl.Builder ddl() {
    return SafeDdl.builder(dataSource)
        .lockTimeout(LOCK_TIMEOUT)
        .indexLockTimeout(Duration.ofSeconds(10))
        .pauses(Duration.ofMillis(50), Duration.ofMillis(100));
  }

  private static AbstractThrowableAssert<?, ?> refused(Reason reason, ThrowingCallable call) {
    DdlException refusal = catchThrowableOfType(DdlException.class, call);
    assertThat(refusal).isNotNull();
    assertThat(refusal.reason()).isEqualTo(reason);
    return assertThat(refusal);
  }

  private Connection reader() throws SQLException {
    Connection holder = database.connect();
    holder.setAutoCommit(false);
    Sql.execute(holder, "SELECT * FROM item");
    return holder;
  }

  private String indexes() throws SQLException {
    return Sql.text(
        dataSource,
        """
        SELECT string_agg(indexrelid::regclass || CASE WHEN indisvalid THEN '' ELSE ' invalid' END, ', '
                          ORDER BY indexrelid::regclass::text)
          FROM pg_index WHERE indrelid = 'item'::regclass""");
  }

  private void awaitTrue(String sql) {
    await()
        .atMost(Duration.ofSeconds(20))
        .pollInterval(Duration.ofMillis(5))
        .until(() -> Sql.text(dataSource, sql).equals("t"));
  }

  @Test
  void alterBehindALongReader_holdsTrafficUpNoLongerThanLockTimeoutAndComesThroughLater()
      throws Exception {
    try (Connection holder = reader()) {
      Future<DdlReport> altered =
          threads.submit(
              () -> ddl().maxAttempts(1000).build().run("ALTER TABLE item ADD COLUMN note text"));
      AtomicBoolean stop = new AtomicBoolean();
      int[] held = new int[1];
      long[] longest = new long[1];
      Future<?> traffic =
          threads.submit(
              () -> {
                try (Connection connection = database.connect()) {
                  while (!stop.get()) {
                    long start = System.nanoTime();
                    Sql.execute(connection, "SELECT id FROM item WHERE id = 1");
                    long took = System.nanoTime() - start;
                    longest[0] = Math.max(longest[0], took);
                    if (took > LOCK_TIMEOUT.toNanos() / 2) {
                      held[0]++;
                    }
                    if (held[0] >= 4) {
                      stop.set(true);
                    }
                  }
                }
                return null;
              });
      traffic.get();
      assertThat(altered).isNotDone();
      // The reader asks anew at once, so it meets nearly each attempt from its start to its end.
      assertThat(Duration.ofNanos(longest[0]))
          .isBetween(LOCK_TIMEOUT.dividedBy(2), LOCK_TIMEOUT.plusSeconds(10));

      holder.rollback();

      assertThat(altered.get().attempts()).isGreaterThan(4);
    }
    assertThat(Sql.text(dataSource, "SELECT count(note) FROM item")).isEqualTo("0");
  }

  @Test
  void locksNeverHad_areReportedAfterTheAllowedAttemptsAndNothingRemains() throws SQLException {
    try (Connection holder = reader()) {
      refused(
              Reason.LOCK_NOT_ACQUIRED,
              () ->
                  ddl()
                      .maxAttempts(3)
                      .build()
                      .run("CREATE TABLE beside (); ALTER TABLE item ADD COLUMN note text"))
          .hasMessageContaining("3 attempts")
          .hasMessageContaining("lock_timeout of 200 ms")
          .hasRootCauseInstanceOf(SQLException.class);
      holder.rollback();
    }
    assertThat(Sql.text(dataSource, "SELECT to_regclass('beside')")).isEqualTo("null");
  }

  @Test
  void noAttemptStartsAfterMaxDuration() throws SQLException {
    try (Connection holder = reader()) {
      long start = System.nanoTime();
      refused(
          Reason.LOCK_NOT_ACQUIRED,
          () ->
              ddl()
                  .maxAttempts(10_000)
                  .maxDuration(Duration.ofMillis(600))
                  .build()
                  .run("ALTER TABLE item ADD COLUMN note text"));
      assertThat(Duration.ofNanos(System.nanoTime() - start)).isLessThan(Duration.ofSeconds(30));
      holder.rollback();
    }
  }

  @Test
  void interruptEndsThePauses() throws Exception {
    try (Connection holder = reader()) {
      Thread[] runner = new Thread[1];
      Future<DdlException> failure =
          threads.submit(
              () -> {
                runner[0] = Thread.currentThread();
                return catchThrowableOfType(
                    DdlException.class,
                    () ->
                        ddl()
                            .pauses(Duration.ofMinutes(5), Duration.ofMinutes(5))
                            .build()
                            .run("ALTER TABLE item ADD COLUMN note text"));
              });
      awaitTrue(
          "SELECT count(*) = 1 FROM pg_locks WHERE NOT granted AND relation = 'item'::regclass");
      awaitTrue(
          "SELECT count(*) = 0 FROM pg_locks WHERE NOT granted AND relation = 'item'::regclass");
      runner[0].interrupt();
      assertThat(failure.get()).hasMessageContaining("interrupted after 1 attempts");
      holder.rollback();
    }
  }

  @Test
  void refusedText_isReportedAtOnceWithTheDriversException() {
    refused(Reason.FAILED, () -> ddl().build().run("ALTER TABLE nowhere ADD COLUMN a int"))
        .hasMessageContaining("relation \"nowhere\" does not exist")
        .hasMessageContaining("42P01")
        .hasMessageContaining("run it again")
        .hasCauseInstanceOf(SQLException.class);
    refused(Reason.FAILED, () -> ddl().build().run("CREATE TABLE a (); COMMIT"))
        .hasMessageContaining("0A000");
    refused(Reason.FAILED, () -> ddl().build().run("CREATE INDEX CONCURRENTLY i ON item (code)"))
        .hasMessageContaining("25001");
  }

  @Test
  void indexIsBuiltOnce_andFoundByTheServersSpelling() throws SQLException {
    SafeDdl ddl = ddl().build();

    IndexReport built =
        ddl.createIndexConcurrently(
            """
            create index concurrently if not exists Item_Code on ITEM
              (lower(code) desc nulls last, id) include (price) where price > 10;""");
    IndexReport again =
        ddl.createIndexConcurrently(
            """
            CREATE INDEX CONCURRENTLY item_code ON public.item USING btree
              (LOWER(code) DESC NULLS LAST, id ASC) INCLUDE (price) WHERE (price > 10::numeric)""");

    assertThat(built.outcome()).isEqualTo(IndexReport.Outcome.BUILT);
    assertThat(built.index()).isEqualTo("\"public\".\"item_code\"");
    assertThat(built.attempts()).isEqualTo(1);
    assertThat(again.outcome()).isEqualTo(IndexReport.Outcome.ALREADY_THERE);
    assertThat(indexes()).isEqualTo("item_code, item_pkey");
  }

  @Test
  void semicolonThatEndsNothing_isTaken() throws SQLException {
    String create =
        "CREATE INDEX CONCURRENTLY item_code ON item (code) WHERE code > $a$;$a$ OR code > E'\\';'"
            + " OR code > ';''' /* ; */";
    assertThat(ddl().build().createIndexConcurrently(create).outcome())
        .isEqualTo(IndexReport.Outcome.BUILT);
    assertThat(indexes()).isEqualTo("item_code, item_pkey");
  }

  @Test
  void namesInQuotes_areTakenAsTheCatalogHasThem() throws SQLException {
    Sql.execute(dataSource, "CREATE TABLE \"Odd \"\"table\" (\"A b\" int)");

    String create =
        "CREATE UNIQUE INDEX CONCURRENTLY \"Odd \"\"ix\" ON \"public\" . \"Odd \"\"table\" (\"A b\")";
    assertThat(ddl().build().createIndexConcurrently(create).index())
        .isEqualTo("\"public\".\"Odd \"\"ix\"");
    assertThat(ddl().build().createIndexConcurrently(create).outcome())
        .isEqualTo(IndexReport.Outcome.ALREADY_THERE);
  }

  @Test
  void otherDefinitionUnderTheSameName_isRefusedAndLeftAlone() throws SQLException {
    SafeDdl ddl = ddl().build();
    ddl.createIndexConcurrently("CREATE INDEX CONCURRENTLY item_code ON item (code)");

    refused(
            Reason.OTHER_DEFINITION,
            () ->
                ddl.createIndexConcurrently(
                    "CREATE INDEX CONCURRENTLY item_code ON item (code DESC)"))
        .hasMessageContaining("(code DESC)")
        .hasMessageContaining("USING btree (code)");
    refused(
        Reason.OTHER_DEFINITION,
        () ->
            ddl.createIndexConcurrently(
                "CREATE UNIQUE INDEX CONCURRENTLY item_code ON item (code)"));
    assertThat(indexes()).isEqualTo("item_code, item_pkey");
  }

  @Test
  void nameOfAnotherObject_isRefusedAndLeftAlone() throws SQLException {
    Sql.execute(
        dataSource,
        "CREATE TABLE \"Odd \"\"table\" (a int); CREATE INDEX other_ix ON \"Odd \"\"table\" (a)");

    refused(
            Reason.NAME_TAKEN,
            () ->
                ddl()
                    .build()
                    .createIndexConcurrently("CREATE INDEX CONCURRENTLY other_ix ON item (code)"))
        .hasMessageContaining("index of another table");
    refused(
            Reason.NAME_TAKEN,
            () ->
                ddl()
                    .build()
                    .createIndexConcurrently("CREATE INDEX CONCURRENTLY item ON item (code)"))
        .hasMessageContaining("not an index");
  }

  @Test
  void uniqueIndexOverDuplicates_leavesNoInvalidIndex() throws SQLException {
    refused(
            Reason.FAILED,
            () ->
                ddl()
                    .build()
                    .createIndexConcurrently(
                        "CREATE UNIQUE INDEX CONCURRENTLY item_code ON item (code)"))
        .hasMessageContaining("23505");

    assertThat(indexes()).isEqualTo("item_pkey");
  }

  @Test
  void leftOverOfACrashedBuild_isRemovedAndTheIndexBuilt() throws Exception {
    leaveInvalidIndex();

    IndexReport report =
        ddl().build().createIndexConcurrently("CREATE INDEX CONCURRENTLY item_code ON item (code)");

    assertThat(report.outcome()).isEqualTo(IndexReport.Outcome.BUILT);
    assertThat(report.removedInvalid()).isEqualTo(1);
    assertThat(indexes()).isEqualTo("item_code, item_pkey");
  }

  private void leaveInvalidIndex() throws Exception {
    try (Connection holder = reader()) {
      Future<?> crashed = threads.submit(() -> buildByHand("crashing"));
      awaitTrue(
          "SELECT count(*) = 1 FROM pg_index WHERE NOT indisvalid AND indrelid = 'item'::regclass");
      Sql.execute(
          dataSource,
          "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'crashing'");
      assertThat(catchThrowable(crashed::get)).isNotNull();
      holder.rollback();
    }
    assertThat(indexes()).isEqualTo("item_code invalid, item_pkey");
  }

  private Void buildByHand(String applicationName) throws SQLException {
    try (Connection connection = database.connect()) {
      Sql.execute(connection, "SET application_name = '" + applicationName + "'");
      Sql.execute(connection, "CREATE INDEX CONCURRENTLY item_code ON item (code)");
    }
    return null;
  }

  @Test
  void buildUnderWayElsewhere_isWaitedForAndNotDropped() throws Exception {
    try (Connection holder = reader()) {
      Future<?> elsewhere = threads.submit(() -> buildByHand("elsewhere"));
      awaitTrue(
          "SELECT count(*) = 1 FROM pg_index WHERE NOT indisvalid AND indrelid = 'item'::regclass");
      String oid = Sql.text(dataSource, "SELECT 'item_code'::regclass::oid");
      Future<IndexReport> ours =
          threads.submit(
              () ->
                  ddl()
                      .build()
                      .createIndexConcurrently(
                          "CREATE INDEX CONCURRENTLY item_code ON item (code)"));
      awaitTrue(
          """
          SELECT count(*) = 1 FROM pg_locks
           WHERE NOT granted AND relation = 'item'::regclass AND mode = 'ShareUpdateExclusiveLock'""");
      holder.rollback();

      elsewhere.get();
      assertThat(ours.get().outcome()).isEqualTo(IndexReport.Outcome.ALREADY_THERE);
      assertThat(ours.get().removedInvalid()).isZero();
      assertThat(Sql.text(dataSource, "SELECT 'item_code'::regclass::oid")).isEqualTo(oid);
    }
    assertThat(indexes()).isEqualTo("item_code, item_pkey");
  }

  @Test
  void nodesBuildingTheSameIndexAtOnce_endWithOneValidIndex() throws Exception {
    Future<?>[] builds = new Future<?>[4];
    for (int i = 0; i < builds.length; i++) {
      builds[i] =
          threads.submit(
              () ->
                  ddl()
                      .build()
                      .createIndexConcurrently(
                          "CREATE INDEX CONCURRENTLY item_code ON item (code)"));
    }
    int built = 0;
    for (Future<?> build : builds) {
      if (((IndexReport) build.get()).outcome() == IndexReport.Outcome.BUILT) {
        built++;
      }
    }
    assertThat(built).isEqualTo(1);
    assertThat(indexes()).isEqualTo("item_code, item_pkey");
  }

  @Test
  void buildBehindALongTransaction_isTriedAgainAndCleansUpWhatItCouldNotDropBefore()
      throws Exception {
    try (Connection holder = reader()) {
      Future<IndexReport> build =
          threads.submit(
              () ->
                  ddl()
                      .indexLockTimeout(Duration.ofMillis(100))
                      .maxAttempts(1000)
                      .build()
                      .createIndexConcurrently(
                          "CREATE INDEX CONCURRENTLY item_code ON item (code)"));
      // Neither the build nor the drop of what it left comes past a transaction that has read the
      // table.
      awaitTrue("SELECT count(*) = 1 FROM pg_class WHERE relname LIKE 'pgbelay\\_invalid\\_%'");
      holder.rollback();

      assertThat(build.get().outcome()).isEqualTo(IndexReport.Outcome.BUILT);
      assertThat(build.get().attempts()).isGreaterThan(1);
      assertThat(build.get().removedInvalid()).isPositive();
    }
    assertThat(indexes()).isEqualTo("item_code, item_pkey");
  }

  @Test
  void timeoutsOfTheSession_areAsBefore() throws SQLException {
    try (HikariDataSource one = poolOfOne()) {
      SafeDdl ddl = SafeDdl.builder(one).indexLockTimeout(Duration.ofSeconds(3)).build();
      ddl.createIndexConcurrently("CREATE INDEX CONCURRENTLY item_code ON item (code)");
      assertThat(timeouts(one)).isEqualTo("7s 8s");
      refused(
          Reason.FAILED,
          () ->
              ddl.createIndexConcurrently(
                  "CREATE UNIQUE INDEX CONCURRENTLY item_unique ON item (code)"));
      assertThat(timeouts(one)).isEqualTo("7s 8s");
      ddl.run("ALTER TABLE item ADD COLUMN note text");
      assertThat(timeouts(one)).isEqualTo("7s 8s");
    }
  }

  @Test
  void sessionKilledDuringABuild_doesNotComeBackToThePool() throws Exception {
    try (HikariDataSource one = poolOfOne();
        Connection holder = reader()) {
      Future<DdlException> failure =
          threads.submit(
              () ->
                  catchThrowableOfType(
                      DdlException.class,
                      () ->
                          SafeDdl.of(one)
                              .createIndexConcurrently(
                                  "CREATE INDEX CONCURRENTLY item_code ON item (code)")));
      awaitTrue(
          "SELECT count(*) = 1 FROM pg_index WHERE NOT indisvalid AND indrelid = 'item'::regclass");
      Sql.execute(
          dataSource,
          "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'one'");

      assertThat(failure.get().reason()).isEqualTo(Reason.FAILED);
      assertThat(failure.get()).hasMessageContaining("call again to drop the invalid index");
      assertThat(timeouts(one)).isEqualTo("7s 8s");
      holder.rollback();
      assertThat(
              SafeDdl.of(one)
                  .createIndexConcurrently("CREATE INDEX CONCURRENTLY item_code ON item (code)")
                  .removedInvalid())
          .isEqualTo(1);
    }
  }

  @Test
  void buildThatTakesTooLong_isCancelledAndLeavesNothing() throws Exception {
    Sql.execute(
        dataSource,
        """
        CREATE OR REPLACE FUNCTION slow(text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS
        $$ BEGIN PERFORM pg_sleep(0.5); RETURN $1; END $$""");
    refused(
            Reason.FAILED,
            () ->
                ddl()
                    .indexBuildTimeout(Duration.ofSeconds(1))
                    .build()
                    .createIndexConcurrently(
                        "CREATE INDEX CONCURRENTLY item_slow ON item (slow(code))"))
        .hasMessageContaining("57014");
    assertThat(indexes()).isEqualTo("item_pkey");
  }

  private HikariDataSource poolOfOne() {
    HikariConfig config = new HikariConfig();
    config.setJdbcUrl(database.jdbcUrl());
    config.addDataSourceProperty("ApplicationName", "one");
    config.setMaximumPoolSize(1);
    config.setConnectionInitSql("SET lock_timeout = '7s'; SET statement_timeout = '8s'");
    return new HikariDataSource(config);
  }

  private static String timeouts(DataSource from) throws SQLException {
    return Sql.text(
        from,
        "SELECT current_setting('lock_timeout') || ' ' || current_setting('statement_timeout')");
  }

  @Test
  void statementsThatAreNoConcurrentIndexBuilds_areRefusedBeforeAnythingIsSent()
      throws SQLException {
    SafeDdl ddl = ddl().build();
    for (String text :
        new String[] {
          "CREATE INDEX item_code ON item (code)",
          "CREATE INDEX CONCURRENTLY ON item (code)",
          "DROP TABLE item",
          "CREATE INDEX CONCURRENTLY item_code ON item (code); DROP TABLE item",
          "CREATE INDEX CONCURRENTLY item_code ON item (code) WHERE code > ';'; DROP TABLE item",
          "CREATE INDEX CONCURRENTLY item_code ON item (code) /* it's */; DROP TABLE item -- '",
          "CREATE INDEX CONCURRENTLY item_code ON item (code) WHERE code > $$'$$; DROP TABLE item --'",
          "CREATE INDEX CONCURRENTLY item_code ON item (code) WHERE code > E'\\''; DROP TABLE item --'",
          "CREATE INDEX CONCURRENTLY " + "x".repeat(64) + " ON item (code)",
          "CREATE INDEX CONCURRENTLY nowhere_code ON nowhere (code)"
        }) {
      refused(Reason.INVALID_STATEMENT, () -> ddl.createIndexConcurrently(text));
    }
    Sql.execute(dataSource, "CREATE TABLE IF NOT EXISTS parted (a int) PARTITION BY RANGE (a)");
    refused(
            Reason.INVALID_STATEMENT,
            () -> ddl.createIndexConcurrently("CREATE INDEX CONCURRENTLY parted_a ON parted (a)"))
        .hasMessageContaining("partitioned");
  }

  @Test
  void optionsOutOfRange_areNamed() {
    assertThatThrownBy(() -> SafeDdl.builder(dataSource).lockTimeout(Duration.ZERO))
        .hasMessageContaining("lockTimeout is PT0S");
    assertThatThrownBy(() -> SafeDdl.builder(dataSource).maxAttempts(0))
        .hasMessageContaining("maxAttempts is 0");
    assertThatThrownBy(
            () -> SafeDdl.builder(dataSource).pauses(Duration.ofSeconds(2), Duration.ofSeconds(1)))
        .hasMessageContaining("maxPause is PT1S");
  }
}
