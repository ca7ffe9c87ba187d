package dev.pgbelay.lock.witness;

import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * Who met in a deadlock. The server tells its victim no more than process numbers; this side is
 * known because it was watched, the other side as far as it can be found out.
 *
 * @param wanted the class that this side asked for last
 * @param victim this side
 * @param others whoever else was in the circle
 */
public record DeadlockReport(String wanted, Side victim, List<Side> others) {

  /** How much is known of a side. */
  public enum Known {
    /** It was watched in this JVM: what it holds and wants, and where. */
    WATCHED,
    /** {@code pg_stat_activity} showed what it was running shortly after. */
    ACTIVITY,
    /** Its process number alone. */
    PROCESS
  }

  /**
   * One transaction.
   *
   * @param pid the server's process, 0 if not known
   * @param known how the rest was found out
   * @param held what it holds, in the order in which it was taken
   * @param wanted what it waited for, if that is known
   * @param statement its statement, masked
   * @param application its {@code application_name}; empty if not known
   */
  public record Side(
      long pid,
      Known known,
      List<LockStep> held,
      @Nullable LockStep wanted,
      String statement,
      String application) {
    public Side {
      held = List.copyOf(held);
    }
  }

  public DeadlockReport {
    others = List.copyOf(others);
  }

  /** The class that the other side asked for, {@code unknown} if it was not watched. */
  public String wantedByOther() {
    return others.stream()
        .map(Side::wanted)
        .filter(step -> step != null)
        .map(LockStep::lockClass)
        .findFirst()
        .orElse("unknown");
  }

  /** The report that a failure carries, however it is wrapped. */
  public static Optional<DeadlockReport> in(Throwable failure) {
    Throwable each = failure;
    for (int depth = 0; each != null && depth < 20; depth++) {
      if (each instanceof DeadlockException own) {
        return Optional.of(own.report());
      }
      for (Throwable suppressed : each.getSuppressed()) {
        if (suppressed instanceof DeadlockNote note) {
          return Optional.of(note.report());
        }
      }
      each = each.getCause();
    }
    return Optional.empty();
  }

  @Override
  public String toString() {
    StringBuilder text = new StringBuilder("deadlock over ").append(wanted);
    append(text, "this side", victim);
    others.forEach(side -> append(text, "other side", side));
    return text.toString();
  }

  private static void append(StringBuilder text, String who, Side side) {
    text.append("\n  ").append(who).append(", process ").append(side.pid());
    if (!side.application().isEmpty()) {
      text.append(" of ").append(side.application());
    }
    side.held().forEach(step -> text.append("\n    holds ").append(step));
    if (side.wanted() != null) {
      text.append("\n    wants ").append(side.wanted());
    } else if (!side.statement().isEmpty()) {
      text.append("\n    last seen running ").append(side.statement());
    } else {
      text.append("\n    of which no more is known: it was not watched in this JVM, and");
      text.append(" pg_stat_activity did not show it");
    }
  }
}
