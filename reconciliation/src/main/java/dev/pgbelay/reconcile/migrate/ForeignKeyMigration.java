package dev.pgbelay.reconcile.migrate;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.schema.SafeDdl;
import dev.pgbelay.core.schema.SchemaInstaller;
import dev.pgbelay.reconcile.Declarations;
import dev.pgbelay.reconcile.Reference;
import dev.pgbelay.reconcile.check.Checker;
import dev.pgbelay.reconcile.check.DeclarationReport;
import dev.pgbelay.reconcile.internal.Given;
import dev.pgbelay.reconcile.migrate.MigrationStep.Name;
import dev.pgbelay.reconcile.migrate.MigrationStep.State;
import dev.pgbelay.reconcile.repair.Repairs;
import java.nio.charset.StandardCharsets;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import javax.sql.DataSource;
import org.jspecify.annotations.Nullable;

/**
 * The way of one reference from a foreign key of the database to a declaration that the application
 * keeps, and back.
 *
 * <p><b>No unguarded window.</b> To the application: the key is dropped in the transaction that
 * (again) creates the triggers, after the guard was measured beside it and enforced, and after the
 * checker has found every row in order. To the key: triggers and guards stay until the key is
 * valid; from {@code ADD CONSTRAINT … NOT VALID} on, what is written is held to both.
 *
 * <p><b>Resumable.</b> What is done stands in the catalog alone: a call that died is made again,
 * from anywhere, and goes on. Each statement is run by {@link SafeDdl}, so nobody waits long for a
 * lock that it does not get, and each is one transaction. Two calls at once do no harm; one of them
 * may fail over what the other has done.
 *
 * <p>Blocks the calling thread, with one connection at a time. Needs the owner's rights on the
 * tables, and the tables of the modules {@code batch} and {@code reconcile}. Immutable and safe for
 * several threads.
 */
public final class ForeignKeyMigration {
  private static final int LONGEST_NAME = 63;
  private static final int MOST_ROUNDS = 10_000;

  private final Reference reference;
  private final MigrationRequirements required;
  private final boolean acceptDifferences;
  private final ShadowGuard.@Nullable Measured guarded;
  private final Optional<Repairs> repairs;
  private final Checker checker;
  private final SafeDdl ddl;
  private final MigrationPlan plan;
  private final Consumer<Name> afterEach;

  private ForeignKeyMigration(Builder builder, Reference reference) {
    this.reference = reference;
    this.required = new MigrationRequirements(reference.name());
    this.acceptDifferences = builder.acceptDifferences;
    this.guarded = builder.guarded;
    this.repairs = Optional.ofNullable(builder.repairs);
    this.checker =
        builder.checker == null
            ? Checker.builder(builder.transactions, builder.declarations)
                .schema(builder.schema)
                .build()
            : builder.checker;
    this.ddl = builder.ddl == null ? SafeDdl.of(builder.dataSource) : builder.ddl;
    this.plan =
        new MigrationPlan(
            builder.transactions,
            reference,
            builder.schema,
            builder.keyName == null ? keyName(reference) : builder.keyName);
    this.afterEach = builder.afterEach;
  }

  /**
   * Begins a migration.
   *
   * @param dataSource for DDL, with the owner's rights
   * @param transactions for everything else
   * @param reference name of a reference of these declarations
   */
  public static Builder builder(
      DataSource dataSource,
      Transactions transactions,
      Declarations declarations,
      String reference) {
    return new Builder(
        Given.required("migration: dataSource", dataSource),
        Given.required("migration: transactions", transactions),
        Given.required("migration: declarations", declarations),
        Given.required("migration: the reference's name", reference));
  }

  /** The steps to the application with their statements, in order; reads the catalog alone. */
  public List<MigrationStep> planToApplication() {
    return plan.toApplication(guarded != null, Set.of());
  }

  /** The steps to the key with their statements, in order; reads the catalog alone. */
  public List<MigrationStep> planToForeignKey() {
    return plan.toForeignKey(Set.of());
  }

  /**
   * What the key and the declaration do not say alike, for people; empty if they agree. Reads the
   * catalog alone.
   */
  public List<String> differences() {
    return plan.differences();
  }

  /**
   * Does what is left of the way to the application.
   *
   * @return the steps, all done
   * @throws PgBelayException if key and declaration differ and that was not accepted; if the guard
   *     was not measured, or refused what the key let pass; if the checker found rows that break
   *     the reference, or could not look at all. Nothing of the later steps was done
   * @throws dev.pgbelay.core.schema.DdlException if a statement did not get its lock
   */
  public List<MigrationStep> toApplication() {
    required.accepted(differences(), acceptDifferences);
    required.guarded(guarded);
    return run(done -> plan.toApplication(true, done));
  }

  /**
   * Does what is left of the way to the key.
   *
   * @return the steps, all done
   * @throws PgBelayException if a key cannot say what the declaration says and that was not
   *     accepted, or if orphans are left; the key is there then, and not valid
   * @throws dev.pgbelay.core.schema.DdlException if a statement did not get its lock, or an orphan
   *     was met by VALIDATE (SQLSTATE 23503)
   */
  public List<MigrationStep> toForeignKey() {
    required.accepted(KeySql.beyondKeys(reference), acceptDifferences);
    return run(plan::toForeignKey);
  }

