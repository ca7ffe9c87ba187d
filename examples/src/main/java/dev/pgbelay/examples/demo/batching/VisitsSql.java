package dev.pgbelay.examples.demo.batching;

import org.jooq.DSLContext;

/** What jOOQ has no words for. */
final class VisitsSql {
  private static final String VACUUM =
      """
      VACUUM (ANALYZE) shop.visit
      """;

  private VisitsSql() {}

  static void vacuum(DSLContext dsl) {
    dsl.execute(VACUUM);
  }
}
