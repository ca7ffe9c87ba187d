package dev.pgbelay.reconcile;

import static dev.pgbelay.reconcile.ShopFixture.ALL;
import static dev.pgbelay.reconcile.ShopFixture.CUSTOMERS;
import static dev.pgbelay.reconcile.ShopFixture.LINES;
import static dev.pgbelay.reconcile.ShopFixture.ORDERS;
import static dev.pgbelay.reconcile.ShopFixture.ORDER_CUSTOMER;
import static dev.pgbelay.reconcile.ShopFixture.ORDER_ID;
import static dev.pgbelay.reconcile.ShopFixture.TOTAL;
import static org.assertj.core.api.Assertions.assertThat;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.reconcile.check.Checker;
import dev.pgbelay.reconcile.health.ReconcileMonitor;
import dev.pgbelay.reconcile.migrate.ForeignKeyMigration;
import dev.pgbelay.reconcile.propagate.Propagation;
import dev.pgbelay.reconcile.repair.RepairPolicy;
import dev.pgbelay.reconcile.repair.Repairs;
import dev.pgbelay.reconcile.report.Coverage;
import dev.pgbelay.reconcile.retention.Retention;
import java.lang.reflect.Array;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.math.BigDecimal;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Supplier;
import org.jooq.Condition;
import org.jooq.Field;
import org.jooq.Table;
import org.jooq.impl.DSL;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.postgresql.ds.PGSimpleDataSource;

/** Every option of every builder, those to come too, refuses null by its name. */
class NullOptionsTest {
  private static final PGSimpleDataSource NOBODY = new PGSimpleDataSource();
  private static final Transactions TRANSACTIONS = Transactions.of(NOBODY);

  /** What else a call is given. */
  private static final Map<Class<?>, Object> SAMPLES =
      Map.of(
          String.class,
          "order-customer",
          Table.class,
          CUSTOMERS,
          Field.class,
          ORDER_ID,
          Duration.class,
          Duration.ofDays(1),
          RepairPolicy.class,
          RepairPolicy.report(),
          BigDecimal.class,
          BigDecimal.ONE,
          Condition.class,
          DSL.trueCondition());

  private static final List<Supplier<Object>> BUILDERS =
      List.of(
          ShopFixture::orderCustomer,
          () ->
              DerivedValue.builder("order-total")
                  .column(ORDERS, TOTAL)
                  .mustEqual(ORDER_CUSTOMER, LINES),
          () -> Checker.builder(TRANSACTIONS, ALL),
          () -> Repairs.builder(TRANSACTIONS, ALL),
          () -> Propagation.builder(TRANSACTIONS, ALL),
          () -> ReconcileMonitor.builder(TRANSACTIONS, ALL),
          () -> Coverage.builder(TRANSACTIONS, ALL),
          () -> Retention.builder(TRANSACTIONS),
          () -> ForeignKeyMigration.builder(NOBODY, TRANSACTIONS, ALL, "order-customer"));

  /** An option that is given something, but null in one place. */
  static List<Arguments> options() {
    List<Arguments> all = new ArrayList<>();
    for (Supplier<Object> each : BUILDERS) {
      Class<?> type = each.get().getClass();
      for (Method method : type.getDeclaredMethods()) {
        if (!Modifier.isPublic(method.getModifiers()) || method.getReturnType() != type) {
          continue;
        }
        Class<?>[] parameters = method.getParameterTypes();
        for (int place = 0; place < parameters.length; place++) {
          if (parameters[place].isPrimitive()) {
            continue;
          }
          all.add(arguments(each, method, place, null));
          if (parameters[place].isArray()) {
            Object gap = Array.newInstance(parameters[place].getComponentType(), 1);
            all.add(arguments(each, method, place, gap));
          } else if (parameters[place] == List.class) {
            all.add(arguments(each, method, place, Collections.singletonList(null)));
          }
        }
      }
    }
    return all;
  }

  private static Arguments arguments(
      Supplier<Object> builder, Method method, int place, @Nullable Object value) {
    String shown = value == null ? "null" : "with a null in it";
    String name =
        "%s.%s, argument %d %s"
            .formatted(
                method.getDeclaringClass().getName().replaceAll(".*\\.", ""),
                method.getName(),
                place,
                shown);
    @Nullable Object[] given = new @Nullable Object[method.getParameterCount()];
    for (int k = 0; k < given.length; k++) {
      Class<?> type = method.getParameterTypes()[k];
      given[k] = k == place ? value : sample(type);
    }
    return Arguments.of(name, builder, method, given);
  }

  private static Object sample(Class<?> type) {
    if (type.isArray()) {
      Object array = Array.newInstance(type.getComponentType(), 1);
      Array.set(array, 0, Objects.requireNonNull(SAMPLES.get(type.getComponentType())));
      return array;
    }
    Object sample = SAMPLES.get(type);
    return sample == null ? 1 : sample;
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("options")
  void nullInAnOption_isRefusedByItsName(
      String name, Supplier<Object> builder, Method method, @Nullable Object[] given)
      throws Exception {
    Throwable refused = null;
    try {
      Object built = Objects.requireNonNull(method.invoke(builder.get(), given));
      built.getClass().getMethod("build").invoke(built);
    } catch (InvocationTargetException e) {
      refused = e.getCause();
    }
    assertThat(refused)
        .as("%s %s", name, Arrays.toString(given))
        .isInstanceOf(PgBelayException.class)
        .hasMessageContaining(method.getName());
  }
}