  /** Asks the catalog anew after each step, since that alone knows. */
  private List<MigrationStep> run(Look look) {
    Set<Name> done = EnumSet.noneOf(Name.class);
    List<MigrationStep> steps = look.steps(done);
    for (int round = 0; round < MOST_ROUNDS; round++) {
      Optional<MigrationStep> next =
          steps.stream().filter(each -> each.state() == State.TO_DO).findFirst();
      if (next.isEmpty()) {
        return steps;
      }
      Name name = next.get().name();
      switch (name) {
        case CHECK -> required.clean(check());
        case REPAIR -> repair();
        default -> next.get().statements().stream().limit(1).forEach(ddl::run);
      }
      if (name == Name.CHECK || name == Name.REPAIR) {
        done.add(name);
      }
      afterEach.accept(name);
      steps = look.steps(done);
    }
    throw new PgBelayException(
        "migration of '%s': %s is not done, however often it is run; somebody undoes it"
            .formatted(reference.name(), steps));
  }

  private interface Look {
    List<MigrationStep> steps(Set<Name> done);
  }

  private DeclarationReport check() {
    return checker.run(reference.name());
  }

  private void repair() {
    DeclarationReport report = check();
    if (report.outcome() == DeclarationReport.Outcome.FINDINGS && repairs.isPresent()) {
      repairs.get().run();
      report = check();
    }
    required.clean(report);
  }

  /** As PostgreSQL would name it, where that is short enough. */
  private static String keyName(Reference reference) {
    String name =
        reference.child().getName()
            + reference.childColumns().stream()
                .map(each -> "_" + each.getName())
                .collect(Collectors.joining())
            + "_fkey";
    byte[] bytes = name.getBytes(StandardCharsets.UTF_8);
    return bytes.length <= LONGEST_NAME ? name : "fkey_" + UUID.nameUUIDFromBytes(bytes);
  }

  /** Collects what a migration does. Not safe for several threads. */
  public static final class Builder {
    private final DataSource dataSource;
    private final Transactions transactions;
    private final Declarations declarations;
    private final String reference;
    private String schema = SchemaInstaller.DEFAULT_SCHEMA;
    private boolean acceptDifferences;
    private ShadowGuard.@Nullable Measured guarded;
    private @Nullable Repairs repairs;
    private @Nullable Checker checker;
    private @Nullable SafeDdl ddl;
    private @Nullable String keyName;
    private Consumer<Name> afterEach = step -> {};

    private Builder(
        DataSource dataSource,
        Transactions transactions,
        Declarations declarations,
        String reference) {
      this.dataSource = dataSource;
      this.transactions = transactions;
      this.declarations = declarations;
      this.reference = reference;
    }

    /** The schema of the library's tables; {@value SchemaInstaller#DEFAULT_SCHEMA} unless said. */
    public Builder schema(String name) {
      this.schema = Given.schema(name);
      return this;
    }

    /**
     * Says that every writer of the child asks the guard now and is refused by it, and what shadow
     * guards had measured before, all processes added up. The way to the application needs it; no
     * database knows it.
     */
    public Builder guardsEnforced(ShadowGuard.Measured measured) {
      this.guarded = Given.required("guardsEnforced: what was measured", measured);
      return this;
    }

    /** Goes on where key and declaration differ; without it that is refused, with the list. */
    public Builder acceptDifferences() {
      this.acceptDifferences = true;
      return this;
    }

    /**
     * What is done about orphans on the way to the key; without it they stop it. Over declarations
     * that have this reference as these do.
     */
    public Builder repairs(Repairs policy) {
      this.repairs = Given.option("repairs", policy);
      return this;
    }

    /** With limits of your own, over declarations that have this reference as these do. */
    public Builder checker(Checker own) {
      this.checker = Given.option("checker", own);
      return this;
    }

    /** With timeouts of your own. */
    public Builder ddl(SafeDdl own) {
      this.ddl = Given.option("ddl", own);
      return this;
    }

    /** Of the key that is added; as PostgreSQL would name it unless said. */
    public Builder keyName(String name) {
      this.keyName = Given.identifier("keyName", Given.option("keyName", name));
      return this;
    }

    Builder afterEach(Consumer<Name> seen) {
      this.afterEach = seen;
      return this;
    }

    /**
     * Asks the database nothing.
     *
     * @throws PgBelayException if there is no such reference, or a checker or repairs are over
     *     other declarations
     */
    public ForeignKeyMigration build() {
      Reference found =
          declarations.references().stream()
              .filter(each -> each.name().equals(reference))
              .findFirst()
              .orElseThrow(
                  () ->
                      new PgBelayException(
                          "migration of '%s': no such reference; there are %s"
                              .formatted(
                                  reference,
                                  declarations.references().stream()
                                      .map(Reference::name)
                                      .toList())));
      if (checker != null) {
        requireSame("checker", checker.declarations(), found);
      }
      if (repairs != null) {
        requireSame("repairs", repairs.declarations(), found);
      }
      return new ForeignKeyMigration(this, found);
    }

    /** Else it would stop half-way, or be content with another check than that of the key. */
    private void requireSame(String option, Declarations theirs, Reference found) {
      boolean isSame =
          theirs
              .find(reference)
              .filter(Reference.class::isInstance)
              .map(Reference.class::cast)
              .filter(
                  other ->
                      other.child().equals(found.child())
                          && other.childColumns().equals(found.childColumns())
                          && other.childWhere().equals(found.childWhere())
                          && other.parent().equals(found.parent())
                          && other.parentColumns().equals(found.parentColumns())
                          && other.parentWhere().equals(found.parentWhere()))
              .isPresent();
      if (!isSame) {
        throw new PgBelayException(
            "migration of '%s': %s is over declarations that do not have this reference, or another one of that name; build it over those of the migration"
                .formatted(reference, option));
      }
    }
  }
}
