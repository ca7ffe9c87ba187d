package dev.pgbelay.lock.witness;

import com.github.benmanes.caffeine.cache.Cache;
import com.github.benmanes.caffeine.cache.Caffeine;
import dev.pgbelay.lock.witness.Resolver.Resolved;
import java.time.Duration;
import java.util.function.Supplier;
import javax.sql.DataSource;
import org.jspecify.annotations.Nullable;

/** What a witness knows of one database: its catalog, and the statements that were sent to it. */
final class DatabaseView {
  private static final int STATEMENTS = 2_000;

  private final Supplier<@Nullable DataSource> unobserved;
  private final CatalogReader catalog;
  private final Resolver resolver;
  private final KeyOrder keyOrder;
  private final Cache<String, Resolved> statements =
      Caffeine.newBuilder().maximumSize(STATEMENTS).build();

  DatabaseView(Supplier<@Nullable DataSource> unobserved, boolean strict) {
    this.unobserved = unobserved;
    this.catalog =
        new CatalogReader(unobserved, strict ? Duration.ofMillis(200) : Duration.ofMinutes(1));
    this.resolver = new Resolver(catalog);
    this.keyOrder = new KeyOrder(unobserved, strict);
  }

  Resolved statement(String sql) {
    Resolved known = statements.getIfPresent(sql);
    if (known != null && isFresh(known)) {
      return known;
    }
    Footprint footprint = known == null ? StatementReader.read(sql) : known.footprint();
    Resolved resolved = resolver.resolve(footprint);
    statements.put(sql, resolved);
    return resolved;
  }

  private boolean isFresh(Resolved resolved) {
    return resolved.footprint().isEmpty()
        || (resolved.version() == catalog.current().version()
            && !resolved.unknown().contains("table"));
  }

  void schemaChanged() {
    catalog.invalidate();
  }

  KeyOrder keyOrder() {
    return keyOrder;
  }

  @Nullable DataSource unobserved() {
    return unobserved.get();
  }
}
