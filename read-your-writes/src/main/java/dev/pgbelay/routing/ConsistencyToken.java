package dev.pgbelay.routing;

import dev.pgbelay.core.CommitPosition;

/**
 * That a session is to see at least what was committed up to a position. Opaque to those who carry
 * it; {@link ConsistencyTokens} turns it into text and back. Immutable and safe for several
 * threads.
 */
public final class ConsistencyToken {
  private final CommitPosition position;

  private ConsistencyToken(CommitPosition position) {
    this.position = position;
  }

  /** The token of a commit, such as one that was not made through this module. */
  public static ConsistencyToken of(CommitPosition position) {
    return new ConsistencyToken(position);
  }

  /** What it stands for. */
  public CommitPosition position() {
    return position;
  }

  /**
   * The later of both: who has it sees what either would. Of two timelines that is the newer one's,
   * and a loss of what the older one stands for is not told: let a session join both for that.
   *
   * @throws RoutingException of kind {@code FOREIGN_TOKEN} if they are of two clusters
   */
  public ConsistencyToken merge(ConsistencyToken other) {
    if (position.systemIdentifier() != other.position.systemIdentifier()) {
      throw new RoutingException(
          RoutingException.Kind.FOREIGN_TOKEN,
          "tokens of clusters "
              + Long.toUnsignedString(position.systemIdentifier())
              + " and "
              + Long.toUnsignedString(other.position.systemIdentifier())
              + " cannot be merged: keep one for each cluster");
    }
    return Timelines.UNKNOWN.later(position, other.position).equals(position) ? this : other;
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof ConsistencyToken token && token.position.equals(position);
  }

  @Override
  public int hashCode() {
    return position.hashCode();
  }

  @Override
  public String toString() {
    return "ConsistencyToken[" + position + "]";
  }
}
