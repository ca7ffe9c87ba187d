package dev.pgbelay.testing;

import dev.pgbelay.core.PgBelayException;
import org.jspecify.annotations.Nullable;

/**
 * A server of a {@link PostgresCluster} did not do what a test asked of it: it could not be
 * started, or did not reach a state within the time allowed. The message carries the end of the
 * server's log where there is one.
 */
public class ClusterException extends PgBelayException {
  private static final long serialVersionUID = 1L;

  ClusterException(String message) {
    super(message);
  }

  ClusterException(String message, @Nullable Throwable cause) {
    super(message, cause);
  }
}
