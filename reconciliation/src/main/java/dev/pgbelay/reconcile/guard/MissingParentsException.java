package dev.pgbelay.reconcile.guard;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.reconcile.Reference;
import java.util.List;
import org.jooq.impl.DSL;

/** Parents that children are about to refer to are not there. Nothing was written. */
public final class MissingParentsException extends PgBelayException {
  private static final long serialVersionUID = 1L;

  private final String reference;
  private final transient List<List<Object>> missing;

  MissingParentsException(Reference reference, List<List<Object>> missing) {
    super(
        "reference '%s': %s has no row%s with %s %s%s; insert the parents first, or leave these children out"
            .formatted(
                reference.name(),
                reference.parent().getName(),
                reference.parentWhere().equals(DSL.noCondition())
                    ? ""
                    : " that counts (parentWhere)",
                reference.parentColumns().stream().map(column -> column.getName()).toList(),
                missing.stream().limit(10).toList(),
                missing.size() > 10 ? " and " + (missing.size() - 10) + " more" : ""));
    this.reference = reference.name();
    this.missing = List.copyOf(missing);
  }

  /** The declaration's name. */
  public String reference() {
    return reference;
  }

  /** The keys, each with its columns in the order of the declaration. */
  public List<List<Object>> missing() {
    return missing;
  }
}
