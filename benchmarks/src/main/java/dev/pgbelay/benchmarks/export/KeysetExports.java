package dev.pgbelay.benchmarks.export;

import static org.jooq.impl.DSL.field;
import static org.jooq.impl.DSL.name;
import static org.jooq.impl.DSL.param;
import static org.jooq.impl.DSL.select;
import static org.jooq.impl.DSL.table;

import dev.pgbelay.benchmarks.events.Event;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.token.KeyRing;
import dev.pgbelay.keyset.CursorCodec;
import dev.pgbelay.keyset.KeysetExport;
import dev.pgbelay.keyset.KeysetQuery;
import java.nio.charset.StandardCharsets;
import javax.sql.DataSource;
import org.jooq.Field;
import org.jooq.impl.SQLDataType;

/** pgbelay's export, by primary key. */
final class KeysetExports {
  private static final String LAST_ID = "last_id";
  private static final Field<Long> ID = field(name("id"), SQLDataType.BIGINT.notNull());

  private static final KeysetQuery<Event> EVENTS =
      KeysetQuery.from(
              select(
                      ID,
                      field(name("account_id"), SQLDataType.INTEGER),
                      field(name("created_at"), SQLDataType.TIMESTAMPWITHTIMEZONE),
                      field(name("status"), SQLDataType.INTEGER),
                      field(name("resolved_at"), SQLDataType.TIMESTAMPWITHTIMEZONE),
                      field(name("amount"), SQLDataType.BIGINT),
                      field(name("payload"), SQLDataType.CLOB))
                  .from(table(name("events")))
                  .where(ID.le(param(LAST_ID, Long.class))))
          .named("events")
          .orderBy(ID.asc())
          .unique(ID)
          .cursors(
              CursorCodec.signed(
                  KeyRing.of(
                      "bench",
                      "a key of 32 bytes for measuring.".getBytes(StandardCharsets.UTF_8))))
          .mapRow(Event::of)
          .build();

  private KeysetExports() {}

  /** Chunk by chunk, each in a transaction of its own; can be resumed. */
  static void run(DataSource dataSource, long lastId, boolean whole, ExportMeter meter) {
    export(dataSource, lastId).run(meter::row);
  }

  /** One consistent snapshot, read in parallel. */
  static ExportWay snapshot(int readers) {
    return (dataSource, lastId, whole, meter) ->
        export(dataSource, lastId).snapshot(readers, reader -> meter::row);
  }

  private static KeysetExport<Event> export(DataSource dataSource, long lastId) {
    return KeysetExport.of(EVENTS.with(LAST_ID, lastId), Transactions.of(dataSource));
  }
}
