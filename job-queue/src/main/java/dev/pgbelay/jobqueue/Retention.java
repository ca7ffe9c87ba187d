package dev.pgbelay.jobqueue;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.internal.OptionRange;
import dev.pgbelay.jobqueue.inspect.JobState;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalInt;
import java.util.TreeMap;

/**
 * How long records are kept at least, in days.
 *
 * @param ofFinished of all finished jobs
 * @param longer of those of an outcome that is kept for longer
 * @param ofDead of dead letters; for ever unless said
 */
record Retention(int ofFinished, Map<String, Integer> longer, OptionalInt ofDead) {
  private static final Duration LEAST = Duration.ofDays(1);
  static final Duration MOST_OF_ALL = Duration.ofDays(28);
  private static final Duration MOST = Duration.ofDays(3_650);
  static final Retention DEFAULTS = new Retention(7, Map.of(), OptionalInt.empty());

  Retention {
    longer = Map.copyOf(longer);
  }

  Retention ofFinished(Duration time) {
    return new Retention(days("retention", time, MOST_OF_ALL), longer, ofDead);
  }

  Retention of(JobState ended, Duration time) {
    if (!ended.isFinished() && ended != JobState.DEAD) {
      throw new PgBelayException(
          "retention of "
              + ended
              + ": there are records of jobs that are DONE, DISCARDED, CANCELLED or DEAD; name one"
              + " of these");
    }
    int days = days("retention of " + ended, time, MOST);
    if (ended == JobState.DEAD) {
      return new Retention(ofFinished, longer, OptionalInt.of(days));
    }
    Map<String, Integer> more = new TreeMap<>(longer);
    more.put(ended.name().toLowerCase(Locale.ROOT), days);
    return new Retention(ofFinished, more, ofDead);
  }

  private static int days(String option, Duration time, Duration most) {
    OptionRange.requireWholeDays(option, time, LEAST, most, "records");
    return (int) time.toDays();
  }

  /** The outcomes whose records are saved when their day is emptied. */
  List<String> saved() {
    return longer.entrySet().stream()
        .filter(entry -> entry.getValue() > ofFinished)
        .map(Map.Entry::getKey)
        .sorted()
        .toList();
  }
}
