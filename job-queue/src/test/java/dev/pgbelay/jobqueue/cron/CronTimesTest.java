package dev.pgbelay.jobqueue.cron;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.pgbelay.core.PgBelayException;
import java.time.Instant;
import java.time.LocalDateTime;
import java.time.OffsetDateTime;
import java.time.ZoneId;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The library that reads expressions is held to our own tables, and to a reading of our own. */
class CronTimesTest {
  private static final long SEED = Long.getLong("pgbelay.seed", System.nanoTime());

  private static Instant at(String text) {
    return OffsetDateTime.parse(text).toInstant();
  }

  private static List<String> next(String cron, String zone, String after, int count) {
    CronTimes times = CronTimes.of(cron, ZoneId.of(zone));
    List<String> moments = new ArrayList<>();
    Optional<Instant> moment = Optional.of(at(after));
    for (int i = 0; i < count && moment.isPresent(); i++) {
      moment = times.nextAfter(moment.get());
      moment.ifPresent(is -> moments.add(is.atZone(ZoneId.of(zone)).toOffsetDateTime().toString()));
    }
    return moments;
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "0 2 * * *      | Asia/Kathmandu | 2026-03-01T02:00+05:45 | 2026-03-02T02:00+05:45",
        "0 2 * * *      | Asia/Kathmandu | 2026-03-01T01:59:59.999999+05:45 | 2026-03-01T02:00+05:45",
        "*/15 9-17 * * 1-5 | Europe/Berlin | 2026-11-20T17:45+01:00 | 2026-11-23T09:00+01:00",
        "0 0 1 1 *      | UTC | 2026-01-01T00:00Z | 2027-01-01T00:00Z",
        "0 0 29 2 *     | UTC | 2026-03-01T00:00Z | 2028-02-29T00:00Z",
        "0 0 31 * *     | UTC | 2026-04-01T00:00Z | 2026-05-31T00:00Z",
        "30 6 * * SUN   | UTC | 2026-11-20T00:00Z | 2026-11-22T06:30Z",
        "30 6 * * 7     | UTC | 2026-11-20T00:00Z | 2026-11-22T06:30Z",
        "30 6 * * 0     | UTC | 2026-11-20T00:00Z | 2026-11-22T06:30Z",
        "0 12 13 * 5    | UTC | 2026-11-07T00:00Z | 2026-11-13T12:00Z",
        "0 12 15 * 5    | UTC | 2026-11-07T00:00Z | 2026-11-13T12:00Z",
        "0 12 15 * 5    | UTC | 2026-11-13T12:00Z | 2026-11-15T12:00Z",
        "5/20 * * * *   | UTC | 2026-11-07T00:26Z | 2026-11-07T00:45Z",
        "0 0 * JAN,jul * | UTC | 2026-02-07T00:00Z | 2026-07-01T00:00Z",
      })
  void plainCases(String cron, String zone, String after, String expected) {
    assertThat(CronTimes.of(cron, ZoneId.of(zone)).nextAfter(at(after))).contains(at(expected));
  }

  /** Clocks put forward: Berlin 2026-03-29 02:00 to 03:00. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "30 2 * * *     | 2026-03-28T12:00+01:00 | 2026-03-29T03:00+02:00, 2026-03-30T02:30+02:00",
        "0 2 * * *      | 2026-03-28T12:00+01:00 | 2026-03-29T03:00+02:00, 2026-03-30T02:00+02:00",
        "0 3 * * *      | 2026-03-28T12:00+01:00 | 2026-03-29T03:00+02:00, 2026-03-30T03:00+02:00",
        "0 2,3 * * *    | 2026-03-28T12:00+01:00 | 2026-03-29T03:00+02:00, 2026-03-30T02:00+02:00",
        "*/20 2 * * *   | 2026-03-28T12:00+01:00 | 2026-03-29T03:00+02:00, 2026-03-30T02:00+02:00",
        "30 * * * *     | 2026-03-29T00:45+01:00 | 2026-03-29T01:30+01:00, 2026-03-29T03:30+02:00",
        "*/30 * * * *   | 2026-03-29T01:20+01:00 | 2026-03-29T01:30+01:00, 2026-03-29T03:00+02:00",
        "59 1 * * *     | 2026-03-29T00:00+01:00 | 2026-03-29T01:59+01:00, 2026-03-30T01:59+02:00",
      })
  void clocksPutForward(String cron, String after, String expected) {
    assertThat(next(cron, "Europe/Berlin", after, 2)).containsExactly(expected.split(", "));
  }

  /** Clocks put back: Berlin 2026-10-25 03:00 to 02:00. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "30 2 * * *   | 2026-10-24T12:00+02:00 | 2026-10-25T02:30+02:00, 2026-10-26T02:30+01:00",
        "30 2 * * *   | 2026-10-25T02:10+01:00 | 2026-10-26T02:30+01:00, 2026-10-27T02:30+01:00",
        "0 3 * * *    | 2026-10-24T12:00+02:00 | 2026-10-25T03:00+01:00, 2026-10-26T03:00+01:00",
        "*/30 2-3 * * *| 2026-10-25T02:10+02:00 | 2026-10-25T02:30+02:00, 2026-10-25T03:00+01:00",
        "30 * * * *   | 2026-10-25T02:00+02:00 | 2026-10-25T02:30+02:00, 2026-10-25T02:30+01:00",
        "*/40 * * * * | 2026-10-25T02:10+02:00 | 2026-10-25T02:40+02:00, 2026-10-25T02:00+01:00",
      })
  void clocksPutBack(String cron, String after, String expected) {
    assertThat(next(cron, "Europe/Berlin", after, 2)).containsExactly(expected.split(", "));
  }

  @Test
  void otherZones_changeTheirClocksAtMidnightByHalfAnHourOrByADay() {
    assertThat(next("0 0 * * *", "Africa/Cairo", "2026-04-23T12:00+02:00", 2))
        .as("midnight is skipped")
        .containsExactly("2026-04-24T01:00+03:00", "2026-04-25T00:00+03:00");
    assertThat(next("15 2 * * *", "Australia/Lord_Howe", "2026-10-03T12:00+10:30", 2))
        .as("half an hour is skipped")
        .containsExactly("2026-10-04T02:30+11:00", "2026-10-05T02:15+11:00");
    assertThat(next("45 1 * * *", "Australia/Lord_Howe", "2026-04-04T12:00+11:00", 2))
        .as("half an hour comes twice")
        .containsExactly("2026-04-05T01:45+11:00", "2026-04-06T01:45+10:30");
    assertThat(next("0 12 * * *", "Pacific/Apia", "2011-12-29T11:00-10:00", 3))
        .as("a day is skipped")
        .containsExactly(
            "2011-12-29T12:00-10:00", "2011-12-31T00:00+14:00", "2011-12-31T12:00+14:00");
    assertThat(next("0 2 * * *", "America/New_York", "2026-03-07T12:00-05:00", 2))
        .containsExactly("2026-03-08T03:00-04:00", "2026-03-09T02:00-04:00");
    assertThat(next("30 1 * * *", "America/New_York", "2026-10-31T12:00-04:00", 2))
        .containsExactly("2026-11-01T01:30-04:00", "2026-11-02T01:30-05:00");
  }

  @Test
  void expressionThatMeansNoMoment_hasNoNext() {
    assertThat(CronTimes.of("0 0 30 2 *", ZoneOffset.UTC).nextAfter(at("2026-01-01T00:00Z")))
        .isEmpty();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "* * * *",
        "* * * * * *",
        "60 * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "* * * 13 *",
        "* * * * 8",
        "a * * * *",
        "@daily",
        "5-1 * * * *",
        "* * */2 * 1",
        "* * 13 * */2"
      })
  void badExpression_isRefusedByName(String cron) {
    assertThatThrownBy(() -> CronTimes.of(cron, ZoneOffset.UTC))
        .isInstanceOf(PgBelayException.class)
        .hasMessageContaining("cron \"" + cron + "\"");
  }

  @Test
  void expressionsWithOtherBlanks_areEqual() {
    assertThat(CronTimes.of(" 0  2 * *\t* ", ZoneOffset.UTC))
        .isEqualTo(CronTimes.of("0 2 * * *", ZoneOffset.UTC))
        .hasSameHashCodeAs(CronTimes.of("0 2 * * *", ZoneOffset.UTC))
        .isNotEqualTo(CronTimes.of("0 2 * * *", ZoneId.of("Europe/Berlin")))
        .hasToString("\"0 2 * * *\" in Z");
  }

  /** In every zone: ascending, and what the clocks show is what the expression says. */
  @Test
  void randomExpressions_agreeWithAReadingOfOurOwn() {
    System.out.println("pgbelay.seed=" + SEED);
    Random random = new Random(SEED);
    List<String> zones =
        List.of("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo");
    for (int i = 0; i < 3_000; i++) {
      String cron = randomCron(random);
      CronTimes inUtc = CronTimes.of(cron, ZoneOffset.UTC);
      LocalDateTime after =
          LocalDateTime.of(2026, 1, 1, 0, 0).plusMinutes(random.nextInt(3_000_000));
      assertThat(
              inUtc
                  .nextAfter(after.toInstant(ZoneOffset.UTC))
                  .map(is -> LocalDateTime.ofInstant(is, ZoneOffset.UTC)))
          .as("\"%s\" after %s", cron, after)
          .isEqualTo(Reading.of(cron).next(after));
      String zone = zones.get(random.nextInt(zones.size()));
      Instant from = nearAChange(after.toInstant(ZoneOffset.UTC), ZoneId.of(zone), random);
      Optional<Instant> there = CronTimes.of(cron, ZoneId.of(zone)).nextAfter(from);
      assertThat(there)
          .as("\"%s\" after %s in %s", cron, from, zone)
          .isEqualTo(Reading.of(cron).next(from, ZoneId.of(zone)));
    }
  }

  /** Half of the time within hours of a change of the clocks. */
  private static Instant nearAChange(Instant moment, ZoneId zone, Random random) {
    var change = zone.getRules().nextTransition(moment);
    return change == null || random.nextBoolean()
        ? moment
        : change.getInstant().plusSeconds(60L * (random.nextInt(480) - 240));
  }

  private static String randomCron(Random random) {
    while (true) {
      String cron =
          String.join(
              " ",
              field(random, 0, 59),
              field(random, 0, 23),
              field(random, 1, 31),
              field(random, 1, 12),
              field(random, 0, 6));
      List<String> fields = List.of(cron.split(" ", -1));
      boolean twoReadings =
          (fields.get(2).startsWith("*/") && !fields.get(4).equals("*"))
              || (fields.get(4).startsWith("*/") && !fields.get(2).equals("*"));
      if (!twoReadings) {
        return cron;
      }
    }
  }

  private static String field(Random random, int least, int most) {
    int first = least + random.nextInt(most - least + 1);
    int last = first + random.nextInt(most - first + 1);
    return switch (random.nextInt(6)) {
      case 0, 1 -> "*";
      case 2 -> String.valueOf(first);
      case 3 -> first + "-" + last + (last > first ? "/" + (1 + random.nextInt(last - first)) : "");
      case 4 -> "*/" + (1 + random.nextInt(most / 2));
      default ->
          new TreeSet<>(List.of(first, last, least))
              .stream().map(String::valueOf).collect(Collectors.joining(","));
    };
  }

  /** Walks the calendar; slow and plain. */
  private record Reading(
      BitSet minutes,
      BitSet hours,
      BitSet days,
      BitSet months,
      BitSet weekDays,
      List<String> fields) {
    static Reading of(String cron) {
      List<String> fields = List.of(cron.split(" ", -1));
      return new Reading(
          bits(fields.get(0), 0, 59),
          bits(fields.get(1), 0, 23),
          bits(fields.get(2), 1, 31),
          bits(fields.get(3), 1, 12),
          bits(fields.get(4), 0, 6),
          fields);
    }

    private static BitSet bits(String field, int least, int most) {
      BitSet bits = new BitSet();
      for (String part : field.split(",", -1)) {
        List<String> step = List.of(part.split("/", -1));
        List<String> range = List.of(step.get(0).split("-", -1));
        int from = step.get(0).equals("*") ? least : Integer.parseInt(range.get(0));
        int to = step.get(0).equals("*") ? most : Integer.parseInt(range.get(range.size() - 1));
        for (int i = from; i <= to; i += step.size() > 1 ? Integer.parseInt(step.get(1)) : 1) {
          bits.set(i);
        }
      }
      return bits;
    }

    boolean fits(LocalDateTime time) {
      boolean day = days.get(time.getDayOfMonth());
      boolean weekDay = weekDays.get(time.getDayOfWeek().getValue() % 7);
      boolean either = !fields.get(2).equals("*") && !fields.get(4).equals("*");
      return minutes.get(time.getMinute())
          && hours.get(time.getHour())
          && months.get(time.getMonthValue())
          && (either ? day || weekDay : day && weekDay);
    }

    Optional<LocalDateTime> next(LocalDateTime after) {
      LocalDateTime time = after.plusMinutes(1);
      while (time.isBefore(after.plusYears(30))) {
        if (fits(time)) {
          return Optional.of(time);
        }
        boolean hour = fits(time.withMinute(minutes.nextSetBit(0)));
        boolean day = fits(time.withMinute(minutes.nextSetBit(0)).withHour(hours.nextSetBit(0)));
        time =
            hour
                ? time.plusMinutes(1)
                : day
                    ? time.withMinute(0).plusHours(1)
                    : time.withMinute(0).withHour(0).plusDays(1);
      }
      return Optional.empty();
    }

    /** Instant by instant from the first that can be it; the rules of the class, said otherwise. */
    Optional<Instant> next(Instant after, ZoneId zone) {
      boolean everyHour = fields.get(1).equals("*");
      LocalDateTime local = LocalDateTime.ofInstant(after, zone);
      List<Instant> found = new ArrayList<>();
      for (LocalDateTime from : List.of(local.minusHours(3), local)) {
        LocalDateTime time = from;
        for (int i = 0; i < 400 && found.isEmpty(); i++) {
          Optional<LocalDateTime> next = next(time);
          if (next.isEmpty()) {
            break;
          }
          time = next.get();
          found.addAll(instants(time, zone, everyHour, after));
        }
      }
      return found.stream()
          .min(Instant::compareTo)
          .map(first -> earliest(first, zone, everyHour, after));
    }

    private static List<Instant> instants(
        LocalDateTime time, ZoneId zone, boolean everyHour, Instant after) {
      List<Instant> all = new ArrayList<>();
      List<ZoneOffset> offsets = zone.getRules().getValidOffsets(time);
      if (offsets.isEmpty()) {
        if (!everyHour) {
          all.add(zone.getRules().getTransition(time).getInstant());
        }
      } else {
        all.add(time.toInstant(offsets.get(0)));
        if (offsets.size() > 1 && everyHour) {
          all.add(time.toInstant(offsets.get(1)));
        }
      }
      all.removeIf(is -> !is.isAfter(after));
      return all;
    }

    /** A later time of the clock can be an earlier moment where an hour comes twice. */
    private Instant earliest(Instant first, ZoneId zone, boolean everyHour, Instant after) {
      Instant best = first;
      LocalDateTime time = LocalDateTime.ofInstant(first, zone).minusHours(3);
      for (int i = 0; i < 400; i++) {
        Optional<LocalDateTime> next = next(time);
        if (next.isEmpty()
            || next.get().isAfter(LocalDateTime.ofInstant(first, zone).plusHours(3))) {
          break;
        }
        time = next.get();
        for (Instant is : instants(time, zone, everyHour, after)) {
          best = is.isBefore(best) ? is : best;
        }
      }
      return best;
    }
  }
}
