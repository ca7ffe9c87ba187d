package dev.pgbelay.reconcile.check;

import dev.pgbelay.core.internal.MissingTable;
import dev.pgbelay.core.internal.OptionRange;
import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.reconcile.Declaration;
import dev.pgbelay.reconcile.internal.Given;
import java.util.List;
import org.jooq.DSLContext;

/**
 * Reads what checkers have found. Each read is one statement and opens no transaction. Immutable
 * and safe for several threads.
 */
public final class Findings {
  private final String schema;

  private Findings(String schema) {
    this.schema = schema;
  }

  /** In the schema {@value SchemaInstaller#DEFAULT_SCHEMA}. */
  public static Findings create() {
    return inSchema(SchemaInstaller.DEFAULT_SCHEMA);
  }

  public static Findings inSchema(String schema) {
    return new Findings(Given.schema(schema));
  }

  /**
   * Findings of a declaration by ascending id.
   *
   * @param afterId the id of the last one of the page before; 0 for the first page
   * @param most 1 to 10,000
   */
  public List<Finding> list(
      DSLContext dsl, Declaration declaration, Finding.State state, long afterId, int most) {
    OptionRange.require("most", most, 1, 10_000);
    OptionRange.require("afterId", afterId, 0L, Long.MAX_VALUE);
    Given.required("findings: dsl", dsl);
    Given.required("findings: declaration", declaration);
    Given.required("findings: state", state);
    try {
      return new FindingSql(schema, declaration).list(dsl, state, afterId, most);
    } catch (RuntimeException e) {
      throw MissingTable.explained(e, "findings", "reconcile");
    }
  }
}
