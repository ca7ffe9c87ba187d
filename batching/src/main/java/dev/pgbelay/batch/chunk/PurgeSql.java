package dev.pgbelay.batch.chunk;

import static org.jooq.impl.DSL.inline;

import java.time.Duration;
import java.time.ZoneId;
import org.jooq.Condition;
import org.jooq.Field;
import org.jooq.impl.DSL;

/** Ages by the database's clock. */
final class PurgeSql {
  private static final String OLDER = "{0} < now() - {1} * interval '1 second'";
  private static final String OLDER_IN_ZONE =
      "{0} < (now() AT TIME ZONE {2}) - {1} * interval '1 second'";

  private PurgeSql() {}

  static Condition older(Field<?> at, Duration age) {
    return DSL.condition(OLDER, at, inline(age.toSeconds()));
  }

  static Condition older(Field<?> at, Duration age, ZoneId zone) {
    return DSL.condition(OLDER_IN_ZONE, at, inline(age.toSeconds()), inline(zone.getId()));
  }
}
