package dev.pgbelay.reconcile;

import dev.pgbelay.core.PgBelayException;
import dev.pgbelay.core.Transactions;
import dev.pgbelay.core.TxOptions;
import dev.pgbelay.reconcile.DeclarationException.Problem;
import dev.pgbelay.reconcile.DeclarationException.Reason;
import dev.pgbelay.reconcile.internal.DeclarationCheck;
import dev.pgbelay.reconcile.internal.Given;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.jooq.exception.DataAccessException;

/**
 * All that a service declares, under one version: what guards, propagation, checker and repairs
 * work from, so that they cannot mean different things. Immutable and safe for several threads.
 *
 * @param version changes whenever a declaration does; kept with every run
 * @param all in the order in which they are checked
 */
public record Declarations(String version, List<Declaration> all) {
  private static final TxOptions READ =
      TxOptions.builder()
          .path("reconcile-declarations")
          .readOnly(true)
          .setting("row_security", "off") // hidden rows are refused, not left out
          .deadline(Duration.ofSeconds(30))
          .lockTimeout(Duration.ofSeconds(2))
          .build();

  public Declarations {
    all = Given.all("declarations", all);
    if (version == null
        || version.isBlank()
        || version.length() > 100
        || version.indexOf('\0') >= 0) {
      throw new PgBelayException(
          "version must have 1 to 100 characters, none of them NUL, is '" + version + "'");
    }
    List<Problem> problems = new ArrayList<>();
    Set<String> names = new HashSet<>();
    for (Declaration each : all) {
      if (!names.add(each.name())) {
        problems.add(
            new Problem(
                each.name(),
                Reason.NAME_TAKEN,
                "another one has this name; give it one of its own"));
      }
    }
    refuse(problems);
  }

  /**
   * All that there are.
   *
   * @throws DeclarationException if two have one name
   * @throws PgBelayException if the version is blank or longer than 100 characters
   */
  public static Declarations of(String version, Declaration... all) {
    return new Declarations(version, Given.all("declarations", all));
  }

  /** The references among them. */
  public List<Reference> references() {
    return all.stream().filter(Reference.class::isInstance).map(Reference.class::cast).toList();
  }

  /** The one with this name. */
  public Optional<Declaration> find(String name) {
    return all.stream().filter(each -> each.name().equals(name)).findFirst();
  }

  /**
   * The check for a service's start: compares every declaration with the catalog, and has the
   * server plan what the checker would ask. One read-only transaction, or two where it refuses to;
   * each blocks for at most half a minute. Needs SELECT on the tables.
   *
   * @throws DeclarationException with everything that does not fit
   */
  public void requireMatching(Transactions transactions) {
    Given.required("requireMatching: transactions", transactions);
    refuse(problems(transactions));
  }

  /** What the server refuses to plan ends a transaction: all is asked again, and told together. */
  private List<Problem> problems(Transactions transactions) {
    try {
      return transactions.run(READ, tx -> new DeclarationCheck(tx.dsl(), false).problems(this));
    } catch (DataAccessException e) {
      return transactions.run(READ, tx -> new DeclarationCheck(tx.dsl(), true).problems(this));
    }
  }

  private static void refuse(List<Problem> problems) {
    if (!problems.isEmpty()) {
      throw new DeclarationException(problems);
    }
  }
}
