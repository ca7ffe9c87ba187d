package dev.pgbelay.reconcile.guard;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.jooq.impl.DSL.name;
import static org.jooq.impl.DSL.table;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.reconcile.Reference;
import dev.pgbelay.reconcile.ShopFixture;
import dev.pgbelay.testing.PostgresExtension;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.math.BigDecimal;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import org.jooq.DSLContext;
import org.jooq.SQLDialect;
import org.jooq.TableField;
import org.jooq.UniqueKey;
import org.jooq.impl.CustomTable;
import org.jooq.impl.DSL;
import org.jooq.impl.DefaultConfiguration;
import org.jooq.impl.Internal;
import org.jooq.impl.SQLDataType;
import org.jooq.impl.UpdatableRecordImpl;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Records, batches and loads of children whose key has two columns. */
class GuardedRecordsPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(ShopFixture.SCHEMA);

  private static final Contracts CONTRACTS = new Contracts();

  private static final Reference SIGNED_BY =
      Reference.builder("contract-account")
          .child(CONTRACTS, CONTRACTS.tenant, CONTRACTS.account)
          .parent(
              table(name("accounts")),
              DSL.field(name("tenant"), SQLDataType.INTEGER),
              DSL.field(name("code"), SQLDataType.VARCHAR))
          .build();

  private final ShopFixture shop = new ShopFixture(postgres.dataSource());
  private final ParentGuard guard = ParentGuard.locked(SIGNED_BY);
  private final Transactions strict =
      Transactions.builder(postgres.dataSource())
          .configuration(
              new DefaultConfiguration()
                  .set(SQLDialect.POSTGRES)
                  .set(GuardedInserts.into(SIGNED_BY)))
          .build();

  /** As the generator would write it. */
  private static final class Contracts extends CustomTable<Contract> {
    private static final long serialVersionUID = 1L;

    final TableField<Contract, Long> id =
        createField(name("id"), SQLDataType.BIGINT.nullable(false));
    final TableField<Contract, Integer> tenant = createField(name("tenant"), SQLDataType.INTEGER);
    final TableField<Contract, String> account = createField(name("account"), SQLDataType.VARCHAR);
    final TableField<Contract, BigDecimal> price = createField(name("price"), SQLDataType.NUMERIC);

    Contracts() {
      super(name("contracts"));
    }

    @Override
    public Class<? extends Contract> getRecordType() {
      return Contract.class;
    }

    @Override
    public UniqueKey<Contract> getPrimaryKey() {
      return Internal.createUniqueKey(this, name("contracts_pkey"), id);
    }
  }

  /** One row of it. */
  static final class Contract extends UpdatableRecordImpl<Contract> {
    private static final long serialVersionUID = 1L;

    Contract() {
      super(CONTRACTS);
    }
  }

  private static Contract contract(DSLContext dsl, long id, Integer tenant, String account) {
    Contract contract = dsl.newRecord(CONTRACTS);
    contract.set(CONTRACTS.id, id);
    contract.set(CONTRACTS.tenant, tenant);
    contract.set(CONTRACTS.account, account);
    return contract;
  }

  @BeforeEach
  void accounts() {
    shop.dsl.execute("drop table if exists contracts, accounts");
    shop.dsl.execute(
        "create table accounts (tenant int, code varchar, primary key (tenant, code))");
    shop.dsl.execute("insert into accounts values (1, 'a'), (1, 'b'), (2, 'a'), (2, 'c')");
    shop.dsl.execute(
        "create table contracts (id bigint primary key, tenant int, account varchar, price numeric)");
    shop.dsl.execute("insert into contracts values (1, 2, 'c', 10)");
  }

  /** Writes children of (1, a). */
  interface Write {
    void run(DSLContext dsl);
  }

  static Map<String, Write> byKey() {
    return new TreeMap<>(
        Map.of(
            "store of a new record", dsl -> contract(dsl, 100, 1, "a").store(),
            "insert of a record", dsl -> contract(dsl, 100, 1, "a").insert(),
            "merge of a record", dsl -> contract(dsl, 1, 1, "a").merge(),
            "executeInsert", dsl -> dsl.executeInsert(contract(dsl, 100, 1, "a")),
            "store of a changed record",
                dsl -> {
                  Contract one = dsl.fetchSingle(CONTRACTS);
                  one.set(CONTRACTS.tenant, 1);
                  one.set(CONTRACTS.account, "a");
                  one.store();
                },
            "rows",
                dsl ->
                    dsl.insertInto(CONTRACTS, CONTRACTS.id, CONTRACTS.tenant, CONTRACTS.account)
                        .values(100L, 1, "a")
                        .values(101L, null, "b")
                        .values(102L, 1, "a")
                        .execute(),
            "onDuplicateKeyUpdate",
                dsl ->
                    dsl.insertInto(CONTRACTS, CONTRACTS.id, CONTRACTS.account, CONTRACTS.tenant)
                        .values(1L, "a", 1)
                        .onDuplicateKeyUpdate()
                        .set(CONTRACTS.price, BigDecimal.ONE)
                        .execute()));
  }

  static Map<String, Write> byTable() {
    return new TreeMap<>(
        Map.of(
            "batchInsert",
                dsl ->
                    dsl.batchInsert(contract(dsl, 100, 1, "a"), contract(dsl, 101, 1, "a"))
                        .execute(),
            "batchStore",
                dsl ->
                    dsl.batchStore(contract(dsl, 100, 1, "a"), contract(dsl, 101, 1, "a"))
                        .execute(),
            "batchUpdate",
                dsl -> {
                  Contract one = dsl.fetchSingle(CONTRACTS);
                  one.set(CONTRACTS.tenant, 1);
                  one.set(CONTRACTS.account, "a");
                  dsl.batchUpdate(one).execute();
                },
            "half of the key", dsl -> dsl.update(CONTRACTS).set(CONTRACTS.account, "a").execute(),
            "loader", dsl -> load(dsl, false),
            "loader in bulk", dsl -> load(dsl, true)));
  }

  private static void load(DSLContext dsl, boolean bulk) {
    try {
      var into = dsl.loadInto(CONTRACTS);
      var errors =
          (bulk ? into.bulkAfter(2) : into.batchAfter(2))
              .loadArrays(
                  Arrays.asList(new Object[] {100L, 1, "a"}, new Object[] {101L, 1, "a"})
                      .iterator())
              .fields(CONTRACTS.id, CONTRACTS.tenant, CONTRACTS.account)
              .execute()
              .errors();
      if (!errors.isEmpty()) {
        throw errors.get(0).exception();
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  static List<String> namesByKey() {
    return List.copyOf(byKey().keySet());
  }

  static List<String> namesByTable() {
    return List.copyOf(byTable().keySet());
  }

  private void write(Write write, List<List<Object>> checked) {
    strict.execute(
        tx -> {
          guard.checkAll(tx, checked);
          write.run(tx.dsl());
        });
  }

  private void assertRefused(Write write, List<List<Object>> checked) {
    String before = shop.dsl.fetch("select * from contracts order by id").format();
    assertThatThrownBy(() -> write(write, checked))
        .hasStackTraceContaining(UncheckedParentsException.class.getName())
        .hasStackTraceContaining("contract-account");
    assertThat(shop.dsl.fetch("select * from contracts order by id").format()).isEqualTo(before);
  }

  @ParameterizedTest
  @MethodSource("namesByKey")
  void writeOfOneKey_needsThatPairChecked(String name) {
    Write write = Objects.requireNonNull(byKey().get(name));
    assertRefused(write, List.of());
    assertRefused(write, List.of(List.of(1, "b"), List.of(2, "a")));
    assertThatCode(() -> write(write, List.of(List.of(1, "b"), List.of(1, "a"))))
        .doesNotThrowAnyException();
  }

  @ParameterizedTest
  @MethodSource("namesByTable")
  void writeWhoseKeysCannotBeSeen_needsAnyCheck(String name) {
    Write write = Objects.requireNonNull(byTable().get(name));
    assertRefused(write, List.of());
    assertThatCode(() -> write(write, List.of(List.of(1, "a")))).doesNotThrowAnyException();
  }
}
