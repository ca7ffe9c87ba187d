package dev.pgbelay.reconcile.migrate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.name;
import static org.jooq.impl.DSL.table;

import dev.pgbelay.reconcile.Declarations;
import dev.pgbelay.reconcile.Reference;
import dev.pgbelay.reconcile.ShopFixture;
import dev.pgbelay.reconcile.migrate.MigrationStep.Name;
import dev.pgbelay.reconcile.migrate.MigrationStep.State;
import dev.pgbelay.reconcile.repair.RepairPolicy;
import dev.pgbelay.reconcile.repair.Repairs;
import dev.pgbelay.testing.PostgresExtension;
import java.util.List;
import javax.sql.DataSource;
import org.jooq.Field;
import org.jooq.Record;
import org.jooq.Table;
import org.jooq.exception.DataAccessException;
import org.jooq.impl.SQLDataType;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** Keys from and to partitioned tables, by the server's version. */
class ForeignKeyMigrationPartitionedTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(ShopFixture.SCHEMA);

  private static final Table<Record> BOOKINGS = table(name("bookings"));
  private static final Table<Record> ROOMS = table(name("rooms"));
  private static final Field<Integer> ROOM = field(name("room_id"), SQLDataType.INTEGER);
  private static final Field<Integer> ID = field(name("id"), SQLDataType.INTEGER);
  private static final Reference REFERENCE =
      Reference.builder("booking-room").child(BOOKINGS, ROOM).parent(ROOMS, ID).build();
  private static final Declarations RULES = Declarations.of("1", REFERENCE);

  private final DataSource dataSource = postgres.dataSource();
  private final ShopFixture shop = new ShopFixture(dataSource);
  private final int version = shop.count("select current_setting('server_version_num')::int");

  @BeforeEach
  void tables() {
    shop.dsl.execute("drop table if exists bookings, rooms cascade");
    shop.dsl.execute("create table rooms (id int primary key) partition by range (id)");
    shop.dsl.execute("create table rooms_1 partition of rooms for values from (0) to (100)");
    shop.dsl.execute("create table rooms_2 partition of rooms for values from (100) to (200)");
    shop.dsl.execute(
        "create table bookings (id int primary key, room_id int) partition by range (id)");
    shop.dsl.execute("create table bookings_1 partition of bookings for values from (0) to (100)");
    shop.dsl.execute(
        "create table bookings_2 partition of bookings for values from (100) to (200)"
            + " partition by range (id)");
    shop.dsl.execute(
        "create table bookings_2a partition of bookings_2 for values from (100) to (200)");
    shop.dsl.execute("create index on bookings (room_id)");
    shop.dsl.execute("insert into rooms select generate_series(1, 199)");
    shop.dsl.execute("insert into bookings select n, n from generate_series(1, 199) n");
  }

  private ForeignKeyMigration.Builder migration() {
    return ForeignKeyMigration.builder(dataSource, shop.transactions, RULES, "booking-room")
        .guardsEnforced(new ShadowGuard.Measured(1, 0, 0, 0, List.of()));
  }

  private int keysOfAll() {
    return shop.count(
        "select count(*) from pg_constraint where contype = 'f' and convalidated"
            + " and conrelid = 'bookings'::regclass and conparentid = 0");
  }

  @Test
  void fromAndToPartitionedTables_inSmallSteps() {
    shop.dsl.execute(
        "alter table bookings add constraint k foreign key (room_id) references rooms");
    migration().build().toApplication();
    assertThat(
            shop.count(
                "select count(*) from pg_constraint where contype = 'f' and conrelid in"
                    + " (select relid from pg_partition_tree('bookings'))"))
        .as("of the partitions as well")
        .isZero();
    shop.dsl.execute("alter table rooms disable trigger user");
    shop.dsl.execute("delete from rooms where id in (50, 150)");
    shop.dsl.execute("alter table rooms enable trigger user");

    ForeignKeyMigration back = migration().build();
    List<MigrationStep> plan = back.planToForeignKey();
    assertThat(plan.stream().map(MigrationStep::name).toList().contains(Name.ADD_KEY_OF_ALL))
        .isEqualTo(version < 180000);
    assertThat(plan.get(0).statements()).hasSize(version < 180000 ? 2 : 1);
    assertThatThrownBy(back::toForeignKey).hasMessageContaining("2 findings are open");
    assertThatThrownBy(() -> shop.dsl.execute("update bookings set room_id = 150 where id = 1"))
        .as("held to the keys already")
        .isInstanceOf(DataAccessException.class);
    shop.dsl.execute(
        "create table bookings_3 partition of bookings for values from (200) to (300)");

    List<MigrationStep> steps =
        migration()
            .repairs(
                Repairs.builder(shop.transactions, RULES)
                    .policy("booking-room", RepairPolicy.setNull())
                    .build())
            .build()
            .toForeignKey();

    assertThat(steps).extracting(MigrationStep::state).containsOnly(State.DONE);
    assertThat(keysOfAll()).isEqualTo(1);
    assertThat(
            shop.count(
                "select count(*) from pg_constraint where contype = 'f' and confrelid ="
                    + " 'rooms'::regclass and conrelid in ('bookings_1'::regclass,"
                    + " 'bookings_2a'::regclass, 'bookings_3'::regclass)"))
        .as("the partitions' keys were valid, and taken over")
        .isEqualTo(3);
    assertThat(shop.count("select count(*) from bookings where room_id is null")).isEqualTo(2);
    for (int booking : new int[] {5, 105, 205}) {
      assertThatThrownBy(() -> shop.dsl.execute("insert into bookings values (?, 999)", booking))
          .as("%s", booking)
          .isInstanceOf(DataAccessException.class);
    }
    assertThatThrownBy(() -> shop.dsl.execute("delete from rooms where id = 120"))
        .isInstanceOf(DataAccessException.class);
    // Again from the start: nothing is left of the keys of partitions.
    migration().build().toApplication();
    assertThat(keysOfAll()).isZero();
  }

  /** What the plan goes round: if this changes, the plan can be shorter. */
  @Test
  void notValidOnAPartitionedChild_isRefusedBefore18() {
    String add =
        "alter table bookings add constraint k foreign key (room_id) references rooms not valid";
    if (version < 180000) {
      assertThatThrownBy(() -> shop.dsl.execute(add))
          .hasMessageContaining("cannot add NOT VALID foreign key on partitioned table");
    } else {
      shop.dsl.execute(add);
      shop.dsl.execute("alter table bookings validate constraint k");
      assertThat(keysOfAll()).isEqualTo(1);
    }
  }

  @Test
  void validKeysOfPartitions_areTakenOver_notMadeTwice() {
    for (String partition : List.of("bookings_1", "bookings_2a")) {
      shop.dsl.execute(
          "alter table " + partition + " add constraint k foreign key (room_id) references rooms");
    }
    shop.dsl.execute(
        "alter table bookings add constraint k foreign key (room_id) references rooms");
    assertThat(
            shop.count(
                "select count(*) from pg_constraint where contype = 'f'"
                    + " and conrelid in ('bookings_1'::regclass, 'bookings_2a'::regclass)"
                    + " and confrelid = 'rooms'::regclass"))
        .isEqualTo(2);
  }
}
