package dev.pgbelay.keyset;

import java.util.ArrayList;
import java.util.List;
import org.jooq.Condition;
import org.jooq.Field;
import org.jooq.Param;
import org.jooq.impl.QOM;
import org.jspecify.annotations.Nullable;

/** What a WHERE says about single columns, as far as jOOQ's model shows it. */
final class Filters {
  private Filters() {}

  static boolean fixAColumn(@Nullable Condition where) {
    return !fixedColumns(where).isEmpty();
  }

  /** Fields that every row of the result has one value in. */
  static List<Field<?>> fixedColumns(@Nullable Condition where) {
    List<Field<?>> fixed = new ArrayList<>();
    collect(where, fixed);
    return fixed;
  }

  private static void collect(@Nullable Condition condition, List<Field<?>> fixed) {
    if (condition instanceof QOM.And and) {
      collect(and.$arg1(), fixed);
      collect(and.$arg2(), fixed);
    } else if (condition instanceof QOM.Eq<?> eq) {
      if (eq.$arg2() instanceof Param<?>) {
        fixed.add(eq.$arg1());
      } else if (eq.$arg1() instanceof Param<?>) {
        fixed.add(eq.$arg2());
      }
    }
  }
}
