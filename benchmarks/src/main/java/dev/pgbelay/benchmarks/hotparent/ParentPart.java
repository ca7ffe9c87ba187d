package dev.pgbelay.benchmarks.hotparent;

import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/** What inserts meet at the parent, and how many insert. */
enum ParentPart {
  NOT_LOCKED("not-locked", 16, 0, Optional.empty(), 0, 0),
  NO_KEY_UPDATE_5("no-key-update-5ms", 16, 2, Optional.of(ParentSql.LOCK_NO_KEY_UPDATE), 5, 0),
  CHANGE_KEY_5("change-key-5ms", 16, 2, Optional.of(ParentSql.CHANGE_KEY), 5, 0),
  UPDATE_5("update-5ms", 16, 2, Optional.of(ParentSql.LOCK_UPDATE), 5, 0),
  UPDATE_50("update-50ms", 16, 2, Optional.of(ParentSql.LOCK_UPDATE), 50, 0),
  CHANGE_OTHER("change-other", 16, 2, Optional.of(ParentSql.CHANGE_OTHER), 0, 0),
  CHANGE_OTHER_5("change-other-5ms", 16, 2, Optional.of(ParentSql.CHANGE_OTHER), 5, 0),
  CHANGE_KEY("change-key", 16, 2, Optional.of(ParentSql.CHANGE_KEY), 0, 0),
  ONE_THREAD("one-thread", 1, 0, Optional.empty(), 0, 0),
  ONE_THREAD_CHANGE_OTHER(
      "one-thread-change-other", 1, 1, Optional.of(ParentSql.CHANGE_OTHER), 0, 0),
  CHILD_5_CHANGE_KEY("child-5ms-change-key", 16, 2, Optional.of(ParentSql.CHANGE_KEY), 0, 5),
  CHILD_5_UPDATE("child-5ms-update", 16, 2, Optional.of(ParentSql.LOCK_UPDATE), 0, 5);

  static final int MOST_THREADS = 18;

  private final String title;
  private final int writers;
  private final int holders;
  private final Optional<String> lock;
  private final long holdMillis;
  private final long childMillis;

  /**
   * @param lock what those do who hold the parent
   * @param holdMillis for how long they do
   * @param childMillis how long a transaction stays open after its insert
   */
  ParentPart(
      String title,
      int writers,
      int holders,
      Optional<String> lock,
      long holdMillis,
      long childMillis) {
    this.title = title;
    this.writers = writers;
    this.holders = holders;
    this.lock = lock;
    this.holdMillis = holdMillis;
    this.childMillis = childMillis;
  }

  static List<String> titles() {
    return Arrays.stream(values()).map(part -> part.title).toList();
  }

  static ParentPart of(String title) {
    return Arrays.stream(values())
        .filter(part -> part.title.equals(title))
        .findFirst()
        .orElseThrow();
  }

  int writers() {
    return writers;
  }

  int holders() {
    return holders;
  }

  String lock() {
    return lock.orElseThrow();
  }

  long holdMillis() {
    return holdMillis;
  }

  long childMillis() {
    return childMillis;
  }
}
