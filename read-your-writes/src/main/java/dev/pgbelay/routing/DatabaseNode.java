package dev.pgbelay.routing;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.internal.OptionName;
import java.util.Objects;
import javax.sql.DataSource;

/**
 * One server of the cluster, and how to reach it. Whether it is the primary is asked, again and
 * again; nothing here says so for good.
 *
 * <p>Immutable and as safe for several threads as its two {@code DataSource}s.
 *
 * @param name in decisions, metrics and messages: 1 to 40 of a-z, 0-9, dot and hyphen, a letter
 *     first
 * @param pool for the work, usually a HikariCP pool; every connection of it leads to this one
 *     server, so not a pooler or name that spreads over several; a pooler in transaction mode in
 *     front of that server is asked where it leads for each transaction
 * @param probes for this module alone, so that an exhausted pool blinds nobody: one connection is
 *     kept, a {@code PGSimpleDataSource} that leads to the server itself does. Its role needs
 *     {@code pg_monitor}; with the attribute {@code REPLICATION} and the driver's {@code
 *     replication=database} it also sees where timelines fork
 */
public record DatabaseNode(String name, DataSource pool, DataSource probes) {
  private static final int LONGEST_NAME = 40;

  /**
   * @throws PgBelayException naming the rule, for a name that does not fit or one {@code
   *     DataSource} for both
   */
  public DatabaseNode {
    name = OptionName.require("name of a node", name, LONGEST_NAME);
    Objects.requireNonNull(pool, "the pool of a node is null");
    Objects.requireNonNull(probes, "the probes of a node are null");
    if (pool == probes) {
      throw new PgBelayException(
          "node '"
              + name
              + "' is to be watched through the pool of its work, which the work could exhaust: give"
              + " it a DataSource of its own for probes");
    }
  }

  /** A node with these two. */
  public static DatabaseNode of(String name, DataSource pool, DataSource probes) {
    return new DatabaseNode(name, pool, probes);
  }
}
