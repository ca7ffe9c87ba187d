package dev.pgbelay.reconcile.internal;

import static dev.pgbelay.reconcile.OnDelete.Action.CASCADE;
import static dev.pgbelay.reconcile.OnDelete.Action.SET_NULL;

import dev.pgbelay.reconcile.Declaration;
import dev.pgbelay.reconcile.DeclarationException.Problem;
import dev.pgbelay.reconcile.DeclarationException.Reason;
import dev.pgbelay.reconcile.Declarations;
import dev.pgbelay.reconcile.DerivedValue;
import dev.pgbelay.reconcile.OnDelete;
import dev.pgbelay.reconcile.Reference;
import dev.pgbelay.reconcile.internal.TableShape.Column;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Predicate;
import org.jooq.DSLContext;
import org.jooq.Field;
import org.jooq.Table;
import org.jooq.exception.DataAccessException;
import org.jooq.impl.DSL;

/** Compares declarations with the catalog, in one transaction. Not safe for several threads. */
public final class DeclarationCheck {
  private final DSLContext dsl;
  private final boolean goesOn;
  private final List<Problem> problems = new ArrayList<>();
  private final Map<Long, Set<Reference>> cascadesFrom = new HashMap<>();
  private final Map<Reference, Long> cascadesTo = new HashMap<>();
  private Map<String, TableShape> shapes = Map.of();
  private Map<Long, List<IndexShape>> indexes = Map.of();

  /**
   * @param goesOn whether what the server refuses to plan is to be a problem among others; the
   *     exception ends the check otherwise, which saves a savepoint for each declaration
   */
  public DeclarationCheck(DSLContext dsl, boolean goesOn) {
    this.dsl = dsl;
    this.goesOn = goesOn;
  }

  /** Everything that does not fit. The server is asked to plan only what fits the catalog. */
  public List<Problem> problems(Declarations declarations) {
    readCatalog(declarations);
    for (Declaration each : declarations.all()) {
      int before = problems.size();
      Optional<TableShape> walked = walked(each);
      if (each instanceof Reference reference) {
        walked.ifPresent(child -> reference(reference, child));
      } else if (each instanceof DerivedValue derived) {
        walked.ifPresent(table -> columns(each, table, List.of(derived.column())));
      }
      each.reads().forEach(table -> shape(each, table));
      walked.ifPresent(table -> each.changedAt().ifPresent(at -> changes(each, table, at)));
      if (each instanceof DerivedValue derived) {
        derived
            .sourceChanges()
            .forEach(source -> walked.ifPresent(row -> source(each, row, source)));
      }
      if (problems.size() == before) {
        plan(each, ProbeSql.of(each, walked));
      }
    }
    cascadesFrom.keySet().forEach(start -> follow(start, start, new LinkedHashSet<>()));
    return problems;
  }

  private void readCatalog(Declarations declarations) {
    Set<String> tables = new LinkedHashSet<>();
    for (Declaration each : declarations.all()) {
      each.reads().forEach(table -> tables.add(dsl.render(table)));
      ProbeSql.walked(each).ifPresent(table -> tables.add(dsl.render(table)));
      if (each instanceof Reference reference) {
        tables.add(dsl.render(reference.parent()));
      }
      if (each instanceof DerivedValue derived) {
        derived.sourceChanges().forEach(source -> tables.add(dsl.render(source.source())));
      }
    }
    shapes = CatalogSql.find(dsl, tables);
    indexes = CatalogSql.indexes(dsl, shapes.values());
  }

  private boolean hasIndex(TableShape table, Predicate<IndexShape> fit) {
    return indexes.getOrDefault(table.oid(), List.of()).stream().anyMatch(fit);
  }

  private Optional<TableShape> walked(Declaration declaration) {
    Optional<Table<?>> table = ProbeSql.walked(declaration);
    if (table.isEmpty()) {
      return Optional.empty();
    }
    Optional<TableShape> shape = find(table.get());
    shape
        .filter(found -> found.primaryKey().isEmpty())
        .ifPresent(
            found ->
                refuse(
                    declaration,
                    Reason.NO_PRIMARY_KEY,
                    "%s has no primary key, by which the checker walks it and names its rows; add one"
                        .formatted(found.name())));
    return shape;
  }

