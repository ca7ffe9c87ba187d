package dev.pgbelay.reconcile.migrate;

import static org.jooq.impl.DSL.val;

import dev.pgbelay.reconcile.OnDelete;
import dev.pgbelay.reconcile.Reference;
import dev.pgbelay.reconcile.internal.CatalogSql;
import dev.pgbelay.reconcile.internal.TableShape;
import dev.pgbelay.reconcile.migrate.KeyState.Leaf;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.jooq.DSLContext;
import org.jooq.Field;
import org.jooq.Record;
import org.jooq.SQLDialect;
import org.jooq.impl.DSL;

/** Foreign keys in the catalog, and the statements that add, validate and drop them. */
final class KeySql {
  /** Keys that belong to a key of the whole table have a parent, and are left to that. */
  private static final String READ_KEYS =
      """
      SELECT c.conname, c.convalidated, c.confdeltype::text, c.confupdtype::text, c.confmatchtype::text,
             c.condeferrable, coalesce(to_jsonb(c) ->> 'conenforced', 'true') AS conenforced,
             CAST(c.confdelsetcols AS int[]) AS setcols, CAST(c.conkey AS int[]) AS conkey, CAST(c.confkey AS int[]) AS confkey
        FROM pg_constraint c
       WHERE c.contype = 'f' AND c.conrelid = CAST({0} AS oid) AND c.confrelid = CAST({1} AS oid)
         AND (c.conparentid = 0 OR {2})
       ORDER BY c.conname\
      """;

  private static final String READ_TABLE =
      """
      SELECT CAST(current_setting('server_version_num') AS int), relkind = 'p'
        FROM pg_class WHERE oid = CAST({0} AS oid)\
      """;

  private static final String READ_LEAVES =
      """
      SELECT format('%I.%I', n.nspname, c.relname)
        FROM pg_partition_tree(CAST(CAST({0} AS oid) AS regclass)) AS tree
        JOIN pg_class c ON c.oid = tree.relid
        JOIN pg_namespace n ON n.oid = c.relnamespace
       WHERE tree.isleaf AND tree.level > 0 AND c.relkind = 'r' ORDER BY 1\
      """;

  private static final String ADD =
      "ALTER TABLE %s %sADD CONSTRAINT %s FOREIGN KEY (%s) REFERENCES %s (%s)%s%s";
  private static final String DROP_IN_IT = "DROP CONSTRAINT %s, ";
  private static final String VALIDATE = "ALTER TABLE %s VALIDATE CONSTRAINT %s";
  private static final String DROP = "ALTER TABLE %s DROP CONSTRAINT %s";

  /** Both at once and at their highest, so that nobody is met half-way up. */
  private static final String LOCK = "LOCK TABLE %s, %s IN ACCESS EXCLUSIVE MODE";

  private static final DSLContext PLAIN = DSL.using(SQLDialect.POSTGRES);

  private final Reference reference;
  private final TableShape child;
  private final TableShape parent;
  private final KeyState state;

  /** Reads the catalog, and nothing later. */
  KeySql(DSLContext dsl, Reference reference) {
    this.reference = reference;
    this.child = CatalogSql.get(dsl, reference, reference.child());
    this.parent = CatalogSql.get(dsl, reference, reference.parent());
    this.state = read(dsl);
  }

  KeyState state() {
    return state;
  }

  String child() {
    return child.name();
  }

  String parent() {
    return parent.name();
  }

  private KeyState read(DSLContext dsl) {
    Record table = dsl.resultQuery(READ_TABLE, val(child.oid())).fetchSingle();
    boolean partitioned = Boolean.TRUE.equals(table.get(1));
    List<Leaf> leaves = new ArrayList<>();
    if (partitioned) {
      for (String leaf : dsl.resultQuery(READ_LEAVES, val(child.oid())).fetch(0, String.class)) {
        TableShape shape = CatalogSql.find(dsl, leaf).orElseThrow();
        leaves.add(new Leaf(leaf, keys(dsl, shape, true)));
      }
    }
    return new KeyState(
        Objects.requireNonNull(table.get(0, Integer.class)),
        partitioned,
        keys(dsl, child, false),
        leaves);
  }

  private List<KeyState.Key> keys(DSLContext dsl, TableShape table, boolean inherited) {
    Set<List<Integer>> wanted = new HashSet<>();
    for (int k = 0; k < reference.childColumns().size(); k++) {
      wanted.add(
          List.of(
              number(table, reference.childColumns().get(k)),
              number(parent, reference.parentColumns().get(k))));
    }
    List<KeyState.Key> keys = new ArrayList<>();
    for (Record row :
        dsl.resultQuery(READ_KEYS, val(table.oid()), val(parent.oid()), DSL.inline(inherited))
            .fetch()) {
      Integer[] from = Objects.requireNonNull(row.get("conkey", Integer[].class));
      Integer[] to = Objects.requireNonNull(row.get("confkey", Integer[].class));
      Set<List<Integer>> pairs = new HashSet<>();
      for (int k = 0; k < from.length; k++) {
        pairs.add(Arrays.asList(from[k], to[k]));
      }
      if (pairs.equals(wanted)) {
        boolean enforced = "true".equals(row.get("conenforced", String.class));
        keys.add(
            new KeyState.Key(
                Objects.requireNonNull(row.get("conname", String.class)),
                enforced && Boolean.TRUE.equals(row.get("convalidated")),
                enforced,
                differences(table, row, enforced)));
      }
    }
    return keys;
  }

