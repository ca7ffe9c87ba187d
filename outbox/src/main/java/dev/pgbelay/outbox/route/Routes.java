package dev.pgbelay.outbox.route;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Tx;
import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.outbox.internal.Installed;
import dev.pgbelay.outbox.internal.Names;
import java.util.List;
import org.jooq.DSLContext;

/**
 * Which topics go to which destinations. That is in the database, so that all nodes agree on it, in
 * the middle of a deploy too: an append writes a message for each destination that its topic has at
 * that moment.
 *
 * <p>Works in the caller's transaction and never ends it. Safe for several threads.
 */
public final class Routes {
  private final RouteSql sql;

  private Routes(RouteSql sql) {
    this.sql = sql;
  }

  /** Those of the schema {@value SchemaInstaller#DEFAULT_SCHEMA}. */
  public static Routes create() {
    return inSchema(SchemaInstaller.DEFAULT_SCHEMA);
  }

  /** Those of another schema. */
  public static Routes inSchema(String schema) {
    return new Routes(new RouteSql(schema));
  }

  /** What became of a call. */
  public enum Outcome {
    /** It was done. */
    DONE,
    /** It was so already; nothing was done. */
    UNCHANGED
  }

  /**
   * Has what is appended to a topic from now on go to a destination, too. The destination is made
   * if there is none of that name. What was appended before does not go there; see the guide on
   * replay.
   *
   * @throws PgBelayException naming the topic or destination, and the rule for its name; or if the
   *     tables are missing
   */
  public Outcome add(Tx tx, String topic, String destination) {
    Names.requireTopic(topic);
    Names.requireDestination(destination);
    return Installed.explained(
        () -> {
          sql.makeDestination(tx.dsl(), destination);
          return sql.add(tx.dsl(), topic, destination) == 1 ? Outcome.DONE : Outcome.UNCHANGED;
        });
  }

  /**
   * Has what is appended to a topic from now on no longer go to a destination. What was appended
   * before still does, and the destination stays.
   */
  public Outcome remove(Tx tx, String topic, String destination) {
    int removed = Installed.explained(() -> sql.remove(tx.dsl(), topic, destination));
    return removed == 1 ? Outcome.DONE : Outcome.UNCHANGED;
  }

  /** All of them, by topic and destination; one statement. */
  public List<Route> list(DSLContext dsl) {
    return Installed.explained(() -> sql.list(dsl));
  }
}
