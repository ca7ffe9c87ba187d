package dev.pgbelay.keyset;

import static dev.pgbelay.keyset.KeysetVerdict.Outcome.SLOW;
import static dev.pgbelay.keyset.KeysetVerdict.Outcome.UNPROVEN;
import static dev.pgbelay.keyset.KeysetVerdict.Outcome.UNSAFE;

import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.Tx;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.keyset.KeysetVerdict.Finding;
import dev.pgbelay.keyset.KeysetVerdict.Outcome;
import dev.pgbelay.keyset.Relation.Index;
import dev.pgbelay.keyset.Relation.TableName;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Pattern;
import org.jooq.DSLContext;
import org.jooq.Name;

/**
 * Asks a live database whether a query keeps its promise there: is its order unique, are its keys
 * NULL only where that was declared, does an index serve every branch of every shape as an index
 * condition, and if not, which index would.
 *
 * <p>The catalog answers for uniqueness and NULLs, the plan for the sides that outer joins may
 * leave NULL, a result without rows for the types of the keys. For the indexes the server plans
 * every shape with parameters it does not look at (a generic plan), with sequential scans and sorts
 * discouraged: so the answer is the same on an empty table in a test and on a full one. What the
 * planner chooses in production is also a matter of statistics, which this does not judge.
 *
 * <p>Runs in one short read-only transaction of its own, path {@code keyset-check}; reads the
 * catalog and no row of yours; changes nothing and leaves no setting behind. Needs no more than the
 * query's own grants. Blocks for about two round trips per shape: for start-up and for tests, not
 * per request. Safe for use by several threads.
 */
public final class KeysetCheck {
  private static final TxOptions OPTIONS =
      TxOptions.builder()
          .path("keyset-check")
          .readOnly(true)
          .setting("enable_seqscan", "off")
          .setting("enable_bitmapscan", "off")
          .setting("enable_sort", "off")
          .setting("enable_incremental_sort", "off")
          .setting("plan_cache_mode", "force_generic_plan")
          .build();

  private final KeysetQuery<?> query;
  private final PreparedQuery<?> prepared;
  private final List<Finding> findings = new ArrayList<>();
  private final Set<String> ddl = new LinkedHashSet<>();
  private final List<String> plans = new ArrayList<>();

  private KeysetCheck(KeysetQuery<?> query) {
    this.query = query;
    this.prepared = query.prepared();
  }

  /**
   * Asks the database, and returns the verdict. Give the query with a value for every named
   * parameter, as for a page.
   *
   * @throws InvalidPageRequestException if a named parameter has no value
   * @throws org.jooq.exception.DataAccessException if the database refuses the query itself
   */
  public static KeysetVerdict run(KeysetQuery<?> query, Transactions transactions) {
    query.filters().requireComplete();
    return transactions.run(OPTIONS, tx -> new KeysetCheck(query.under(tx.dsl())).verdict(tx));
  }

  private KeysetVerdict verdict(Tx tx) {
    prepared.meet(tx.dsl());
    GenericPlans explain = new GenericPlans(tx, query);
    PlanNode whole = explain.base();
    List<Relation> relations = relations(tx.dsl(), whole);
    Map<String, Relation.Column> columns = columnsOfKeys(relations);
    checkNulls(columns, OuterJoins.in(whole));
    checkUnique(relations, columns);
    List<String> types = prepared.reader().typeDifferences(tx.dsl(), query.filters());
    types.forEach(difference -> add(UNSAFE, difference));
    if (!types.isEmpty()) {
      // Statements for other types than the server has may not even be planned.
      return new KeysetVerdict(query.name(), findings, List.of(), plans);
    }
    Set<String> own = whole.conditions("Filter", "Index Cond", "Join Filter", "Recheck Cond");
    boolean served = true;
    for (PageShape shape : prepared.shapes()) {
      PlanNode plan = explain.shape(shape);
      plans.add(prepared.describe(shape) + "\n" + plan.describe());
      served &= checkServed(shape, plan, own);
    }
    if (!served) {
      advise(relations, columns);
    }
    return new KeysetVerdict(query.name(), findings, List.copyOf(ddl), plans);
  }

  /** The tables of the plan; where it reads partitions, the partitioned table instead. */
  private List<Relation> relations(DSLContext dsl, PlanNode plan) {
    Map<String, Relation> byAlias = new LinkedHashMap<>();
    plan.walk(
        node ->
            node.attribute("Relation Name")
                .ifPresent(
                    name -> {
                      TableName read =
                          new TableName(node.attribute("Schema").orElse("public"), name);
                      String alias = node.attribute("Alias").orElse(name);
                      Optional<TableName> root = Relation.root(dsl, read);
                      byAlias.computeIfAbsent(
                          root.isPresent() ? aliasOfRoot(alias) : alias,
                          of -> Relation.load(dsl, root.orElse(read), of));
                    }));
    return List.copyOf(byAlias.values());
  }

  /** PostgreSQL numbers the aliases of a partitioned table's partitions. */
  private String aliasOfRoot(String alias) {
    return prepared.keys().stream().anyMatch(key -> qualifier(key).equals(alias))
        ? alias
        : alias.replaceFirst("_\\d+$", "");
  }

  /** The column behind each key that is one, by the key's label. */
  private Map<String, Relation.Column> columnsOfKeys(List<Relation> relations) {
    Map<String, Relation.Column> found = new LinkedHashMap<>();
    for (SortKey key : prepared.keys()) {
      Relation.column(relations, key.field()).ifPresent(column -> found.put(key.label(), column));
    }
    return found;
  }

