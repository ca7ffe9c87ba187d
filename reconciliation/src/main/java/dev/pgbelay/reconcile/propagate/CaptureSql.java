package dev.pgbelay.reconcile.propagate;

import static org.jooq.impl.DSL.val;

import dev.pgbelay.reconcile.OnDelete;
import dev.pgbelay.reconcile.Reference;
import dev.pgbelay.reconcile.internal.CaptureName;
import dev.pgbelay.reconcile.internal.CatalogSql;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jooq.DSLContext;
import org.jooq.Field;
import org.jooq.Record;
import org.jooq.impl.DSL;

/** The triggers' text. */
final class CaptureSql {
  /**
   * Row triggers, since only those are handed on to partitions. What is written must be readable in
   * every session, so the styles of output are fixed; conditions mean what they meant to whoever
   * installs it, so the search path is his. row_security is set so that REFUSE can change it for
   * the length of the function.
   */
  private static final String FUNCTION =
      """
      CREATE OR REPLACE FUNCTION ${function}() RETURNS trigger LANGUAGE plpgsql
      SET datestyle = 'ISO' SET intervalstyle = 'postgres' SET extra_float_digits = 1 SET bytea_output = hex
      SET search_path FROM CURRENT SET row_security = on
      AS $pgbelay$
      ${conflict}
      BEGIN
        IF current_setting('pgbelay.reconcile_undo', true) = 'on' THEN
          RETURN NULL;
        END IF;
        IF TG_OP = 'TRUNCATE' THEN
          ${truncated}
          RETURN NULL;
        END IF;
        IF ${refersToNothing} OR EXISTS (SELECT FROM ${parent} WHERE ${sameKey} AND (${counts})) THEN
          RETURN NULL;
        END IF;
        ${gone}
        RETURN NULL;
      END $pgbelay$\
      """;

  private static final String QUEUE =
      """
      INSERT INTO ${queue} (reference, parent_key, cause, urgency, due_at)
        VALUES (${name}, ${key}, TG_OP, ${urgency}, clock_timestamp() + interval '${grace} milliseconds');\
      """;

  /**
   * Children that a policy hides are an error. A foreign key looks with a newer snapshot than
   * REPEATABLE READ has; a trigger cannot, and would miss a child whose guard locked the parent.
   */
  private static final String REFUSE =
      """
      PERFORM set_config('row_security', 'off', true);
        IF EXISTS (SELECT FROM ${child} WHERE ${children} AND (${childWhere})) THEN
          RAISE EXCEPTION USING ERRCODE = 'foreign_key_violation', TABLE = TG_TABLE_NAME, SCHEMA = TG_TABLE_SCHEMA,
            MESSAGE = format('%s on %s is refused: rows of %s still refer to it (reference %s)',
                             TG_OP, TG_RELID::regclass, ${childName}, ${name}),
            HINT = 'Delete or change these rows first, or declare another rule than RESTRICT.';
        END IF;
        IF current_setting('transaction_isolation') = 'repeatable read' THEN
          RAISE EXCEPTION USING ERRCODE = '25008', TABLE = TG_TABLE_NAME, SCHEMA = TG_TABLE_SCHEMA,
            MESSAGE = format('%s on %s is refused under REPEATABLE READ, which does not see rows of %s that were committed since (reference %s)',
                             TG_OP, TG_RELID::regclass, ${childName}, ${name}),
            HINT = 'Delete under READ COMMITTED, or SERIALIZABLE if those who insert are too.';
        END IF;\
      """;

  private static final String DELETE_TRIGGER =
      """
      CREATE OR REPLACE TRIGGER ${trigger}_delete AFTER DELETE ON ${parent}
        FOR EACH ROW EXECUTE FUNCTION ${function}()\
      """;

  private static final String UPDATE_TRIGGER =
      """
      CREATE OR REPLACE TRIGGER ${trigger}_update AFTER UPDATE ON ${parent}
        FOR EACH ROW WHEN (${changed}) EXECUTE FUNCTION ${function}()\
      """;

