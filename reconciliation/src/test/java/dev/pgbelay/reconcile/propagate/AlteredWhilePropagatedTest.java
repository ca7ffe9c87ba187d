package dev.pgbelay.reconcile.propagate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.name;
import static org.jooq.impl.DSL.table;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.reconcile.Declarations;
import dev.pgbelay.reconcile.OnDelete;
import dev.pgbelay.reconcile.Reference;
import dev.pgbelay.reconcile.ShopFixture;
import dev.pgbelay.reconcile.repair.UndoLog;
import dev.pgbelay.testing.Interleaving;
import dev.pgbelay.testing.PostgresExtension;
import java.sql.Statement;
import java.time.Duration;
import java.util.UUID;
import org.jooq.impl.SQLDataType;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Tables that change between two chunks of a propagation, or in the middle of one. */
class AlteredWhilePropagatedTest {
  private static final int CHILDREN = 30;
  private static final Declarations RULES =
      Declarations.of(
          "1",
          Reference.builder("parcel-owner")
              .child(table(name("parcel")), field(name("parcel", "owner_id"), SQLDataType.BIGINT))
              .parent(table(name("owner")), field(name("owner", "id"), SQLDataType.BIGINT))
              .onDelete(OnDelete.cascade())
              .build());

  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(ShopFixture.SCHEMA);

  private final ShopFixture shop = new ShopFixture(postgres.dataSource());

  /** Owner 1 has gone, and left thirty parcels; owner 2 is there with as many. */
  @BeforeEach
  void captured() {
    shop.dsl.execute("create table owner (id bigint primary key)");
    shop.dsl.execute(
        "create table parcel (id bigint primary key, other bigint not null, owner_id bigint)");
    shop.dsl.execute("create index parcel_owner on parcel (owner_id, id)");
    fill();
  }

  private void fill() {
    shop.dsl.execute("insert into owner values (1), (2)");
    shop.dsl.execute(
        "insert into parcel select g, -g, 1 + g % 2 from generate_series(1, ?) g", 2 * CHILDREN);
    DeleteCapture.of(shop.transactions, RULES).install();
    shop.dsl.execute("delete from owner where id = 1");
  }

  @AfterEach
  void drop() {
    shop.dsl.execute("drop table if exists parcel, parcel_low, parcel_high, elsewhere, owner");
  }

  private static Propagation worker(Transactions transactions) {
    return Propagation.builder(transactions, RULES)
        .chunk(10)
        .lockTimeout(Duration.ofMinutes(1))
        .chunkTimeout(Duration.ofMinutes(2))
        .build();
  }

  private UUID batch() {
    return (UUID) shop.dsl.fetchValue("select batch from pgbelay.reconcile_deleted");
  }

  private int left(String table) {
    return shop.count("select count(*) from " + table);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          alter table parcel add column note text
          alter table parcel drop column other
          alter table parcel alter id type text
          alter table parcel alter owner_id type integer
          alter table parcel rename id to number
          drop index parcel_owner
          alter table parcel drop constraint parcel_pkey, add primary key (other)
          alter table parcel drop constraint parcel_pkey, add primary key (other, id)
          """)
  void tableAlteredBetweenTwoChunks_theRestGoesAllTheSame(String ddl) {
    Propagation worker = worker(shop.transactions);
    assertThat(worker.runOnce().work()).isEqualTo(10);
    shop.dsl.execute(ddl);
    Drain.within(30, worker);
    assertThat(left("parcel")).isEqualTo(CHILDREN);
    assertThat(left("parcel where owner_id = 1")).isZero();
    assertThat(left("pgbelay.reconcile_undo")).isEqualTo(CHILDREN);
    assertThat(left("pgbelay.reconcile_deleted")).isZero();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          alter table parcel alter owner_id type text                 | operator does not exist | alter table parcel alter owner_id type bigint using owner_id::bigint
          alter table parcel rename owner_id to of_whom               | owner_id                | alter table parcel rename of_whom to owner_id
          alter table owner rename id to number                       | has no column id        | alter table owner rename number to id
          alter table parcel rename to elsewhere                      | parcel                  | alter table elsewhere rename to parcel
          alter table owner rename to elsewhere                       | owner                   | alter table elsewhere rename to owner
          alter table parcel drop constraint parcel_pkey              | no primary key          | alter table parcel add primary key (id)
          """)
  void tableThatItCannotWorkOnAnyMore_keepsTheDeleteWithItsError_andGoesOnAfterwards(
      String ddl, String error, String back) {
    Propagation worker = worker(shop.transactions);
    assertThat(worker.runOnce().work()).isEqualTo(10);
    shop.dsl.execute(ddl);
    shop.dsl.execute("update pgbelay.reconcile_deleted set attempts = 19");
    worker.runOnce();
    assertThat(shop.dsl.fetchValue("select held_because from pgbelay.reconcile_deleted").toString())
        .contains(error);
    assertThat(worker.runOnce().work()).isZero();
    shop.dsl.execute(back);
    assertThat(left("parcel")).isEqualTo(2 * CHILDREN - 10);
    worker.confirm(shop.count("select id from pgbelay.reconcile_deleted"));
    Drain.within(30, worker);
    assertThat(left("parcel")).isEqualTo(CHILDREN);
  }

