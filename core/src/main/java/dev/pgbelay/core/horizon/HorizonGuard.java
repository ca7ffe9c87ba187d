package dev.pgbelay.core.horizon;

import dev.pgbelay.core.internal.OptionRange;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jooq.DSLContext;

/**
 * Names what keeps VACUUM from cleaning up in this database: a session's transaction, a prepared
 * transaction, a replication slot, a standby, and for how long. Changes nothing.
 *
 * <p>A look is one short statement on views of the server, whatever the size of the tables.
 * Transactions of other roles are seen with {@code pg_monitor} only. Remembers what it has seen, to
 * tell how long a slot or a standby stands still, so keep one and let it look now and then. Safe
 * for several threads.
 */
public final class HorizonGuard {
  private final Duration tolerance;
  private final Map<String, Seen> seen = new HashMap<>();

  private record Seen(String xmin, long sinceNanos) {}

  private HorizonGuard(Duration tolerance) {
    this.tolerance = tolerance;
  }

  /**
   * A guard that reports what holds the horizon for longer than this, 1 second to 1 day.
   *
   * @throws dev.pgbelay.core.PgBelayException outside of that range
   */
  public static HorizonGuard after(Duration tolerance) {
    OptionRange.require("tolerance", tolerance, Duration.ofSeconds(1), Duration.ofDays(1));
    return new HorizonGuard(tolerance);
  }

  /** What holds the horizon for longer than tolerated, the farthest back first. */
  public synchronized List<HorizonPin> look(DSLContext dsl) {
    long now = System.nanoTime();
    List<HorizonPin> pins = new ArrayList<>();
    Map<String, Seen> still = new HashMap<>();
    for (HorizonSql.Row row : HorizonSql.list(dsl)) {
      String key = row.holder() + " " + row.name();
      Seen before = seen.get(key);
      Seen since =
          before != null && before.xmin().equals(row.xmin()) ? before : new Seen(row.xmin(), now);
      still.put(key, since);
      Duration held = row.held().orElse(Duration.ofNanos(now - since.sinceNanos()));
      if (held.compareTo(tolerance) >= 0) {
        pins.add(new HorizonPin(row.holder(), row.name(), row.transactions(), held));
      }
    }
    seen.clear();
    seen.putAll(still);
    return pins;
  }
}