  private static final String TRUNCATE_TRIGGER =
      """
      CREATE OR REPLACE TRIGGER ${trigger}_truncate AFTER TRUNCATE ON ${parent}
        FOR EACH STATEMENT EXECUTE FUNCTION ${function}()\
      """;

  private static final String PARTITIONS =
      """
      SELECT format('%I.%I', n.nspname, c.relname)
        FROM pg_partition_tree(to_regclass({0})) AS tree
        JOIN pg_class c ON c.oid = tree.relid
        JOIN pg_namespace n ON n.oid = c.relnamespace
       WHERE tree.level > 0 ORDER BY 1\
      """;

  private static final String STATE =
      """
      SELECT to_regprocedure({0}) IS NOT NULL,
             (SELECT count(DISTINCT t.tgtype) FROM pg_trigger t
               WHERE t.tgrelid = to_regclass({1}) AND t.tgfoid = to_regprocedure({0})
                 AND t.tgenabled IN ('O', 'A'))\
      """;

  private static final int TRIGGERS = 3;

  private final DSLContext dsl;
  private final String schema;

  CaptureSql(DSLContext dsl, String schema) {
    this.dsl = dsl;
    this.schema = schema;
  }

  List<String> install(List<Reference> references) {
    List<String> statements = new ArrayList<>();
    for (Reference each : references) {
      Map<String, String> parts = parts(each);
      statements.add(fill(FUNCTION, parts));
      statements.add(fill(DELETE_TRIGGER, parts));
      statements.add(fill(UPDATE_TRIGGER, parts));
      statements.add(fill(TRUNCATE_TRIGGER, parts));
      for (String partition : partitions(part(parts, "parent"))) {
        statements.add(
            TRUNCATE_TRIGGER
                .replace("${trigger}", part(parts, "trigger"))
                .replace("${function}", part(parts, "function"))
                .replace("${parent}", partition));
      }
    }
    return statements;
  }

  List<String> uninstall(List<Reference> references) {
    return references.stream()
        .map(each -> "DROP FUNCTION IF EXISTS " + function(each) + "() CASCADE")
        .toList();
  }

  DeleteCapture.State state(List<Reference> references) {
    int there = 0;
    int whole = 0;
    for (Reference each : references) {
      Record row =
          dsl.resultQuery(
                  STATE,
                  val(function(each) + "()"),
                  val(CatalogSql.get(dsl, each, each.parent()).name()))
              .fetchSingle();
      there += Boolean.TRUE.equals(row.get(0)) ? 1 : 0;
      whole += Integer.valueOf(TRIGGERS).equals(row.get(1, Integer.class)) ? 1 : 0;
    }
    return there == 0
        ? DeleteCapture.State.GONE
        : whole == references.size() ? DeleteCapture.State.INSTALLED : DeleteCapture.State.PARTLY;
  }

  /** Not as a template: a condition may have braces in its texts. */
  void run(String statement) {
    dsl.query("{0}", DSL.raw(statement)).execute();
  }

  private List<String> partitions(String parent) {
    return dsl.resultQuery(PARTITIONS, val(parent)).fetch(0, String.class);
  }

