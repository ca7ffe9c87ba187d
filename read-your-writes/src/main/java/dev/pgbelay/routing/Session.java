package dev.pgbelay.routing;

import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * One user's, request's or job's view of the data, which never goes back: it sees what it wrote and
 * what it was shown before. Made by {@link ReadYourWrites#session()}, or from a token by {@link
 * ReadYourWrites#session(ConsistencyToken)}; another process goes on with {@link
 * ReadYourWrites#token}.
 *
 * <p>Holds no connection and no thread; forget it when it is done. Safe for several threads: a read
 * that begins after another one has returned sees at least what that one saw.
 */
public final class Session {
  private final ReadYourWrites owner;
  private final AtomicReference<Floor> floor = new AtomicReference<>(Floor.NONE);
  private volatile @Nullable RouteDecision lastDecision;
  private volatile @Nullable LostPosition lost;

  Session(ReadYourWrites owner) {
    this.owner = owner;
  }

  ReadYourWrites owner() {
    return owner;
  }

  Floor floor() {
    return Objects.requireNonNull(floor.get());
  }

  void change(UnaryOperator<Floor> change) {
    floor.updateAndGet(change);
  }

  /** Whether the change made another floor of it: of several who try, one is told so. */
  @SuppressWarnings("ReferenceEquality") // a floor that is the same object was not changed
  boolean replaced(UnaryOperator<Floor> change) {
    while (true) {
      Floor before = floor();
      Floor after = change.apply(before);
      if (after == before) {
        return false;
      }
      if (floor.compareAndSet(before, after)) {
        return true;
      }
    }
  }

  void decided(RouteDecision decision) {
    lastDecision = decision;
  }

  void hasLost(LostPosition position) {
    lost = position;
  }

  /**
   * What of this session may be gone with an older timeline, as the callback of {@link
   * ReadYourWritesBuilder#onLost} was told last; empty while it was told nothing.
   */
  public Optional<LostPosition> lost() {
    return Optional.ofNullable(lost);
  }

  /** Where the last read or write of this session went, and why; empty before the first. */
  public Optional<RouteDecision> lastDecision() {
    return Optional.ofNullable(lastDecision);
  }
}
