package dev.pgbelay.core;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * Rides along, suppressed, on a failure that leaves a transaction: it says at 2 AM which path and
 * which attempt it was, and keeps the verdict that only the transaction could reach. A failure that
 * leaves several transactions, one inside another or one after another because the same instance is
 * thrown again, has one note with the last few verdicts.
 */
final class FailureNote extends Throwable {
  private static final long serialVersionUID = 1L;
  private static final int KEPT = 8;

  /**
   * @param attempt tells one run of one transaction from every other
   * @param atNanos when it was reached, by the monotonic clock
   */
  record Verdict(Object attempt, long atNanos, FailureKind kind, String text) {
    static Verdict of(Object attempt, String path, int number, FailureKind kind) {
      return now(
          attempt,
          kind,
          "path '" + path + "', attempt " + number + ": " + kind + ", " + kind.fate());
    }

    /** Of a stretch of a transaction that had a time of its own. */
    static Verdict ofStretch(Object attempt, String path, FailureKind kind) {
      return now(attempt, kind, "path '" + path + "', within a time of its own: " + kind);
    }

    /** Of a call that never got as far as an attempt. */
    static Verdict ofCall(Object call, String path, FailureKind kind) {
      return now(call, kind, "path '" + path + "': " + kind + ", " + kind.fate());
    }

    private static Verdict now(Object attempt, FailureKind kind, String text) {
      return new Verdict(attempt, System.nanoTime(), kind, text);
    }
  }

  private final transient @Nullable Deque<Verdict> verdicts = new ArrayDeque<>();

  private FailureNote() {
    super(null, null, false, false);
  }

  static void leave(Throwable failure, Verdict verdict) {
    synchronized (failure) {
      FailureNote note = on(failure);
      if (note == null) {
        note = new FailureNote();
        failure.addSuppressed(note);
      }
      note.add(verdict);
    }
  }

  /** The verdict of the transaction that the failure left last. */
  static @Nullable FailureKind latest(Throwable failure) {
    FailureNote note = on(failure);
    Verdict last = note == null ? null : note.last(null);
    return last == null ? null : last.kind();
  }

  /** What this very attempt has said of the failure, or of what it wraps. */
  static @Nullable FailureKind of(Object attempt, Throwable failure) {
    for (Throwable each : Failures.chain(failure)) {
      FailureNote note = on(each);
      Verdict own = note == null ? null : note.last(attempt);
      if (own != null) {
        return own.kind();
      }
    }
    return null;
  }

  /** Whether the failure left another transaction since then: one that ran inside. */
  static boolean isOfAnother(Throwable failure, long sinceNanos) {
    for (Throwable each : Failures.chain(failure)) {
      FailureNote note = on(each);
      Verdict last = note == null ? null : note.last(null);
      if (last != null && last.atNanos() - sinceNanos >= 0) {
        return true;
      }
    }
    return false;
  }

  private static @Nullable FailureNote on(Throwable failure) {
    for (Throwable suppressed : failure.getSuppressed()) {
      if (suppressed instanceof FailureNote note) {
        return note;
      }
    }
    return null;
  }

  private synchronized void add(Verdict verdict) {
    if (verdicts == null) {
      return;
    }
    if (verdicts.size() == KEPT) {
      verdicts.removeFirst();
    }
    verdicts.addLast(verdict);
  }

  private synchronized @Nullable Verdict last(@Nullable Object attempt) {
    Verdict last = null;
    if (verdicts != null) {
      for (Verdict each : verdicts) {
        last = attempt == null || each.attempt() == attempt ? each : last;
      }
    }
    return last;
  }

  @Override
  public synchronized String getMessage() {
    return verdicts == null
        ? "verdicts do not travel"
        : verdicts.stream().map(Verdict::text).collect(Collectors.joining("; then "));
  }
}
