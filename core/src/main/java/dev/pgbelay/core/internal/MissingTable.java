package dev.pgbelay.core.internal;

import dev.pgbelay.core.Failures;
import dev.pgbelay.core.PgBelayException;

/** Tells that a table of pgbelay's own is not installed, in place of a statement that failed. */
public final class MissingTable {
  private static final String UNDEFINED_TABLE = "42P01";

  private MissingTable() {}

  /**
   * What to throw for {@code failure}: an exception that says what to install where a table was
   * missing, else {@code failure} itself.
   *
   * @param what the table is for, such as "leases"
   * @param module whose script makes it
   */
  public static RuntimeException explained(RuntimeException failure, String what, String module) {
    boolean missing = Failures.sqlState(failure).filter(UNDEFINED_TABLE::equals).isPresent();
    return missing
        ? new PgBelayException(
            "the table of "
                + what
                + " is missing; install it with SchemaInstaller, module \""
                + module
                + "\", or name the schema that it is in",
            failure)
        : failure;
  }
}
