package dev.pgbelay.idempotency.payment;

import dev.pgbelay.core.internal.Fence;
import dev.pgbelay.core.internal.LeaseKeepAlive;
import dev.pgbelay.idempotency.IdempotencyKey;
import io.micrometer.core.instrument.MeterRegistry;
import java.sql.Connection;
import java.sql.SQLException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import javax.sql.DataSource;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** The claims of this process, which are kept alive. Safe for several threads. */
final class KeptClaims implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(PaymentOperation.class);

  private final Map<Fence, IdempotencyKey> keys = new ConcurrentHashMap<>();
  private final ClaimSql sql;
  private final Duration lease;
  private final LeaseKeepAlive keepAlive;

  KeptClaims(
      String name,
      DataSource dataSource,
      Duration lease,
      ClaimSql sql,
      @Nullable MeterRegistry registry) {
    this.sql = sql;
    this.lease = lease;
    this.keepAlive = new LeaseKeepAlive(name + "-leases", dataSource, lease, this::renew, registry);
  }

  /** Before the first claim: one that could not be kept alive would be held to its end. */
  void start() {
    keepAlive.start();
  }

  void add(Claim<?> claim) {
    keys.put(claim.fence(), claim.key());
    keepAlive.add(
        claim.fence(),
        claim.asOf(),
        () -> LOG.warn("the claim on payment {} is lost to somebody else", claim.key()));
  }

  void remove(Claim<?> claim) {
    keepAlive.remove(claim.fence());
    keys.remove(claim.fence());
  }

  private LeaseKeepAlive.Renewed renew(Connection connection, List<Fence> fences)
      throws SQLException {
    List<Fence> known = new ArrayList<>();
    List<IdempotencyKey> theirs = new ArrayList<>();
    for (Fence fence : fences) {
      IdempotencyKey key = keys.get(fence);
      if (key != null) {
        known.add(fence);
        theirs.add(key);
      }
    }
    return sql.renewAll(connection, theirs, known, lease);
  }

  @Override
  public void close() {
    keepAlive.close();
  }
}
