package dev.pgbelay.reconcilecli;

import dev.pgbelay.core.Failures;
import dev.pgbelay.core.PgBelayException;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.UnmatchedArgumentException;

/**
 * The command line of reconciliation: {@code java -cp … dev.pgbelay.reconcilecli.Reconcile check}.
 * What is checked comes from a {@link DeclarationsSource} on the class path; the database from the
 * environment: {@code PGBELAY_JDBC_URL}, {@code PGBELAY_JDBC_USER}, {@code PGBELAY_JDBC_PASSWORD};
 * a replica to look at rows on from {@code PGBELAY_REPLICA_JDBC_URL} and so on.
 *
 * <p>Reports go to the standard output, everything else to the standard error. The process ends
 * with 0 if everything is in order, 1 if something is wrong, 2 if nothing is known to be wrong and
 * not everything was looked at, and 3 if the command could not be run (see {@link
 * dev.pgbelay.reconcile.report.Verdict}); with 64 if its arguments are wrong.
 */
@Command(
    name = "pgbelay-reconcile",
    mixinStandardHelpOptions = true,
    synopsisSubcommandLabel = "COMMAND",
    description = "Checks and repairs what no constraint of the database keeps.",
    footer = {
      "",
      "The database: PGBELAY_JDBC_URL, PGBELAY_JDBC_USER, PGBELAY_JDBC_PASSWORD.",
      "A replica: PGBELAY_REPLICA_JDBC_URL, _USER, _PASSWORD.",
      "Exit codes: 0 in order, 1 something is wrong, 2 incomplete, 3 could not be run,",
      "64 wrong arguments."
    },
    subcommands = {
      CheckCommand.class,
      CoverageCommand.class,
      FindingsCommand.class,
      RepairCommand.class,
      UndoCommand.class
    })
public final class Reconcile {
  /** Also where not even a class of the library can be loaded. */
  private static final int COULD_NOT_RUN = 3;

  /** As sysexits.h has it: to try again is of no use. */
  private static final int MISUSED = 64;

  private Reconcile() {}

  /** Runs a command and ends the process. */
  public static void main(String... arguments) {
    System.setProperty("org.jooq.no-logo", "true");
    System.setProperty("org.jooq.no-tips", "true");
    System.exit(run(arguments));
  }

  /** An error that nobody catches would end the process with the code of findings. */
  private static int run(String... arguments) {
    try {
      return commandLine().execute(arguments);
    } catch (Throwable e) {
      System.err.println("pgbelay-reconcile: " + e);
      return COULD_NOT_RUN;
    }
  }

  private static CommandLine commandLine() {
    CommandLine line = new CommandLine(new Reconcile());
    line.setCaseInsensitiveEnumValuesAllowed(true);
    line.setParameterExceptionHandler((e, given) -> misused(e));
    line.setExecutionExceptionHandler((e, command, parsed) -> failed(e, command));
    return line;
  }

  /** An exit code of its own: picocli's would be that of an incomplete run. */
  private static int misused(ParameterException e) {
    CommandLine command = e.getCommandLine();
    command.getErr().println(message(e));
    if (!UnmatchedArgumentException.printSuggestions(e, command.getErr())) {
      command.usage(command.getErr());
    }
    return MISUSED;
  }

  /** What nobody understands may be a password: of that, only what looks like an option's name. */
  private static String message(ParameterException e) {
    if (e instanceof UnmatchedArgumentException unmatched) {
      String first = unmatched.getUnmatched().get(0);
      String name =
          first.startsWith("--")
              ? first.replaceFirst("[^a-z-].*", "")
              : first.startsWith("-") ? first.substring(0, Math.min(2, first.length())) : "";
      return "an argument is not understood" + (name.isEmpty() ? "" : ": " + name);
    }
    return String.valueOf(e.getMessage());
  }

  private static int failed(Exception e, CommandLine command) {
    boolean told = e instanceof Refusal || e instanceof PgBelayException;
    String state = Failures.sqlState(e).map(is -> " (SQLSTATE " + is + ")").orElse("");
    command
        .getErr()
        .println("pgbelay-reconcile: " + (told ? e.getMessage() : e.toString()) + state);
    return e instanceof Refusal refusal && refusal.isMisuse() ? MISUSED : COULD_NOT_RUN;
  }
}
