package dev.pgbelay.outbox;

import org.jooq.SQLDialect;
import org.jooq.impl.DSL;

/** The quoted names of the tables that a relay works on, for {@code <message>} and so on. */
final class RelayTables {
  private final String schema;

  RelayTables(String schema) {
    this.schema = schema;
  }

  /** The statement with the names in their places. */
  String fill(String sql) {
    return sql.replace("<destination>", name("outbox_destination"))
        .replace("<message>", name("outbox_message"))
        .replace("<sequence>", name("outbox_message_id_seq"))
        .replace("<relay>", name("outbox_relay"))
        .replace("<lane>", name("outbox_lane"))
        .replace("<held key>", name("outbox_held_key"))
        .replace("<held>", name("outbox_held"))
        .replace("<dead>", name("outbox_dead"));
  }

  private String name(String table) {
    return DSL.using(SQLDialect.POSTGRES).render(DSL.table(DSL.name(schema, table)));
  }
}
