package dev.pgbelay.reconcile.migrate;

import java.util.List;

/**
 * One step of a {@link ForeignKeyMigration}.
 *
 * @param name of the step
 * @param state whether it is done
 * @param statements what is run; empty where it is not SQL
 * @param locks which locks these take, on what, and what waits for them
 * @param about what it does, for people
 */
public record MigrationStep(
    Name name, State state, List<String> statements, String locks, String about) {
  /** In the order in which they are done, first on one way, then on the other. */
  public enum Name {
    /** To the application: the guard is measured beside the key, then enforced. */
    GUARD_INSERTS,
    /** To the application: triggers see parents go. */
    CAPTURE_DELETES,
    /** To the application: the checker has looked at every row, with the key in place. */
    CHECK,
    /** To the application: the key goes, the triggers stay. */
    DROP_KEY,
    /** To the key: it holds for what is written from now on. */
    ADD_KEY,
    /** To the key: what was written before is brought in order. */
    REPAIR,
    /** To the key: what was written before is looked at. */
    VALIDATE_KEY,
    /** To the key, on partitioned tables before 18: one key over the keys of the partitions. */
    ADD_KEY_OF_ALL,
    /** To the key: the triggers go. */
    STOP_CAPTURE
  }

  /** Whether it is done. */
  public enum State {
    DONE,
    TO_DO,
    /** It is done by the application, and {@link ForeignKeyMigration} has to be told. */
    BY_HAND
  }

  public MigrationStep {
    statements = List.copyOf(statements);
  }

  /** As a script with comments, for people and for a migration tool. */
  public String asText() {
    StringBuilder text =
        new StringBuilder("-- %s (%s): %s%n-- locks: %s%n".formatted(name, state, about, locks));
    statements.forEach(each -> text.append(each).append(";\n"));
    return text.toString();
  }
}
