package dev.pgbelay.reconcile.guard;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.pgbelay.reconcile.ShopFixture;
import dev.pgbelay.testing.PostgresExtension;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** What guards count. */
class GuardMetersPostgresTest {
  @RegisterExtension
  static final PostgresExtension postgres =
      PostgresExtension.create().withTemplate(ShopFixture.SCHEMA);

  private final ShopFixture shop = new ShopFixture(postgres.dataSource());
  private final SimpleMeterRegistry registry = new SimpleMeterRegistry();

  private void check(ParentGuard guard, @Nullable Long... keys) {
    List<List<Long>> all = Arrays.stream(keys).map(Arrays::asList).toList();
    shop.transactions.execute(tx -> guard.checkAll(tx, all));
  }

  private void assertCounted(String mode, int checks, int keys, int misses, int refused) {
    assertThat(count("checks", mode)).isEqualTo(checks);
    assertThat(count("keys", mode)).isEqualTo(keys);
    assertThat(count("misses", mode)).isEqualTo(misses);
    assertThat(count("refused", mode)).isEqualTo(refused);
  }

  private int count(String name, String mode) {
    return (int)
        registry
            .get("pgbelay.reconcile.guard." + name)
            .tags("reference", "order-customer", "mode", mode)
            .counter()
            .count();
  }

  @Test
  void cachedGuard_missesOnlyWhatItDoesNotKnow() {
    shop.customers(10);
    ParentGuard guard =
        ParentGuard.cached(ShopFixture.ORDER_CUSTOMER_REFERENCE, Duration.ofHours(1), 100)
            .meterRegistry(registry);
    assertCounted("cached", 0, 0, 0, 0);
    check(guard, 1L, 2L, 2L, null);
    assertCounted("cached", 1, 2, 2, 0);
    check(guard, 1L, 2L, 3L);
    assertCounted("cached", 2, 5, 3, 0);
    assertThatThrownBy(() -> check(guard, 11L, 12L, 1L))
        .isInstanceOf(MissingParentsException.class);
    assertCounted("cached", 3, 8, 5, 2);
  }

  @Test
  void otherGuards_missEveryKey() {
    shop.customers(10);
    ParentGuard exists =
        ParentGuard.exists(ShopFixture.ORDER_CUSTOMER_REFERENCE).meterRegistry(registry);
    ParentGuard locked =
        ParentGuard.locked(ShopFixture.ORDER_CUSTOMER_REFERENCE).meterRegistry(registry);
    check(exists, 1L, 2L);
    check(exists, 1L, 2L);
    check(locked, 1L);
    assertThatThrownBy(() -> check(locked, 11L)).isInstanceOf(MissingParentsException.class);
    assertCounted("exists", 2, 4, 4, 0);
    assertCounted("locked", 2, 2, 2, 1);
  }
}