  private void checkNulls(Map<String, Relation.Column> columns, OuterJoins outer) {
    for (SortKey key : prepared.keys()) {
      Relation.Column column = columns.get(key.label());
      if (column != null && !key.nullable() && !column.notNull()) {
        add(
            UNSAFE,
            "key %s is declared NOT NULL but the column may be NULL: rows with NULL would be lost; set the column NOT NULL, or say where its NULLs go"
                .formatted(key.label()));
      } else if (column != null && !key.nullable() && outer.mayMiss(column.relation())) {
        add(
            UNSAFE,
            "key %s is declared never to be NULL, but it is NULL where the outer join finds no row of %s: such rows would be lost, or end their page with an error; say where its NULLs go with nullsFirst(), nullsLast() or nullable(...)"
                .formatted(key.label(), column.relation()));
      } else if (column == null && !key.nullable()) {
        add(
            UNPROVEN,
            "key %s is an expression or a column of a derived table: the catalog cannot show that it is never NULL%s"
                .formatted(
                    key.label(),
                    outer.isEmpty()
                        ? ""
                        : ", and an outer join may leave " + outer + " NULL below it"));
      }
    }
  }

  private void checkUnique(List<Relation> relations, Map<String, Relation.Column> columns) {
    for (Relation relation : relations) {
      Set<String> keys = new LinkedHashSet<>();
      columns.values().stream()
          .filter(column -> column.relation().equals(relation.alias()))
          .forEach(column -> keys.add(column.name()));
      if (relation.indexes().stream().anyMatch(index -> index.provesUnique(keys, relation))) {
        continue;
      }
      if (relations.size() == 1 && !prepared.base().isDerived()) {
        add(
            UNSAFE,
            "no unique index of %s lies within the order (%s): rows with equal keys would be lost or repeated at the border of two pages; order also by a unique key"
                .formatted(relation.qualifiedName(), prepared.describeOrder()));
      } else {
        add(
            UNPROVEN,
            "no unique index of %s lies within the order (%s): whether the result is unique rests on the declaration"
                .formatted(relation.qualifiedName(), prepared.describeOrder()));
      }
    }
  }

  /** Whether this plan reads contiguous index ranges only. */
  private boolean checkServed(PageShape shape, PlanNode plan, Set<String> own) {
    List<String> wrong = new ArrayList<>();
    plan.walk(
        node -> {
          if (node.isSort() && !node.children().stream().allMatch(PlanNode::isLimited)) {
            wrong.add("all its rows are sorted by " + node.attribute("Sort Key").orElse("?"));
          }
          if (node.type().equals("Seq Scan") && mayHoldKeys(node)) {
            wrong.add(node.attribute("Relation Name").orElse("?") + " is read from end to end");
          }
        });
    for (String filter : plan.conditions("Filter", "Join Filter")) {
      if (!own.contains(filter) && mentionsKey(filter)) {
        wrong.add("rows are read and then thrown away by " + filter);
      }
    }
    if (wrong.isEmpty()) {
      return true;
    }
    add(
        SLOW,
        "%s is not served by an index: %s"
            .formatted(prepared.describe(shape), String.join("; ", new LinkedHashSet<>(wrong))));
    return false;
  }

  private boolean mayHoldKeys(PlanNode scan) {
    String alias = scan.attribute("Alias").orElse("");
    return prepared.keys().stream()
        .anyMatch(
            key ->
                !key.field().getQualifiedName().qualified()
                    || isNamed(alias, key)
                    || prepared.base().isDerived());
  }

  /** PostgreSQL numbers the aliases of a table that stands in several branches. */
  private static boolean isNamed(String alias, SortKey key) {
    String qualifier = qualifier(key);
    return alias.equals(qualifier) || alias.matches(Pattern.quote(qualifier) + "_\\d+");
  }

  /** The table before a key's column; the key's own name where there is none. */
  private static String qualifier(SortKey key) {
    Name[] parts = key.field().getQualifiedName().parts();
    return parts[Math.max(0, parts.length - 2)].last();
  }

  private boolean mentionsKey(String condition) {
    return prepared.keys().stream().anyMatch(key -> condition.contains(key.field().getName()));
  }

  private void advise(List<Relation> relations, Map<String, Relation.Column> columns) {
    Set<String> homes = new LinkedHashSet<>();
    columns.values().forEach(column -> homes.add(column.relation()));
    if (prepared.base().isDerived()) {
      add(
          SLOW,
          "the select is a derived table (DISTINCT, GROUP BY, UNION, window functions or a limit of its own): whether an index can serve its order depends on what is inside");
      return;
    }
    if (homes.size() > 1 || (homes.isEmpty() && relations.size() != 1)) {
      add(
          SLOW,
          "the order spans several tables (%s): no single index can serve it; order by columns of one table, or keep a copy of the other's column in it"
              .formatted(String.join(", ", homes)));
      return;
    }
    Relation home =
        relations.stream()
            .filter(relation -> homes.isEmpty() || homes.contains(relation.alias()))
            .findFirst()
            .orElseThrow();
    IndexAdvice advice = new IndexAdvice(prepared, home, columns);
    for (Index index : home.indexes()) {
      Optional<String> reason = advice.whyNot(index);
      reason.ifPresent(text -> add(SLOW, text));
    }
    List<TableName> partitions = home.partitions();
    if (partitions.isEmpty()) {
      ddl.add(advice.createIndex());
      return;
    }
    for (TableName partition : partitions) {
      ddl.add(advice.createIndex(partition));
    }
    add(
        SLOW,
        "%s is partitioned, where CREATE INDEX CONCURRENTLY is refused: build the index on each partition, then run %s, which takes those over at once and serves later partitions"
            .formatted(home.qualifiedName(), advice.createIndexOnRoot()));
  }

  private void add(Outcome outcome, String message) {
    findings.add(new Finding(outcome, message));
  }
}