  private void reference(Reference reference, TableShape child) {
    List<Column> from = columns(reference, child, reference.childColumns());
    Optional<TableShape> parent = find(reference.parent());
    List<Column> to =
        parent.map(found -> columns(reference, found, reference.parentColumns())).orElse(List.of());
    if (from.size() != to.size() || parent.isEmpty()) {
      return;
    }
    for (int k = 0; k < from.size(); k++) {
      types(reference, k, from.get(k), to.get(k));
    }
    if (!hasIndex(parent.get(), index -> index.makesUnique(to))) {
      refuse(
          reference,
          Reason.PARENT_NOT_UNIQUE,
          "no unique index without a WHERE serves the columns of the parent. Run: "
              + CatalogSql.uniqueIndexDdl(parent.get(), names(reference.parentColumns())));
    }
    if (!hasIndex(child, index -> index.leadsWith(from))) {
      refuse(
          reference,
          Reason.CHILD_NOT_INDEXED,
          "no index begins with the columns of the child, so each deleted parent would read the whole table. Run: "
              + CatalogSql.indexDdl(child, names(reference.childColumns())));
    }
    action(reference, child);
    if (reference.onDelete().action() == CASCADE && parent.get().oid() != child.oid()) {
      cascadesFrom.computeIfAbsent(parent.get().oid(), oid -> new LinkedHashSet<>()).add(reference);
      cascadesTo.put(reference, child.oid());
    }
  }

  private void changes(Declaration declaration, TableShape table, Field<?> changedAt) {
    List<Column> found = columns(declaration, table, List.of(changedAt));
    if (found.isEmpty() || table.primaryKey().isEmpty()) {
      return;
    }
    Column column = found.get(0);
    if (!column.notNull() || !column.type().matches("timestamp(\\(\\d\\))? with time zone")) {
      refuse(
          declaration,
          Reason.CHANGES_NOT_KNOWN,
          "column %s of %s is %s%s; incremental runs go by a timestamp with time zone NOT NULL"
              .formatted(
                  changedAt.getName(),
                  table.name(),
                  column.type(),
                  column.notNull() ? "" : " and may be NULL"));
    }
    List<String> walk = changeKey(table, changedAt.getName());
    List<Column> walked = walk.stream().map(each -> table.column(each).orElseThrow()).toList();
    if (!hasIndex(table, index -> index.walks(walked))) {
      refuse(
          declaration,
          Reason.CHANGES_NOT_INDEXED,
          "no index begins with %s, by which changed rows are found. Run: %s"
              .formatted(walk, CatalogSql.indexDdl(table, walk)));
    }
  }

  /** The columns by which changed rows are walked. */
  public static List<String> changeKey(TableShape table, String changedAt) {
    List<String> walk = new ArrayList<>();
    walk.add(changedAt);
    table.primaryKey().stream().filter(each -> !each.equals(changedAt)).forEach(walk::add);
    return walk;
  }

  private void source(Declaration declaration, TableShape row, DerivedValue.SourceChange change) {
    Optional<TableShape> source = shape(declaration, change.source());
    if (source.isEmpty()) {
      return;
    }
    if (source.get().primaryKey().isEmpty()) {
      refuse(
          declaration,
          Reason.NO_PRIMARY_KEY,
          "%s has no primary key, by which its changes are walked; add one"
              .formatted(source.get().name()));
      return;
    }
    changes(declaration, source.get(), change.changedAt());
    List<Column> refers = columns(declaration, source.get(), change.rowKey());
    List<Column> key =
        row.primaryKey().stream().map(each -> row.column(each).orElseThrow()).toList();
    if (refers.size() == change.rowKey().size()
        && !refers.stream()
            .map(Column::typeId)
            .toList()
            .equals(key.stream().map(Column::typeId).toList())) {
      refuse(
          declaration,
          Reason.TYPES_DIFFER,
          "columns %s of %s are not those of the primary key %s of %s; name those that are, in its order and types"
              .formatted(
                  names(change.rowKey()), source.get().name(), row.primaryKey(), row.name()));
    }
  }