  @Test
  void tableDroppedBetweenTwoChunks_isAnError_notADeleteThatIsDone() {
    Propagation worker = worker(shop.transactions);
    assertThat(worker.runOnce().work()).isEqualTo(10);
    shop.dsl.execute("drop table parcel");
    worker.runOnce();
    assertThat(shop.count("select attempts from pgbelay.reconcile_deleted")).isEqualTo(1);
  }

  @Test
  void partitionDetachedBetweenTwoChunks_isLeftAlone_andTheRestGoes() {
    shop.dsl.execute("drop table parcel; truncate owner, pgbelay.reconcile_deleted");
    shop.dsl.execute(
        "create table parcel (id bigint primary key, other bigint not null, owner_id bigint) partition by range (id)");
    shop.dsl.execute("create table parcel_low partition of parcel for values from (0) to (31)");
    shop.dsl.execute("create table parcel_high partition of parcel for values from (31) to (99)");
    shop.dsl.execute("create index on parcel (owner_id, id)");
    shop.dsl.execute("truncate pgbelay.reconcile_deleted");
    fill();
    shop.dsl.execute("delete from pgbelay.reconcile_deleted where parent_key is null");
    Propagation worker = worker(shop.transactions);
    assertThat(worker.runOnce().work()).isEqualTo(10);
    shop.dsl.execute("alter table parcel detach partition parcel_low");
    Drain.within(30, worker);
    assertThat(left("parcel where owner_id = 1")).isZero();
    assertThat(left("parcel_low where owner_id = 1")).as("what was left there").isEqualTo(5);
    assertThat(left("pgbelay.reconcile_deleted")).isZero();
  }

  /** It has read the catalog, and waits for the table. */
  @Test
  void columnAddedInTheMiddleOfAChunk_isInWhatUndoPutsBack() throws Exception {
    UUID batch = batch();
    try (Interleaving script = Interleaving.of(postgres.dataSource())) {
      Interleaving.Session ddl = script.session("ddl");
      Interleaving.Session chunk = script.session("chunk");
      ddl.run(
          c -> {
            try (Statement statement = c.createStatement()) {
              statement.execute("alter table parcel add column note text default 'new'");
            }
          });
      Propagation worker = worker(Transactions.of(chunk.dataSource()));
      Interleaving.Step<Integer> step = chunk.startOwn("chunk", () -> worker.runOnce().work());
      step.awaitBlockedBy(ddl);
      ddl.commit();
      step.get();
    }
    Drain.within(30, worker(shop.transactions));
    assertThat(left("parcel")).isEqualTo(CHILDREN);
    UndoLog.Undone undone = UndoLog.of(shop.transactions).undo(batch);
    assertThat(undone.conflicts()).isEmpty();
    assertThat(undone.restored()).isEqualTo(CHILDREN);
    assertThat(left("parcel where note = 'new'")).isEqualTo(2 * CHILDREN);
  }
}
