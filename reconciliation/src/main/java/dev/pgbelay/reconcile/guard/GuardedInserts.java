package dev.pgbelay.reconcile.guard;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.reconcile.Reference;
import java.sql.Connection;
import java.util.List;
import org.jooq.Configuration;
import org.jooq.ExecuteContext;
import org.jooq.ExecuteContext.BatchMode;
import org.jooq.ExecuteListener;
import org.jooq.ExecuteListenerProvider;
import org.jooq.Query;
import org.jspecify.annotations.Nullable;

/**
 * Refuses statements of jOOQ that write a guarded child whose parent was not checked in the same
 * transaction by a {@link ParentGuard} of that reference:
 *
 * <pre>{@code
 * Transactions.builder(dataSource)
 *     .configuration(new DefaultConfiguration().set(SQLDialect.POSTGRES)
 *         .set(GuardedInserts.into(orderCustomer)))
 * }</pre>
 *
 * <p>INSERT, and UPDATE of the columns that refer, whether built, from records, or in an upsert.
 * Where the values are in the statement their keys must have been checked, spelled alike; where
 * they are expressions, a subquery, a batch of bound values or of records, jOOQ's loader or a
 * MERGE, any check of that reference in this transaction will do. NULL and DEFAULT need none. What
 * was checked before a savepoint was rolled back to has to be checked again.
 *
 * <p><b>Not seen</b>: plain SQL ({@code dsl.execute("insert …")}, {@code query(…)}, templates,
 * COPY), and what runs outside jOOQ. In a transaction that {@code Transactions} did not open no
 * check can be remembered, so every such write is refused there. Sends no statement. Immutable and
 * safe for several threads.
 */
public final class GuardedInserts implements ExecuteListenerProvider {
  private final List<Reference> references;

  private GuardedInserts(List<Reference> references) {
    this.references = references;
  }

  /**
   * Children of these references.
   *
   * @throws PgBelayException if there is none
   */
  public static GuardedInserts into(Reference... references) {
    if (references.length == 0) {
      throw new PgBelayException(
          "guarded inserts: no reference was given, so every write would pass; name at least one");
    }
    return new GuardedInserts(List.of(references));
  }

  @Override
  public ExecuteListener provide() {
    return new Listener(references);
  }

  private static final class Listener implements ExecuteListener {
    private static final long serialVersionUID = 1L;

    private final transient List<Reference> references;

    Listener(List<Reference> references) {
      this.references = references;
    }

    @Override
    public void executeStart(ExecuteContext context) {
      Query single = context.query();
      boolean bound = context.batchMode() == BatchMode.SINGLE;
      Query[] all = single != null ? new Query[] {single} : context.batchQueries();
      for (Query query : all) {
        if (query != null) {
          for (Reference reference : references) {
            for (ChildWrite write : ChildWrite.of(query, reference, bound)) {
              require(checked(context, query), reference, write);
            }
          }
        }
      }
    }

    private static @Nullable CheckedParents checked(ExecuteContext context, Query query) {
      // The context's own configuration hides who gave the connection.
      Configuration configuration = query.configuration();
      CheckedParents checked = configuration == null ? null : CheckedParents.of(configuration);
      Connection connection = context.connection();
      return checked != null || connection == null ? checked : CheckedParents.of(connection);
    }

    private static void require(
        @Nullable CheckedParents checked, Reference reference, ChildWrite write) {
      if (checked == null) {
        throw new UncheckedParentsException(
            reference,
            "a statement writes %s outside a transaction of Transactions, where no check is remembered"
                .formatted(reference.child().getName()));
      }
      if (write.key().isEmpty() && !checked.hasAny(reference.name())) {
        throw new UncheckedParentsException(
            reference,
            "a statement writes %s, and this transaction has checked no parent of %s"
                .formatted(reference.child().getName(), reference.parent().getName()));
      }
      if (!write.key().isEmpty() && !checked.has(reference.name(), write.key())) {
        throw new UncheckedParentsException(
            reference,
            "a statement writes a row of %s that refers to %s of %s, which this transaction has not checked"
                .formatted(reference.child().getName(), write.key(), reference.parent().getName()));
      }
    }
  }
}
