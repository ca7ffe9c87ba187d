package dev.pgbelay.outbox.retention;

import dev.pgbelay.batch.chunk.ChunkedJob;
import dev.pgbelay.batch.chunk.Purge;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.schema.SchemaInstaller;
import java.time.Duration;
import java.time.OffsetDateTime;
import org.jooq.Field;
import org.jooq.Table;
import org.jooq.impl.DSL;
import org.jooq.impl.SQLDataType;

/**
 * Forgets ids of messages that their producers gave, once nobody will append them again: a message
 * with such an id is appended as a new one then. Nothing else forgets them.
 */
public final class GivenIds {
  private GivenIds() {}

  /** In the schema {@value SchemaInstaller#DEFAULT_SCHEMA}. */
  public static ChunkedJob.Builder purge(Transactions transactions, Duration keep) {
    return purge(transactions, SchemaInstaller.DEFAULT_SCHEMA, keep);
  }

  /**
   * A job that forgets those that were appended longer ago, by the database's clock. Run it now and
   * then, in any process: one runs at a time. It needs the tables of module {@code batch} in the
   * same schema, and is told otherwise by its builder.
   *
   * @param keep longer than any producer tries again, at least 1 second
   */
  public static ChunkedJob.Builder purge(Transactions transactions, String schema, Duration keep) {
    Table<?> given = DSL.table(DSL.name(schema, "outbox_message_id"));
    Field<OffsetDateTime> age =
        DSL.field(DSL.name("appended_at"), SQLDataType.TIMESTAMPWITHTIMEZONE.nullable(false));
    Field<String> id = DSL.field(DSL.name("message_id"), SQLDataType.CLOB.nullable(false));
    return Purge.olderThan(transactions, "outbox-given-ids", given, age, keep)
        .key(age, id)
        .schema(schema);
  }
}
