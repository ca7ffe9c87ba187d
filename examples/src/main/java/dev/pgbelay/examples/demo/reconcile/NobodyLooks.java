package dev.pgbelay.examples.demo.reconcile;

import static org.jooq.impl.DSL.coalesce;
import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.inline;
import static org.jooq.impl.DSL.name;
import static org.jooq.impl.DSL.select;
import static org.jooq.impl.DSL.sum;
import static org.jooq.impl.DSL.table;

import dev.pgbelay.examples.demo.DemoContext;
import dev.pgbelay.examples.demo.Study;
import dev.pgbelay.examples.demo.report.Comparison;
import dev.pgbelay.examples.demo.report.Damage;
import dev.pgbelay.examples.demo.report.Measure;
import dev.pgbelay.reconcile.Declarations;
import dev.pgbelay.reconcile.DerivedValue;
import dev.pgbelay.reconcile.Invariant;
import dev.pgbelay.reconcile.Reference;
import dev.pgbelay.reconcile.check.CheckReport;
import dev.pgbelay.reconcile.check.Checker;
import dev.pgbelay.reconcile.check.DeclarationReport;
import dev.pgbelay.reconcile.repair.RepairPolicy;
import dev.pgbelay.reconcile.repair.Repairs;
import java.math.BigDecimal;
import java.util.List;
import java.util.Objects;
import org.jooq.DSLContext;
import org.jooq.Field;
import org.jooq.Record;
import org.jooq.Table;
import org.jooq.impl.SQLDataType;

/** How many rows are wrong after a year without rules, and after a night with them? */
final class NobodyLooks implements Study {
  private static final Table<Record> ORDERS = table(name("shop", "rule_order"));
  private static final Field<Long> ORDER =
      field(name("shop", "rule_order", "id"), SQLDataType.BIGINT);
  private static final Field<String> STATUS =
      field(name("shop", "rule_order", "status"), SQLDataType.CLOB);
  private static final Table<Record> LINES = table(name("shop", "rule_line"));

  private static final Declarations RULES =
      Declarations.of(
          "demo",
          Reference.builder("demo-order-customer")
              .child(ORDERS, field(name("customer_id"), SQLDataType.BIGINT))
              .parent(table(name("shop", "rule_customer")), field(name("id"), SQLDataType.BIGINT))
              .build(),
          DerivedValue.builder("demo-order-total")
              .column(ORDERS, field(name("shop", "rule_order", "total"), SQLDataType.NUMERIC))
              .mustEqual(
                  field(
                      select(
                              coalesce(
                                  sum(
                                      field(
                                          name("shop", "rule_line", "amount"),
                                          SQLDataType.NUMERIC)),
                                  inline(BigDecimal.ZERO)))
                          .from(LINES)
                          .where(
                              field(name("shop", "rule_line", "order_id"), SQLDataType.BIGINT)
                                  .eq(ORDER))),
                  LINES)
              .build(),
          Invariant.everyRow("demo-order-status", ORDERS, STATUS.in("open", "paid", "cancelled")));

  private static final String TASK = "Orphans, wrong totals, nine spellings";

  private record Wrong(long orphans, long totals, long statuses) {
    static Wrong count(DSLContext dsl) {
      return new Wrong(
          one(dsl, RulesSql.COUNT_ORPHANS),
          one(dsl, RulesSql.COUNT_WRONG_TOTALS),
          one(dsl, RulesSql.COUNT_STATUSES));
    }

    private static long one(DSLContext dsl, String sql) {
      return Objects.requireNonNull(dsl.fetchSingle(sql).get(0, Long.class));
    }

    long all() {
      return orphans + totals + statuses;
    }
  }

  @Override
  public Findings run(DemoContext context) {
    DSLContext dsl = context.primary();
    dsl.execute(RulesSql.CREATE_RULES);
    dsl.execute(RulesSql.NEGLECT);
    dsl.execute(RulesSql.ANALYZE);
    Wrong seeded = Wrong.count(dsl);
    context.progress().step(TASK, 1, 3);
    CheckReport report = Checker.builder(context.transactions(), RULES).build().run();
    long found = report.declarations().stream().mapToLong(DeclarationReport::open).sum();
    context.progress().step(TASK, 2, 3);
    Repairs.builder(context.transactions(), RULES)
        .policy("demo-order-customer", RepairPolicy.quarantine())
        .policy("demo-order-total", RepairPolicy.recompute())
        .policy(
            "demo-order-status",
            RepairPolicy.custom(
                (tx, finding) ->
                    tx.dsl().execute(RulesSql.CANCEL, org.jooq.impl.DSL.val(finding.rowKey()))))
        .ceiling(1_000)
        .build()
        .run();
    Wrong left = Wrong.count(dsl);
    context.progress().step(TASK, 3, 3);
    return new Findings(
        List.of(
            new Comparison(
                "nobody-looks",
                "Rows that break one of three rules, of 20,000 orders",
                "the rules are in people's heads",
                "three declarations: %,d confirmed of %,d seeded, and repaired with undo"
                    .formatted(found, seeded.all()),
                Measure.rows(seeded.all()),
                Measure.rows(left.all()),
                List.of(
                    new Damage("orders without customer", seeded.orphans(), left.orphans()),
                    new Damage("wrong totals", seeded.totals(), left.totals()),
                    new Damage("statuses nobody knows", seeded.statuses(), left.statuses())),
                "Every query answered. Nobody asked the one that would have told.")),
        List.of());
  }
}