  private static int number(TableShape table, Field<?> column) {
    return table.require(column.getName()).number();
  }

  private List<String> differences(TableShape table, Record row, boolean enforced) {
    List<String> found = new ArrayList<>();
    String rule = Objects.requireNonNull(row.get("confdeltype", String.class));
    OnDelete.Action action =
        switch (rule) {
          case "c" -> OnDelete.Action.CASCADE;
          case "n" -> OnDelete.Action.SET_NULL;
          case "d" -> OnDelete.Action.SET_DEFAULT;
          default -> OnDelete.Action.RESTRICT;
        };
    if (action != reference.onDelete().action()) {
      found.add(
          "the key's rule for deletes is %s, the declaration's %s"
              .formatted(action, reference.onDelete().action()));
    }
    Set<String> sets = setBy(table, row);
    Set<String> declared =
        reference.columnsToSet().stream().map(Field::getName).collect(Collectors.toSet());
    if (action == reference.onDelete().action() && !sets.equals(declared)) {
      found.add(
          "the key sets %s of its columns, the declaration %s"
              .formatted(new TreeSet<>(sets), new TreeSet<>(declared)));
    }
    if (!List.of("a", "r").contains(row.get("confupdtype", String.class))) {
      found.add("the key is ON UPDATE CASCADE or SET; here a changed key is a deleted parent");
    }
    if ("f".equals(row.get("confmatchtype", String.class))) {
      found.add("the key is MATCH FULL; here a key with one NULL refers to nothing");
    }
    if (Boolean.TRUE.equals(row.get("condeferrable"))) {
      found.add("the key can be deferred to the commit; a guard asks before the insert");
    }
    if (!enforced) {
      found.add("the key is NOT ENFORCED: it keeps nothing");
    }
    return found;
  }

  /** Names of the columns that the key sets, if any; none in the catalog stands for all. */
  private Set<String> setBy(TableShape table, Record row) {
    if (!List.of("n", "d").contains(row.get("confdeltype", String.class))) {
      return Set.of();
    }
    Integer[] some = row.get("setcols", Integer[].class);
    List<Integer> numbers =
        List.of(
            some == null || some.length == 0
                ? Objects.requireNonNull(row.get("conkey", Integer[].class))
                : some);
    return table.columns().entrySet().stream()
        .filter(column -> numbers.contains(column.getValue().number()))
        .map(Map.Entry::getKey)
        .collect(Collectors.toSet());
  }

  /** What a foreign key could not say. */
  static List<String> beyondKeys(Reference reference) {
    List<String> found = new ArrayList<>();
    OnDelete.Action action = reference.onDelete().action();
    if (action == OnDelete.Action.SOFT_DELETE || action == OnDelete.Action.CUSTOM) {
      found.add("a foreign key has no rule %s for deletes".formatted(action));
    }
    if (!reference.parentWhere().equals(DSL.noCondition())) {
      found.add("a foreign key counts every parent, also those that parentWhere leaves out");
    }
    if (!reference.childWhere().equals(DSL.noCondition())) {
      found.add("a foreign key looks at every child, also at those that childWhere leaves out");
    }
    return found;
  }

  String add(String table, String key, boolean notValid) {
    return add(table, List.of(), key, notValid);
  }

  /** In the place of others, which go in the same statement. */
  String add(String table, List<KeyState.Key> others, String key, boolean notValid) {
    return ADD.formatted(
        table,
        others.stream()
            .map(each -> DROP_IN_IT.formatted(quoted(each.name())))
            .collect(Collectors.joining()),
        quoted(key),
        columns(reference.childColumns()),
        parent.name(),
        columns(reference.parentColumns()),
        switch (reference.onDelete().action()) {
          case CASCADE -> " ON DELETE CASCADE";
          case SET_NULL -> " ON DELETE SET NULL" + some();
          case SET_DEFAULT -> " ON DELETE SET DEFAULT" + some();
          case RESTRICT, SOFT_DELETE, CUSTOM -> "";
        },
        notValid ? " NOT VALID" : "");
  }

  String validate(String table, String key) {
    return VALIDATE.formatted(table, quoted(key));
  }

  String drop(String table, String key) {
    return DROP.formatted(table, quoted(key));
  }

  String lockBoth() {
    return LOCK.formatted(parent.name(), child.name());
  }

  /** The columns that are set, where it is not all of them. */
  private String some() {
    List<Field<?>> set = reference.columnsToSet();
    return set.size() < reference.childColumns().size() ? " (" + columns(set) + ")" : "";
  }

  private String columns(List<Field<?>> columns) {
    return columns.stream().map(each -> quoted(each.getName())).collect(Collectors.joining(", "));
  }

  private String quoted(String name) {
    return PLAIN.render(DSL.name(name));
  }
}
