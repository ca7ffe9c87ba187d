package dev.pgbelay.servlet;

import dev.pgbelay.idempotency.fingerprint.FingerprintRule;
import dev.pgbelay.testing.PostgresExtension;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import javax.sql.DataSource;
import org.jooq.SQLDialect;
import org.jooq.impl.DSL;
import org.junit.jupiter.api.extension.AfterEachCallback;
import org.junit.jupiter.api.extension.BeforeEachCallback;
import org.junit.jupiter.api.extension.ExtensionContext;

/** Shops of one test over empty tables, stopped behind it. */
final class FilteredShops implements BeforeEachCallback, AfterEachCallback {
  static final FingerprintRule RULE = FingerprintRule.builder().method().path().jsonBody().build();

  private final PostgresExtension postgres;
  private final List<Shop> shops = new ArrayList<>();

  FilteredShops(PostgresExtension postgres) {
    this.postgres = postgres;
  }

  Shop shop() throws Exception {
    return shop(RULE, any -> {});
  }

  Shop shop(FingerprintRule rule, Consumer<IdempotencyFilter.Builder> options) throws Exception {
    return shop(postgres.dataSource(), rule, options);
  }

  Shop shop(
      DataSource dataSource, FingerprintRule rule, Consumer<IdempotencyFilter.Builder> options)
      throws Exception {
    IdempotencyFilter.Builder builder =
        IdempotencyFilter.builder(Shop.idempotency(dataSource), "orders", rule);
    options.accept(builder);
    Shop shop = new Shop(postgres.dataSource(), builder.build());
    shops.add(shop);
    return shop;
  }

  @Override
  public void beforeEach(ExtensionContext context) {
    DSL.using(postgres.dataSource(), SQLDialect.POSTGRES)
        .execute("truncate placed, pgbelay.idempotency_key");
  }

  @Override
  public void afterEach(ExtensionContext context) throws Exception {
    for (Shop shop : shops) {
      shop.stop();
    }
  }
}
