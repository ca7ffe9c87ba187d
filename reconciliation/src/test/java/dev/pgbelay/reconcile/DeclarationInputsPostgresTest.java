package dev.pgbelay.reconcile;

import static dev.pgbelay.reconcile.Refused.assertRefused;
import static dev.pgbelay.reconcile.Refused.nothing;
import static dev.pgbelay.reconcile.ShopFixture.CUSTOMERS;
import static dev.pgbelay.reconcile.ShopFixture.CUSTOMER_ID;
import static dev.pgbelay.reconcile.ShopFixture.LINES;
import static dev.pgbelay.reconcile.ShopFixture.LINE_ORDER;
import static dev.pgbelay.reconcile.ShopFixture.ORDERS;
import static dev.pgbelay.reconcile.ShopFixture.ORDER_CUSTOMER;
import static dev.pgbelay.reconcile.ShopFixture.ORDER_ID;
import static dev.pgbelay.reconcile.ShopFixture.STATUS;
import static dev.pgbelay.reconcile.ShopFixture.TOTAL;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;
import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.name;

import dev.pgbelay.reconcile.DeclarationException.Reason;
import dev.pgbelay.reconcile.DerivedValue.SourceChange;
import dev.pgbelay.testing.PostgresExtension;
import java.math.BigDecimal;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jooq.Field;
import org.jooq.Record;
import org.jooq.Select;
import org.jooq.impl.DSL;
import org.jooq.impl.SQLDataType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/**
 * What declarations say to those who get them wrong, before a database is asked or at its start.
 */
class DeclarationInputsPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(ShopFixture.SCHEMA);

  private static final Field<?> CHANGED =
      field(name("changed_at"), SQLDataType.TIMESTAMPWITHTIMEZONE);
  private static final Select<Record> LATE = DSL.select(List.of(ORDER_ID)).from(ORDERS);

  private static DerivedValue.Builder total() {
    return DerivedValue.builder("order-total").column(ORDERS, TOTAL).mustEqual(DSL.val(1), LINES);
  }

  @Test
  void names_areRefusedByTheirRule() {
    for (String bad :
        List.of("", " ", "Orders", "-orders", "orders\u0000", "o".repeat(64), "bestellungen für")) {
      assertRefused(
          () ->
              Reference.builder(bad)
                  .child(ORDERS, ORDER_CUSTOMER)
                  .parent(CUSTOMERS, CUSTOMER_ID)
                  .build(),
          "declaration '" + bad + "'",
          "1 to 63");
      assertRefused(() -> Invariant.everyRow(bad, ORDERS, STATUS.isNotNull()), "1 to 63");
    }
    assertRefused(
        () ->
            Reference.builder(nothing())
                .child(ORDERS, ORDER_CUSTOMER)
                .parent(CUSTOMERS, CUSTOMER_ID)
                .build(),
        "'null'");
    assertRefused(
        () ->
            DerivedValue.builder(nothing())
                .column(ORDERS, TOTAL)
                .mustEqual(DSL.val(1), LINES)
                .build(),
        "'null'");
  }

  @Test
  void columnsOfAReference_areCounted() {
    assertRefused(() -> Reference.builder("r").build(), "'r'", "child");
    assertRefused(() -> Reference.builder("r").child(ORDERS, ORDER_ID).build(), "'r'", "parent");
    assertRefused(
        () -> Reference.builder("r").child(ORDERS).parent(CUSTOMERS, CUSTOMER_ID).build(),
        "child must have 1 to 32 columns, has 0");
    assertRefused(
        () -> ShopFixture.orderCustomer().child(ORDERS, ORDER_ID, ORDER_CUSTOMER).build(),
        "2 columns of the child refer to 1");
    assertRefused(
        () -> ShopFixture.orderCustomer().child(ORDERS, ORDER_ID, ORDER_ID).build(), "twice");
    List<Field<?>> many = new ArrayList<>();
    for (int k = 0; k < 33; k++) {
      many.add(field(name("c" + k)));
    }
    assertRefused(
        () -> ShopFixture.orderCustomer().child(ORDERS, many.toArray(Field<?>[]::new)).build(),
        "has 33");
  }

  @Test
  void gracesOutOfRange_areRefusedWithTheDeclaration() {
    for (Duration bad :
        List.of(Duration.ofNanos(-1), Duration.ofDays(8), Duration.ofSeconds(Long.MAX_VALUE))) {
      assertRefused(
          () -> ShopFixture.orderCustomer().grace(bad).build(), "'order-customer'", "grace");
      assertRefused(() -> total().grace(bad).build(), "'order-total'", "grace");
      assertRefused(() -> ShopFixture.ORDER_STATUS.withGrace(bad), "'order-status'", "grace");
    }
    assertRefused(() -> ShopFixture.ORDER_STATUS.withGrace(nothing()), "grace", "null");
  }

  @Test
  void derivedValuesThatSayTooLittleOrTooMuch_areRefused() {
    assertRefused(() -> DerivedValue.builder("d").build(), "'d'", "column");
    assertRefused(
        () -> DerivedValue.builder("d").column(ORDERS, TOTAL).build(), "'d'", "mustEqual");
    assertRefused(() -> total().mustEqual(DSL.val(1)).build(), "sources are missing");
    assertRefused(() -> total().tolerance(new BigDecimal("-0.01")).build(), "tolerance", "-0.01");
    assertRefused(
        () -> total().sourceChangedAt(LINES, CHANGED, LINE_ORDER).build(), "give changedAt too");
    assertRefused(
        () -> total().changedAt(CHANGED).sourceChangedAt(CUSTOMERS, CHANGED, CUSTOMER_ID).build(),
        "'order-total'",
        "sourceChangedAt names customers",
        "mustEqual reads [lines]");
    assertRefused(
        () -> total().changedAt(CHANGED).sourceChangedAt(LINES, CHANGED), "lines", "primary key");
    assertRefused(() -> new SourceChange(nothing(), CHANGED, List.of(LINE_ORDER)), "source");
  }

  @Test
  void invariantsThatSayTooLittleOrTooMuch_areRefused() {
    assertRefused(() -> Invariant.noRows("i", LATE, List.of(), List.of(ORDERS)), "'i'", "key");
    assertRefused(() -> Invariant.noRows("i", LATE, List.of(ORDER_ID), List.of()), "'i'", "tables");
    assertRefused(
        () -> Invariant.noRows("i", LATE, List.of(ORDER_ID, ORDER_ID), List.of(ORDERS)), "twice");
    assertRefused(
        () -> Invariant.noRows("i", nothing(), List.of(ORDER_ID), List.of(ORDERS)), "the query");
    assertRefused(
        () -> Invariant.noRows("i", LATE, nothing(), List.of(ORDERS)), "'i'", "key", "null");
    assertRefused(
        () -> Invariant.noRows("i", LATE, List.of(ORDER_ID), Collections.singletonList(nothing())),
        "number 1 is null");
    assertRefused(() -> Invariant.everyRow("i", nothing(), STATUS.isNotNull()), "the table");
    assertRefused(() -> Invariant.everyRow("i", ORDERS, nothing()), "the condition");
    Invariant query = Invariant.noRows("i", LATE, List.of(ORDER_ID), List.of(ORDERS));
    assertRefused(() -> query.withChangedAt(CHANGED), "read whole each time");
    assertRefused(() -> ShopFixture.ORDER_STATUS.withChangedAt(nothing()), "changedAt");
    assertRefused(
        () ->
            new Invariant(
                "i",
                Optional.of(ORDERS),
                Optional.empty(),
                Optional.of(LATE),
                List.of(ORDER_ID),
                List.of(ORDERS),
                Duration.ZERO,
                Optional.empty()),
        "a table with a condition, or a query");
  }

  @Test
  void rulesThatContradictThemselves_areRefused() {
    assertRefused(() -> OnDelete.softDelete(Map.of()), "assignments", "SOFT_DELETE");
    assertRefused(() -> OnDelete.softDelete(nothing()), "softDelete");
    assertRefused(
        () -> OnDelete.softDelete(Collections.singletonMap(STATUS, nothing())),
        "status",
        "DSL.inline((Object) null)");
    assertRefused(() -> OnDelete.custom(nothing()), "custom", "handler");
    assertRefused(() -> OnDelete.setNull(ORDER_CUSTOMER, ORDER_CUSTOMER), "SET_NULL", "twice");
    assertRefused(() -> OnDelete.setNull((Field<?>) nothing()), "SET_NULL");
    assertRefused(() -> OnDelete.setDefault(ORDER_ID, (Field<?>) nothing()), "number 1 is null");
    assertRefused(
        () -> ShopFixture.orderCustomer().onDelete(OnDelete.setNull(STATUS)).build(),
        "'order-customer'",
        "sets [status]",
        "refer are [customer_id]");
    assertRefused(
        () ->
            new OnDelete(
                OnDelete.Action.CASCADE, Map.of(), Optional.empty(), List.of(ORDER_CUSTOMER)),
        "columns belong to SET_NULL");
    assertRefused(
        () -> new OnDelete(OnDelete.Action.CUSTOM, Map.of(), Optional.empty(), List.of()),
        "handler");
  }

  @Test
  void registries_areRefusedByVersionNamesAndGaps() {
    for (String bad : List.of("", " ", "v".repeat(101), "a\u0000b")) {
      assertRefused(() -> Declarations.of(bad, ShopFixture.ORDER_STATUS), "version", "1 to 100");
    }
    assertRefused(() -> Declarations.of(nothing(), ShopFixture.ORDER_STATUS), "version");
    assertRefused(
        () -> Declarations.of("1", ShopFixture.ORDER_STATUS, (Declaration) nothing()),
        "number 2 is null");
    assertRefused(
        () -> Declarations.of("1", ShopFixture.ORDER_STATUS, ShopFixture.ORDER_STATUS),
        "'order-status'",
        "another one has this name");
    assertRefused(() -> ShopFixture.ALL.requireMatching(nothing()), "transactions");
    assertThat(ShopFixture.ALL.find("nobody")).isEmpty();
  }

  /** These would fail for each chunk of children, long after somebody has deleted their parent. */
  @Test
  void softDeletesThatTheChildCannotHave_areRefusedAtTheStart() {
    ShopFixture shop = new ShopFixture(postgres.dataSource());
    shop.dsl.execute(
        "alter table orders add is_late boolean generated always as (total > 9) stored");
    Declarations rules =
        Declarations.of(
            "1",
            ShopFixture.orderCustomer()
                .onDelete(
                    OnDelete.softDelete(
                        Map.of(field(name("state")), "gone", field(name("is_late")), true)))
                .build());
    DeclarationException refused =
        catchThrowableOfType(
            DeclarationException.class, () -> rules.requireMatching(shop.transactions));
    assertThat(refused.problems())
        .extracting(DeclarationException.Problem::reason)
        .containsExactlyInAnyOrder(Reason.COLUMN_NOT_FOUND, Reason.ACTION_IMPOSSIBLE);
    assertThat(refused).hasMessageContaining("no column state").hasMessageContaining("is_late");
  }
}
