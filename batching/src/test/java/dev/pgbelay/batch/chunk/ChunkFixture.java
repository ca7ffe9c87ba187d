package dev.pgbelay.batch.chunk;

import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.name;
import static org.jooq.impl.DSL.table;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.testing.TemplateInitializer;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Supplier;
import javax.sql.DataSource;
import org.jooq.DSLContext;
import org.jooq.Field;
import org.jooq.Record;
import org.jooq.SQLDialect;
import org.jooq.Table;
import org.jooq.impl.DSL;
import org.jooq.impl.SQLDataType;

/** A table to work on, and one that counts how often each of its rows was worked on. */
final class ChunkFixture {
  static final TemplateInitializer SCHEMA =
      dataSource -> {
        SchemaInstaller.builder(dataSource).modules("batch").build().install();
        DSL.using(dataSource, SQLDialect.POSTGRES)
            .execute(
                """
                create table item (
                  id bigint primary key,
                  tenant int not null,
                  made_at timestamptz not null,
                  note text,
                  done int not null default 0);
                create unique index item_by_time on item (made_at, id);
                create unique index item_by_tenant on item (tenant, id);
                create table effect (id bigint not null);
                """);
      };

  static final Table<Record> ITEM = table(name("item"));
  static final Field<Long> ID = field(name("id"), Long.class);
  static final Field<Integer> TENANT = field(name("tenant"), Integer.class);
  static final Field<java.time.OffsetDateTime> MADE_AT =
      field(name("made_at"), SQLDataType.TIMESTAMPWITHTIMEZONE);
  static final Field<String> NOTE = field(name("note"), String.class);
  static final Field<Integer> DONE = field(name("done"), Integer.class);
  static final Table<Record> EFFECT = table(name("effect"));

  /** Longer than a machine that does other work keeps a runner from renewing it. */
  static final Duration LONG_LEASE = Duration.ofSeconds(20);

  /** For tests that wait for its end. */
  static final Duration SHORT_LEASE = Duration.ofSeconds(1);

  private static final AtomicInteger NAMES = new AtomicInteger();

  private ChunkFixture() {}

  /** On a thread of its own: the common pool has a single one on two processors, from JDK 25 on. */
  static <T> CompletableFuture<T> started(Supplier<T> work) {
    return CompletableFuture.supplyAsync(
        work,
        task -> {
          Thread thread = new Thread(task, "started by a test");
          thread.setDaemon(true);
          thread.start();
        });
  }

  static String freshName() {
    return "job-" + NAMES.incrementAndGet();
  }

  static DSLContext dsl(DataSource dataSource) {
    return DSL.using(dataSource, SQLDialect.POSTGRES);
  }

  /** Rows 1 to {@code rows}, tenant id % 10, a minute older each. */
  static void fill(DSLContext dsl, int rows) {
    dsl.execute("truncate item, effect");
    dsl.execute(
        "insert into item select i, i % 10, now() - i * interval '1 minute', null, 0"
            + " from generate_series(1, "
            + rows
            + ") i");
    dsl.execute("analyze item");
  }

  /** Walks the items and writes one effect for each: shows what was done twice or left out. */
  static ChunkedJob.Builder effects(Transactions transactions, String name) {
    return quick(ChunkedJob.over(transactions, name, ITEM).key(ID))
        .apply("1", ChunkFixture::writeEffects);
  }

  static long writeEffects(Chunk chunk) {
    return chunk
        .tx()
        .dsl()
        .insertInto(EFFECT, ID)
        .select(DSL.select(ID).from(chunk.table()).where(chunk.rows()))
        .execute();
  }

  static ChunkedJob.Builder quick(ChunkedJob.Builder builder) {
    return builder
        .throttle(List.of())
        .chunkRows(100, 1, 100)
        .pollInterval(Duration.ofMillis(10))
        .signalInterval(Duration.ZERO)
        .lease(LONG_LEASE);
  }

  /** Rows that were worked on more than once. */
  static int doubled(DSLContext dsl) {
    return dsl.fetchCount(DSL.select(ID).from(EFFECT).groupBy(ID).having(DSL.count().gt(1)));
  }

  /** Rows that were not worked on. */
  static int leftOut(DSLContext dsl) {
    return dsl.fetchCount(
        DSL.select(ID)
            .from(ITEM)
            .whereNotExists(
                DSL.selectOne()
                    .from(EFFECT)
                    .where(
                        field(name("effect", "id"), Long.class)
                            .eq(field(name("item", "id"), Long.class)))));
  }
}
