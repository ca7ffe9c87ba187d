package dev.pgbelay.jobqueue.cron;

import com.cronutils.model.CronType;
import com.cronutils.model.definition.CronDefinition;
import com.cronutils.model.definition.CronDefinitionBuilder;
import com.cronutils.model.time.ExecutionTime;
import com.cronutils.parser.CronParser;
import dev.pgbelay.core.PgBelayException;
import java.time.Instant;
import java.time.LocalDateTime;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.time.ZonedDateTime;
import java.time.zone.ZoneOffsetTransition;
import java.time.zone.ZoneRules;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * The moments that a cron expression means in a time zone: minute, hour, day of month, month, day
 * of week (0 and 7 are Sunday), each of them {@code *}, numbers, names, ranges, steps or lists. No
 * seconds, no years. Where day of month and day of week are both given, either suffices, as POSIX
 * says.
 *
 * <p>When clocks are put forward, what falls into the hour that is skipped happens at its end,
 * once; a schedule of every hour skips it. When they are put back, what falls into the hour that
 * comes twice happens the first time; a schedule of every hour happens both times. "Of every hour"
 * is one whose hour field is {@code *}.
 *
 * <p>The expression is read by a library, on a calendar without zones; the zone is applied here.
 * Immutable and safe for several threads; two are equal if expression and zone are.
 */
public final class CronTimes {
  private static final CronDefinition UNIX =
      CronDefinitionBuilder.instanceDefinitionFor(CronType.UNIX);

  private final String expression;
  private final ZoneId zone;
  private final ZoneRules rules;
  private final ExecutionTime calendar;
  private final boolean everyHour;

  private CronTimes(String expression, ZoneId zone, ExecutionTime calendar, boolean everyHour) {
    this.expression = expression;
    this.zone = zone;
    this.rules = zone.getRules();
    this.calendar = calendar;
    this.everyHour = everyHour;
  }

  /**
   * Reads an expression.
   *
   * @throws PgBelayException if it is none, or one that cron implementations read in two ways: a
   *     step of all days of the month, such as every second one, together with days of the week, or
   *     the other way round
   */
  public static CronTimes of(String expression, ZoneId zone) {
    String clean = expression.strip().replaceAll("\\s+", " ");
    String[] fields = clean.split(" ", -1);
    if (fields.length != 5) {
      throw new PgBelayException(
          "cron \""
              + expression
              + "\" has "
              + fields.length
              + " fields: must be minute, hour, day of month, month, day of week");
    }
    if ((isStepOfAll(fields[2]) && !fields[4].equals("*"))
        || (isStepOfAll(fields[4]) && !fields[2].equals("*"))) {
      throw new PgBelayException(
          "cron \""
              + expression
              + "\" has a step of all days beside other days, which implementations of cron read in"
              + " two ways: name the days");
    }
    try {
      return new CronTimes(
          clean,
          zone,
          ExecutionTime.forCron(new CronParser(UNIX).parse(clean).validate()),
          fields[1].equals("*"));
    } catch (IllegalArgumentException e) {
      throw new PgBelayException(
          "cron \"" + expression + "\" cannot be read: " + e.getMessage(), e);
    }
  }

  private static boolean isStepOfAll(String field) {
    return field.startsWith("*/");
  }

  public String expression() {
    return expression;
  }

  public ZoneId zone() {
    return zone;
  }

  /** The first moment after that one; empty if there is none, as on a 30th of February. */
  public Optional<Instant> nextAfter(Instant moment) {
    return Optional.ofNullable(next(moment));
  }

  private @Nullable Instant next(Instant moment) {
    Instant from = moment;
    ZoneOffset offset = rules.getOffset(from);
    LocalDateTime after = afterRepeated(from, LocalDateTime.ofInstant(from, offset));
    while (true) {
      LocalDateTime local = onCalendar(after);
      if (local == null) {
        return null;
      }
      ZoneOffsetTransition transition = rules.nextTransition(from);
      if (transition == null || local.toInstant(offset).isBefore(transition.getInstant())) {
        return local.toInstant(offset);
      }
      // It lies beyond a change of the clocks: go on from there, by the clocks as they are then.
      from = transition.getInstant();
      offset = transition.getOffsetAfter();
      if (transition.isGap() && !everyHour && local.isBefore(transition.getDateTimeAfter())) {
        return from;
      }
      boolean skipRepeated = transition.isOverlap() && !everyHour;
      after =
          (skipRepeated ? transition.getDateTimeBefore() : transition.getDateTimeAfter())
              .minusNanos(1);
    }
  }

  /** Within the second pass of a repeated hour nothing happens that happened in the first. */
  private LocalDateTime afterRepeated(Instant from, LocalDateTime local) {
    ZoneOffsetTransition last = rules.previousTransition(from.plusNanos(1));
    return last != null
            && last.isOverlap()
            && !everyHour
            && local.isBefore(last.getDateTimeBefore())
        ? last.getDateTimeBefore().minusNanos(1)
        : local;
  }

  /** The library's answer for a place where clocks are never changed. */
  private @Nullable LocalDateTime onCalendar(LocalDateTime after) {
    return calendar
        .nextExecution(after.atZone(ZoneOffset.UTC))
        .map(ZonedDateTime::toLocalDateTime)
        .orElse(null);
  }

  @Override
  public boolean equals(@Nullable Object other) {
    return other instanceof CronTimes times
        && expression.equals(times.expression)
        && zone.equals(times.zone);
  }

  @Override
  public int hashCode() {
    return expression.hashCode() * 31 + zone.hashCode();
  }

  @Override
  public String toString() {
    return "\"" + expression + "\" in " + zone;
  }
}
