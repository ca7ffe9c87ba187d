package dev.pgbelay.examples.demo.queue;

import static org.jooq.impl.DSL.currentOffsetDateTime;
import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.name;
import static org.jooq.impl.DSL.primaryKey;
import static org.jooq.impl.DSL.select;
import static org.jooq.impl.DSL.table;

import java.time.Duration;
import java.time.OffsetDateTime;
import java.util.List;
import org.jooq.DSLContext;
import org.jooq.Field;
import org.jooq.Record;
import org.jooq.Table;
import org.jooq.impl.DSL;
import org.jooq.impl.SQLDataType;
import org.jooq.types.DayToSecond;

/** The queue that every team writes, and a table of what its jobs have done. */
final class HandWritten {
  static final Table<Record> TASK = table(name("shop", "task"));
  private static final Field<Long> ID = field(name("id"), SQLDataType.BIGINT.nullable(false));
  private static final Field<OffsetDateTime> LOCKED_UNTIL =
      field(name("locked_until"), SQLDataType.TIMESTAMPWITHTIMEZONE);

  static final Table<Record> INVOICE = table(name("shop", "invoice"));
  static final Field<Long> TASK_ID = field(name("task_id"), SQLDataType.BIGINT.nullable(false));
  private static final Field<String> WRITTEN_BY = field(name("written_by"), SQLDataType.CLOB);

  private HandWritten() {}

  static void create(DSLContext dsl, int tasks) {
    dsl.dropTableIfExists(TASK).execute();
    dsl.createTable(TASK).columns(ID, LOCKED_UNTIL).constraints(primaryKey(ID)).execute();
    Field<Long> number = field(name("tasks", "id"), SQLDataType.BIGINT);
    dsl.insertInto(TASK, ID)
        .select(select(number).from(DSL.generateSeries(1, tasks).asTable("tasks", "id")))
        .execute();
    dsl.dropTableIfExists(INVOICE).execute();
    dsl.createTable(INVOICE).columns(TASK_ID, WRITTEN_BY).execute();
  }

  /** The next tasks, for as long as the lease. */
  static List<Long> claim(DSLContext dsl, int count, Duration lease) {
    return dsl.update(TASK)
        .set(LOCKED_UNTIL, currentOffsetDateTime().plus(DayToSecond.valueOf(lease)))
        .where(
            ID.in(
                select(ID)
                    .from(TASK)
                    .where(LOCKED_UNTIL.isNull().or(LOCKED_UNTIL.lt(currentOffsetDateTime())))
                    .orderBy(ID)
                    .limit(count)
                    .forUpdate()
                    .skipLocked()))
        .returning(ID)
        .fetch(ID);
  }

  /** In one transaction: whether there was a task. */
  static boolean workOffOne(DSLContext dsl) {
    return dsl.transactionResult(
        in -> {
          Long id =
              in.dsl()
                  .select(ID)
                  .from(TASK)
                  .orderBy(ID)
                  .limit(1)
                  .forUpdate()
                  .skipLocked()
                  .fetchOne(ID);
          return id != null && in.dsl().deleteFrom(TASK).where(ID.eq(id)).execute() == 1;
        });
  }

  /** Does the task, and takes it out of the queue by its id. */
  static void writeInvoice(DSLContext dsl, long task, String by) {
    dsl.transaction(
        in -> {
          insertInvoice(in.dsl(), task, by);
          in.dsl().deleteFrom(TASK).where(ID.eq(task)).execute();
        });
  }

  static void insertInvoice(DSLContext dsl, long task, String by) {
    dsl.insertInto(INVOICE, TASK_ID, WRITTEN_BY).values(task, by).execute();
  }

  /** Invoices beyond the first of a task. */
  static int doubled(DSLContext dsl) {
    return dsl.fetchCount(INVOICE) - dsl.fetchCount(dsl.selectDistinct(TASK_ID).from(INVOICE));
  }
}
