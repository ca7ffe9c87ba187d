package dev.pgbelay.batch.chunk;

import static org.jooq.impl.DSL.inline;

import java.time.Duration;
import java.time.LocalDate;
import java.time.ZoneId;
import java.time.ZoneOffset;
import org.jooq.Condition;
import org.jooq.Field;
import org.jooq.impl.DSL;

/** Ages by the database's clock. The age is taken off an instant, never off a local time. */
final class PurgeSql {
  private static final String OLDER = "{0} < now() - {1} * interval '1 second'";

  /**
   * The first part is for the index. The second one decides about the hour that clocks pass twice:
   * PostgreSQL takes such a local time for the later one.
   */
  private static final String OLDER_IN_ZONE =
      """
      {0} < ((now() - {1} * interval '1 second') AT TIME ZONE {2})
      AND ({0} AT TIME ZONE {2}) < now() - {1} * interval '1 second'\
      """;

  /** Of a day all of which is older. */
  private static final String DAY_OLDER_IN_ZONE =
      "{0} < cast((now() - {1} * interval '1 second') AT TIME ZONE {2} AS date)";

  private PurgeSql() {}

  static Condition older(Field<?> at, Duration age) {
    return DSL.condition(OLDER, at, inline(wholeSeconds(age)));
  }

  static Condition older(Field<?> at, Duration age, ZoneId zone) {
    String sql = at.getType() == LocalDate.class ? DAY_OLDER_IN_ZONE : OLDER_IN_ZONE;
    return DSL.condition(sql, at, inline(wholeSeconds(age)), zone(zone));
  }

  /** Rounded up: nothing goes before its time. */
  private static long wholeSeconds(Duration age) {
    return age.toSeconds() + (age.toNanosPart() > 0 ? 1 : 0);
  }

  /** A text such as -08:00 would be read as POSIX has it: west of Greenwich positive. */
  private static Field<?> zone(ZoneId zone) {
    return zone.normalized() instanceof ZoneOffset offset
        ? DSL.field("({0} * interval '1 second')", inline(offset.getTotalSeconds()))
        : inline(zone.getId());
  }
}