  private Map<String, String> parts(Reference reference) {
    String parent = CatalogSql.get(dsl, reference, reference.parent()).name();
    String child = CatalogSql.get(dsl, reference, reference.child()).name();
    List<String> old = reference.parentColumns().stream().map(each -> "OLD." + name(each)).toList();
    List<String> now = reference.parentColumns().stream().map(each -> "NEW." + name(each)).toList();
    List<String> to =
        reference.parentColumns().stream().map(each -> parent + "." + name(each)).toList();
    List<String> from =
        reference.childColumns().stream().map(each -> child + "." + name(each)).toList();
    boolean everyRow = reference.parentWhere().equals(DSL.noCondition());
    String orphan =
        all(from, " IS NOT NULL")
            + " AND NOT EXISTS (SELECT FROM (SELECT "
            + String.join(", ", aliased(to))
            + " FROM "
            + parent
            + " WHERE "
            + dsl.renderInlined(reference.parentWhere())
            + ") AS pgbelay_parent WHERE "
            + same(aliases(to.size()), from)
            + ")";
    Map<String, String> parts =
        new java.util.HashMap<>(
            Map.of(
                "queue",
                dsl.render(DSL.name(schema, "reconcile_deleted")),
                "function",
                function(reference),
                "trigger",
                CaptureName.trigger(reference),
                "parent",
                parent,
                "child",
                child,
                "name",
                text(reference.name()),
                "childName",
                text(child),
                "urgency",
                String.valueOf(place(reference.urgency())),
                "grace",
                String.valueOf(reference.grace().toMillis()),
                "childWhere",
                dsl.renderInlined(reference.childWhere())));
    parts.put("conflict", conflict(reference));
    parts.put("counts", dsl.renderInlined(reference.parentWhere()));
    parts.put(
        "refersToNothing",
        old.stream().map(each -> each + " IS NULL").collect(Collectors.joining(" OR ", "(", ")")));
    parts.put("sameKey", same(to, old));
    parts.put(
        "changed",
        everyRow
            ? "ROW("
                + String.join(", ", old)
                + ") IS DISTINCT FROM ROW("
                + String.join(", ", now)
                + ")"
            : "true");
    String effect = reference.onDelete().action() == OnDelete.Action.RESTRICT ? REFUSE : QUEUE;
    String key =
        old.stream()
            .map(each -> "cast(" + each + " AS text)")
            .collect(Collectors.joining(", ", "jsonb_build_array(", ")"));
    parts.put(
        "gone", fill(effect.replace("${key}", key).replace("${children}", same(from, old)), parts));
    parts.put(
        "truncated", fill(effect.replace("${key}", "NULL").replace("${children}", orphan), parts));
    return parts;
  }

  /**
   * Columns may be called as variables are ({@code found}); in tables called as variables are it
   * must not be guessed.
   */
  private static String conflict(Reference reference) {
    return Stream.of(reference.parent(), reference.child())
            .anyMatch(table -> Set.of("old", "new").contains(table.getName()))
        ? ""
        : "#variable_conflict use_column";
  }

  private String function(Reference reference) {
    return dsl.render(DSL.name(schema, "reconcile_capture_" + CaptureName.hash(reference)));
  }

  private String name(Field<?> column) {
    return dsl.render(DSL.name(column.getName()));
  }

  private String text(String value) {
    return dsl.renderInlined(DSL.inline(value));
  }

  private static String all(List<String> columns, String holds) {
    return columns.stream().map(each -> each + holds).collect(Collectors.joining(" AND "));
  }

  private static String same(List<String> some, List<String> others) {
    List<String> pairs = new ArrayList<>();
    for (int k = 0; k < some.size(); k++) {
      pairs.add(some.get(k) + " = " + others.get(k));
    }
    return String.join(" AND ", pairs);
  }

  private static List<String> aliased(List<String> columns) {
    List<String> names = aliases(columns.size());
    List<String> whole = new ArrayList<>();
    for (int k = 0; k < columns.size(); k++) {
      whole.add(columns.get(k) + " AS " + names.get(k));
    }
    return whole;
  }

  private static List<String> aliases(int count) {
    List<String> names = new ArrayList<>();
    for (int k = 0; k < count; k++) {
      names.add("pgbelay_k" + k);
    }
    return names;
  }

  private static String part(Map<String, String> parts, String name) {
    return java.util.Objects.requireNonNull(parts.get(name));
  }

  private static String fill(String template, Map<String, String> parts) {
    String filled = template;
    for (Map.Entry<String, String> each : parts.entrySet()) {
      filled = filled.replace("${" + each.getKey() + "}", each.getValue());
    }
    return filled;
  }

  /** In the queue: the smallest is treated first. */
  static int place(Reference.Urgency urgency) {
    return switch (urgency) {
      case HIGH -> 0;
      case NORMAL -> 1;
      case LOW -> 2;
    };
  }
}
