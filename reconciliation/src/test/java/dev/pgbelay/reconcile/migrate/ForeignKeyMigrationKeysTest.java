package dev.pgbelay.reconcile.migrate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;
import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.name;
import static org.jooq.impl.DSL.table;

import dev.pgbelay.core.schema.SafeDdl;
import dev.pgbelay.reconcile.Declarations;
import dev.pgbelay.reconcile.Reference;
import dev.pgbelay.reconcile.ShopFixture;
import dev.pgbelay.reconcile.migrate.MigrationStep.Name;
import dev.pgbelay.reconcile.migrate.MigrationStep.State;
import dev.pgbelay.testing.PostgresExtension;
import java.nio.charset.StandardCharsets;
import java.sql.Connection;
import java.sql.Statement;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import javax.sql.DataSource;
import org.jooq.Field;
import org.jooq.impl.SQLDataType;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Which keys are those of the reference, which are not, and in which order tables are locked. */
class ForeignKeyMigrationKeysTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(ShopFixture.SCHEMA);

  private static final String LONG = "a_table_whose_name_is_nearly_as_long_as_a_name_may_be_at_all";
  private static final Field<Integer> ID = field(name("id"), SQLDataType.INTEGER);

  private final DataSource dataSource = postgres.dataSource();
  private final ShopFixture shop = new ShopFixture(dataSource);

  @BeforeEach
  @AfterEach
  void drop() {
    shop.dsl.execute("drop table if exists visit, room, " + LONG + " cascade");
  }

  private ForeignKeyMigration.Builder migration(Reference reference) {
    return ForeignKeyMigration.builder(
            dataSource, shop.transactions, Declarations.of("1", reference), reference.name())
        .guardsEnforced(new ShadowGuard.Measured(1, 0, 0, 0, List.of()));
  }

  private static Reference visits(String name, String column) {
    return Reference.builder(name)
        .child(table(name("visit")), field(name(column), SQLDataType.INTEGER))
        .parent(table(name("room")), ID)
        .build();
  }

  private List<String> keys() {
    return shop.dsl
        .fetch(
            "select conname from pg_constraint where contype = 'f'"
                + " and confrelid = 'room'::regclass and conparentid = 0 order by 1")
        .getValues(0, String.class);
  }

  @Test
  void keyOfOtherColumnsOfTheSameTables_isLeftAlone_onBothWays() {
    shop.dsl.execute("create table room (id int primary key)");
    shop.dsl.execute("create table visit (id int primary key, room_id int, next_id int)");
    shop.dsl.execute("create index on visit (room_id); create index on visit (next_id)");
    shop.dsl.execute(
        "alter table visit add constraint next foreign key (next_id) references room,"
            + " add constraint of_room foreign key (room_id) references room");
    ForeignKeyMigration migration = migration(visits("visit-room", "room_id")).build();
    migration.toApplication();
    assertThat(keys()).containsExactly("next");
    migration.toForeignKey();
    assertThat(keys()).containsExactly("next", "visit_room_id_fkey");
  }

  @Test
  void keyThatMatchesFull_differs() {
    shop.dsl.execute("create table room (house int, id int, primary key (house, id))");
    shop.dsl.execute("create table visit (id int primary key, house int, room_id int)");
    shop.dsl.execute("create index on visit (house, room_id)");
    shop.dsl.execute(
        "alter table visit add constraint k foreign key (house, room_id) references room match full");
    Reference reference =
        Reference.builder("visit-room")
            .child(table(name("visit")), field(name("house")), field(name("room_id")))
            .parent(table(name("room")), field(name("house")), field(name("id")))
            .build();
    assertThat(migration(reference).build().differences())
        .containsExactly("the key is MATCH FULL; here a key with one NULL refers to nothing");
  }

  /** As nobody writes who deletes a parent and then its children, or waits for both. */
  @Test
  void whileItWaitsForTheParent_theChildIsFree() throws Exception {
    shop.dsl.execute("create table room (id int primary key)");
    shop.dsl.execute("create table visit (id int primary key, room_id int)");
    shop.dsl.execute("create index on visit (room_id)");
    shop.dsl.execute("alter table visit add constraint k foreign key (room_id) references room");
    ForeignKeyMigration migration =
        migration(visits("visit-room", "room_id"))
            .ddl(
                SafeDdl.builder(dataSource)
                    .lockTimeout(Duration.ofMinutes(1))
                    .maxAttempts(1)
                    .build())
            .build();
    ExecutorService thread = Executors.newSingleThreadExecutor();
    try (Connection writer = dataSource.getConnection();
        Statement statement = writer.createStatement()) {
      writer.setAutoCommit(false);
      statement.execute("lock table room in access share mode"); // triggers can be made beside it
      Future<?> running = thread.submit(migration::toApplication);
      await()
          .atMost(Duration.ofMinutes(1))
          .until(
              () ->
                  shop.count(
                          "select count(*) from pg_locks where relation = 'room'::regclass"
                              + " and mode = 'AccessExclusiveLock' and not granted")
                      == 1);
      assertThat(
              shop.count(
                  "select count(*) from pg_locks where relation = 'visit'::regclass"
                      + " and mode = 'AccessExclusiveLock'"))
          .isZero();
      statement.execute("lock table visit in row exclusive mode nowait");
      writer.commit();
      running.get(1, TimeUnit.MINUTES);
      writer.setAutoCommit(true);
    } finally {
      thread.shutdownNow();
    }
    assertThat(keys()).isEmpty();
  }

  @Test
  void nameThatIsTooLongForAKey_isAnotherOne_notACutOne() {
    shop.dsl.execute("create table room (id int primary key)");
    shop.dsl.execute(
        "create table " + LONG + " (id int primary key, room_id int, other_room_id int)");
    shop.dsl.execute("create index on " + LONG + " (room_id)");
    shop.dsl.execute("create index on " + LONG + " (other_room_id)");
    for (String column : List.of("room_id", "other_room_id")) {
      Reference reference =
          Reference.builder(column)
              .child(table(name(LONG)), field(name(column), SQLDataType.INTEGER))
              .parent(table(name("room")), ID)
              .build();
      List<MigrationStep> steps = migration(reference).build().toForeignKey();
      assertThat(steps).extracting(MigrationStep::state).containsOnly(State.DONE);
    }
    assertThat(keys())
        .hasSize(2)
        .allSatisfy(
            key -> {
              assertThat(key).startsWith("fkey_");
              assertThat(key.getBytes(StandardCharsets.UTF_8).length).isLessThan(63);
            });
  }

  /** Of a way back that was broken off, or made by hand. */
  @Test
  void keysOfPartitionsAlone_goAsWell() {
    shop.dsl.execute("create table room (id int primary key)");
    shop.dsl.execute(
        "create table visit (id int primary key, room_id int) partition by range (id)");
    shop.dsl.execute("create table visit_1 partition of visit for values from (0) to (100)");
    shop.dsl.execute("create table visit_2 partition of visit for values from (100) to (200)");
    shop.dsl.execute("create index on visit (room_id)");
    shop.dsl.execute("alter table visit_1 add constraint k1 foreign key (room_id) references room");
    shop.dsl.execute("alter table visit_2 add constraint k2 foreign key (room_id) references room");
    ForeignKeyMigration migration = migration(visits("visit-room", "room_id")).build();
    assertThat(migration.planToApplication())
        .filteredOn(step -> step.name() == Name.DROP_KEY)
        .singleElement()
        .satisfies(step -> assertThat(step.state()).isEqualTo(State.TO_DO));
    List<MigrationStep> steps = migration.toApplication();
    assertThat(steps).extracting(MigrationStep::state).containsOnly(State.DONE);
    assertThat(keys()).isEmpty();
    migration.toForeignKey();
    assertThat(keys()).containsExactly("visit_room_id_fkey");
    migration.toApplication();
    assertThat(keys()).isEmpty();
  }
}
