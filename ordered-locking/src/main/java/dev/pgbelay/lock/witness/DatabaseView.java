package dev.pgbelay.lock.witness;

import com.github.benmanes.caffeine.cache.Cache;
import com.github.benmanes.caffeine.cache.Caffeine;
import java.time.Duration;
import java.util.List;
import java.util.Set;
import java.util.function.Supplier;
import javax.sql.DataSource;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** What a witness knows of one database: its catalog, and the statements that were sent to it. */
final class DatabaseView {
  private static final Logger LOG = LoggerFactory.getLogger(LockWitness.class);
  private static final int STATEMENTS = 2_000;

  private final Supplier<@Nullable DataSource> unobserved;
  private final CatalogReader catalog;
  private final Resolver resolver;
  private final LockKeyOrder keyOrder;
  private final Cache<String, Resolved> statements =
      Caffeine.newBuilder().maximumSize(STATEMENTS).build();

  DatabaseView(Supplier<@Nullable DataSource> unobserved, boolean strict) {
    this.unobserved = unobserved;
    this.catalog =
        new CatalogReader(unobserved, strict ? Duration.ofMillis(200) : Duration.ofMinutes(1));
    this.resolver = new Resolver(catalog);
    this.keyOrder = new LockKeyOrder(unobserved, strict);
  }

  Resolved statement(String sql) {
    Resolved known = statements.getIfPresent(sql);
    if (known != null && isFresh(known)) {
      return known;
    }
    Footprint footprint = known == null ? read(sql) : known.footprint();
    Resolved resolved = resolver.resolve(footprint);
    statements.put(sql, resolved);
    return resolved;
  }

  /** The application's statement has run already: nothing here may harm it. */
  private static Footprint read(String sql) {
    try {
      return StatementReader.read(sql);
    } catch (RuntimeException e) {
      LOG.warn("a statement could not be read, and is counted as unseen", e);
      return new Footprint(List.of(new Piece.Unknown("unread")), Set.of(), "?");
    }
  }

  private boolean isFresh(Resolved resolved) {
    return resolved.footprint().isEmpty()
        || (resolved.version() == catalog.current().version()
            && !resolved.unknown().contains("table"));
  }

  void schemaChanged() {
    catalog.invalidate();
  }

  LockKeyOrder keyOrder() {
    return keyOrder;
  }

  @Nullable DataSource unobserved() {
    return unobserved.get();
  }
}
