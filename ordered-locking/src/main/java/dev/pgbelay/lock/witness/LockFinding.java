package dev.pgbelay.lock.witness;

import java.util.List;

/**
 * A way to deadlock that was seen, whether or not anything waited.
 *
 * @param kind what is wrong
 * @param classes the classes concerned, in the order suggested
 * @param paths who takes what: one path for each transaction that the deadlock needs and that was
 *     seen; a single one where two runs of the same code are enough
 * @param suggestion what to change
 */
public record LockFinding(Kind kind, List<String> classes, List<Path> paths, String suggestion) {

  /** What is wrong. */
  public enum Kind {
    /** Two classes were locked in both orders. */
    ORDER,
    /** Three classes or four were locked in a circle. */
    CIRCLE,
    /** Two rows of one class were locked with keys that go down. */
    ROW_ORDER,
    /** A lock that others can share was made stronger: two that do so wait for each other. */
    UPGRADE
  }

  /** A transaction that held the first when it asked for the second. */
  public record Path(LockStep held, LockStep wanted) {}

  public LockFinding {
    classes = List.copyOf(classes);
    paths = List.copyOf(paths);
  }

  /** The report, several lines long. */
  @Override
  public String toString() {
    StringBuilder text = new StringBuilder(headline());
    for (int i = 0; i < paths.size(); i++) {
      text.append("\n    [").append(i + 1).append("] holds ").append(paths.get(i).held());
      text.append("\n        wants ").append(paths.get(i).wanted());
    }
    return text.append("\n    ").append(suggestion).toString();
  }

  private String headline() {
    return switch (kind) {
      case ORDER -> "locks " + String.join(" and ", classes) + " in both orders";
      case CIRCLE -> "locks " + String.join(", ", classes) + " in a circle";
      case ROW_ORDER -> "locks rows of " + classes.get(0) + " in descending order of their keys";
      case UPGRADE -> "strengthens a lock on " + classes.get(0) + " that others can share";
    };
  }
}