  private void types(Reference reference, int place, Column from, Column to) {
    if (from.typeId() != to.typeId() || from.collation() != to.collation()) {
      refuse(
          reference,
          Reason.TYPES_DIFFER,
          "column %s of the child is %s, column %s of the parent is %s%s; give both one type"
              .formatted(
                  reference.childColumns().get(place).getName(),
                  from.type(),
                  reference.parentColumns().get(place).getName(),
                  to.type(),
                  from.typeId() == to.typeId() ? " of another collation" : ""));
    }
  }

  private void action(Reference reference, TableShape child) {
    OnDelete rule = reference.onDelete();
    for (Field<?> each : reference.columnsToSet()) {
      Column column = child.column(each.getName()).orElseThrow();
      boolean toNull = rule.action() == SET_NULL || !column.hasDefault();
      if (column.isGenerated()) {
        refuseGenerated(reference, each);
      } else if (toNull && column.notNull()) {
        refuse(
            reference,
            Reason.ACTION_IMPOSSIBLE,
            "on delete %s would set %s to NULL, and it is NOT NULL; name the others of the columns that refer, choose another action, or drop the NOT NULL"
                .formatted(rule.action(), each.getName()));
      }
    }
    List<Field<?>> assigned = List.copyOf(rule.assignments().keySet());
    columns(reference, child, assigned);
    assigned.stream()
        .filter(each -> child.column(each.getName()).filter(Column::isGenerated).isPresent())
        .forEach(each -> refuseGenerated(reference, each));
  }

  private void refuseGenerated(Reference reference, Field<?> column) {
    refuse(
        reference,
        Reason.ACTION_IMPOSSIBLE,
        "on delete %s would write %s, which is generated; choose another action"
            .formatted(reference.onDelete().action(), column.getName()));
  }

  /** Walks cascades from a table; only the smallest table of a circle tells of it. */
  private void follow(long start, long from, Set<Reference> path) {
    for (Reference each : cascadesFrom.getOrDefault(from, Set.of())) {
      if (!path.add(each)) {
        continue;
      }
      long to = cascadesTo.getOrDefault(each, 0L);
      if (to == start) {
        refuse(
            path.iterator().next(),
            Reason.CASCADE_CYCLE,
            "cascades lead back to where they began: %s; let one of them set NULL, or restrict"
                .formatted(path.stream().map(Reference::name).toList()));
      } else if (to > start) {
        follow(start, to, path);
      }
      path.remove(each);
    }
  }

  /** Within a savepoint, if the other declarations are to be asked about afterwards. */
  private void plan(Declaration declaration, Probe probe) {
    if (!goesOn) {
      dsl.explain(probe.over(DSL.noCondition()));
      return;
    }
    try {
      dsl.transaction(inner -> inner.dsl().explain(probe.over(DSL.noCondition())));
    } catch (DataAccessException e) {
      refuse(
          declaration,
          Reason.QUERY_REFUSED,
          "the server refuses what the checker would ask: " + e.getMessage());
    }
  }

  private Optional<TableShape> find(Table<?> table) {
    return Optional.ofNullable(shapes.get(dsl.render(table)));
  }

  private Optional<TableShape> shape(Declaration declaration, Table<?> table) {
    Optional<TableShape> shape = find(table);
    if (shape.isEmpty()) {
      refuse(
          declaration,
          Reason.TABLE_NOT_FOUND,
          "no table %s on the search path; check the name and the schema"
              .formatted(dsl.render(table)));
    }
    return shape;
  }

  private List<Column> columns(Declaration declaration, TableShape table, List<Field<?>> fields) {
    List<Column> found = new ArrayList<>();
    for (Field<?> field : fields) {
      table
          .column(field.getName())
          .ifPresentOrElse(
              found::add,
              () ->
                  refuse(
                      declaration,
                      Reason.COLUMN_NOT_FOUND,
                      "%s has no column %s; it has %s"
                          .formatted(table.name(), field.getName(), table.columns().keySet())));
    }
    return found;
  }

  private static List<String> names(List<Field<?>> fields) {
    return fields.stream().map(Field::getName).toList();
  }

  private void refuse(Declaration declaration, Reason reason, String text) {
    problems.add(new Problem(declaration.name(), reason, text));
  }
}
