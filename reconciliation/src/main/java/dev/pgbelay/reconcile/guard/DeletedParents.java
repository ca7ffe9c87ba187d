package dev.pgbelay.reconcile.guard;

import dev.pgbelay.core.wakeup.WakeUps;
import dev.pgbelay.reconcile.Reference;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;

/**
 * Tells cached guards of parents that went, in this process and, by {@code NOTIFY}, in others. One
 * of it per process: whoever deletes parents, or propagates deletes, tells it after the commit.
 *
 * <p>A notification may be lost, as every wake-up may; then entries live as long as they were to be
 * kept. After each reconnect everything is forgotten. What is sent says in which of 1,024 groups a
 * key falls, not the key: the other entries of that group are forgotten as well. Never blocks,
 * never throws. Thread-safe.
 */
public final class DeletedParents {
  private static final String TOPIC = "reconcile-parents/";

  private final Optional<WakeUps> wakeUps;
  private final List<ParentGuard> guards = new CopyOnWriteArrayList<>();

  private DeletedParents(Optional<WakeUps> wakeUps) {
    this.wakeUps = wakeUps;
    wakeUps.ifPresent(each -> each.addListener(this::heard));
  }

  /** Tells the guards of this process alone. */
  public static DeletedParents ofProcess() {
    return new DeletedParents(Optional.empty());
  }

  /**
   * Tells other processes too, and hears them.
   *
   * @param wakeUps which the caller starts and closes
   */
  public static DeletedParents over(WakeUps wakeUps) {
    return new DeletedParents(Optional.of(wakeUps));
  }

  /**
   * From now on this guard is told, for as long as this object lives; not of one that asks anyway.
   */
  public void add(ParentGuard guard) {
    guards.add(guard);
  }

  /**
   * A parent went.
   *
   * @param reference name of the declaration
   * @param key the parent's columns, as PostgreSQL writes them
   */
  public void tell(String reference, List<?> key) {
    tell(reference, ParentCache.group(ParentGuard.texts(key)));
  }

  /** All of them went, as by TRUNCATE. */
  public void tellAll(String reference) {
    tell(reference, ParentCache.ALL);
  }

  private void tell(String reference, int group) {
    forget(reference, group);
    wakeUps.ifPresent(each -> each.announce(TOPIC + group + "/" + reference));
  }

  private void heard(String topic) {
    if (topic.isEmpty()) {
      guards.forEach(guard -> guard.forgetGroup(ParentCache.ALL));
    } else if (topic.startsWith(TOPIC)) {
      int end = topic.indexOf('/', TOPIC.length());
      forget(topic.substring(end + 1), Integer.parseInt(topic.substring(TOPIC.length(), end)));
    }
  }

  private void forget(String reference, int group) {
    for (ParentGuard guard : guards) {
      Reference of = guard.reference();
      if (of.name().equals(reference)) {
        guard.forgetGroup(group);
      }
    }
  }
}
