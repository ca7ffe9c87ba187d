package dev.pgbelay.routing;

import dev.pgbelay.core.PgBelayException;
import org.jspecify.annotations.Nullable;

/** A read or write was not run, or the cluster is not as it was declared. */
public final class RoutingException extends PgBelayException {
  private static final long serialVersionUID = 1L;

  /** What stands in the way. */
  public enum Kind {
    /** No node is known to be the primary of the newest timeline; nothing was run. */
    NO_PRIMARY,
    /** Two nodes accept writes on the same timeline: somebody has to stop one; nothing was run. */
    TWO_PRIMARIES,
    /** No replica had it in time and the primary has as many of such reads as it may. */
    PRIMARY_FULL,
    /** No node is fresh enough for what the read allows, and it was not to go to the primary. */
    NO_REPLICA,
    /** The token is of another cluster. */
    FOREIGN_TOKEN,
    /** A node is not what it was declared to be, or its pool leads elsewhere; nothing was run. */
    MISCONFIGURED,
    /** {@link ReadYourWrites#close} was called before; nothing was run. */
    CLOSED
  }

  private final Kind kind;

  RoutingException(Kind kind, String message) {
    this(kind, message, null);
  }

  RoutingException(Kind kind, String message, @Nullable Throwable cause) {
    super(message, cause);
    this.kind = kind;
  }

  /** For callers that branch or count. */
  public Kind kind() {
    return kind;
  }
}
