package dev.pgbelay.batch;

import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A table as the catalog has it.
 *
 * @param name qualified and quoted
 * @param alias the name alone, quoted
 * @param kind {@code r} for a table, {@code p} for a partitioned one, {@code v} for a view, …
 * @param rules bits of pg_rewrite.ev_type over all rules that writes may meet
 * @param triggers bits of pg_trigger.tgtype over all row triggers that run before or instead
 * @param fingerprint changes with the definition
 */
record PgTable(
    long oid,
    String name,
    String alias,
    String kind,
    int rules,
    boolean rowSecurity,
    boolean tempAllowed,
    int major,
    int triggers,
    long fingerprint,
    Map<String, PgColumn> columns,
    List<UniqueIndex> uniqueIndexes) {
  private static final int ON_INSERT = 4;
  private static final int ON_UPDATE = 16;

  private static final int RULES_FOR_UPDATE = 1 << 2;
  private static final int RULES_FOR_INSERT = 1 << 3;
  private static final int RULES_FOR_DELETE = 1 << 4;

  boolean hasRules() {
    return rules != 0;
  }

  /** Whether the server may make something else of an operation's statement. */
  boolean hasRulesFor(WritePlan.Operation operation) {
    int met =
        switch (operation) {
          case INSERT -> RULES_FOR_INSERT;
          case UPSERT -> RULES_FOR_INSERT | RULES_FOR_UPDATE;
          case UPDATE -> RULES_FOR_UPDATE;
          case DELETE -> RULES_FOR_DELETE;
        };
    return (rules & met) != 0;
  }

  boolean isPartitioned() {
    return kind.equals("p");
  }

  /** Whether a trigger may keep a row from being inserted, or change it. */
  boolean mayDropInserts() {
    return (triggers & ON_INSERT) != 0 || hasRules() || !isPlain();
  }

  /** Of views and foreign tables nobody knows what becomes of a row. */
  private boolean isPlain() {
    return kind.equals("r") || isPartitioned();
  }

  boolean mayDropUpserts() {
    return (triggers & (ON_INSERT | ON_UPDATE)) != 0;
  }

  @Nullable UniqueIndex index(String indexName) {
    for (UniqueIndex index : uniqueIndexes) {
      if (index.name().equals(indexName)) {
        return index;
      }
    }
    return null;
  }
}
