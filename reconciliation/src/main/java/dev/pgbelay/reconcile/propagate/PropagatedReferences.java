package dev.pgbelay.reconcile.propagate;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.reconcile.Declarations;
import dev.pgbelay.reconcile.OnDelete;
import dev.pgbelay.reconcile.Reference;
import dev.pgbelay.reconcile.propagate.QueueSql.Entry;
import java.util.List;
import java.util.Objects;
import org.jooq.DSLContext;

/**
 * The references whose deletes are captured.
 *
 * @param schema of the library's tables
 * @param all that are declared: those with RESTRICT stand in the way of others
 * @param captured by name
 */
record PropagatedReferences(
    String schema, List<Reference> all, java.util.Map<String, Reference> captured) {
  static PropagatedReferences of(Declarations declarations, String schema) {
    List<Reference> all = declarations.references();
    return new PropagatedReferences(
        schema,
        all,
        all.stream()
            .filter(each -> each.onDelete().action() != OnDelete.Action.RESTRICT)
            .collect(java.util.stream.Collectors.toMap(Reference::name, each -> each)));
  }

  List<String> names() {
    return List.copyOf(captured.keySet());
  }

  /** Those whose rule is this one. */
  List<String> names(OnDelete.Action action) {
    return captured.values().stream()
        .filter(each -> each.onDelete().action() == action)
        .map(Reference::name)
        .toList();
  }

  Reference of(Entry entry) {
    return Objects.requireNonNull(captured.get(entry.reference()));
  }

  ChildrenSql children(DSLContext dsl, Entry entry) {
    return new ChildrenSql(dsl, schema, of(entry), entry, new CascadeSql(schema, all));
  }

  /**
   * Any that is declared.
   *
   * @throws PgBelayException naming what wanted it, if there is none
   */
  Reference declared(String what, String name) {
    return all.stream()
        .filter(each -> each.name().equals(name))
        .findFirst()
        .orElseThrow(() -> new PgBelayException(what + " '" + name + "': no such reference"));
  }
}
