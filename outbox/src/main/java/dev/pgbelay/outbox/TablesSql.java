package dev.pgbelay.outbox;

import java.util.Locale;
import org.jooq.SQLDialect;
import org.jooq.impl.DSL;

/** The tables' quoted names, for the places {@code <message>}, {@code <lane>} and so on. */
final class TablesSql {
  private final String schema;

  TablesSql(String schema) {
    this.schema = schema;
  }

  /** The statement with the names in their places. */
  String fill(String sql) {
    return sql.replace("<destination>", name("outbox_destination"))
        .replace("<route>", name("outbox_route"))
        .replace("<message>", name("outbox_message"))
        .replace("<sequence>", name("outbox_message_id_seq"))
        .replace("<message id>", name("outbox_message_id"))
        .replace("<relay>", name("outbox_relay"))
        .replace("<lane>", name("outbox_lane"))
        .replace("<held key>", name("outbox_held_key"))
        .replace("<held>", name("outbox_held"))
        .replace("<dead>", name("outbox_dead"))
        .replace("<published>", name("outbox_published"));
  }

  /** One day's part of the published messages. */
  String slot(int number) {
    return name(String.format(Locale.ROOT, "outbox_published_%02d", number));
  }

  private String name(String table) {
    return DSL.using(SQLDialect.POSTGRES).render(DSL.table(DSL.name(schema, table)));
  }
}
