package dev.pgbelay.examples.demo;

import java.io.PrintStream;
import java.util.Locale;

/** Shows how far a task is: one line that redraws itself on a terminal, a few lines elsewhere. */
public final class Progress {
  private static final int CELLS = 28;
  private static final int LINES_PER_TASK = 4;

  private final PrintStream out;
  private final boolean live;
  private String task = "";
  private long startedAt;
  private long lastQuarter;

  /**
   * @param live true if {@code out} is a terminal
   */
  public Progress(PrintStream out, boolean live) {
    this.out = out;
    this.live = live;
  }

  /** Reports that {@code done} of {@code total} steps of {@code what} are done. */
  public void step(String what, long done, long total) {
    if (!what.equals(task)) {
      task = what;
      startedAt = System.nanoTime();
      lastQuarter = 0;
    }
    double share = Math.min(1, (double) done / Math.max(1, total));
    boolean finished = done >= total;
    if (live) {
      int full = (int) (share * CELLS);
      String bar = "█".repeat(full) + "░".repeat(CELLS - full);
      out.print("\r\033[K  " + line(what, bar + " ", share) + (finished ? "\n" : ""));
      out.flush();
    } else if ((long) (share * LINES_PER_TASK) > lastQuarter) {
      lastQuarter = (long) (share * LINES_PER_TASK);
      out.println("  " + line(what, "", share));
    }
    if (finished) {
      task = "";
    }
  }

  /** Says something that is not a step. */
  public void say(String what) {
    out.println(what);
  }

  private String line(String what, String bar, double share) {
    double seconds = (System.nanoTime() - startedAt) / 1e9;
    return String.format(Locale.ROOT, "%-28s %s%3.0f %%  %.1f s", what, bar, share * 100, seconds);
  }
}
