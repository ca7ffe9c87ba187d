package dev.pgbelay.examples.demo.report;

import java.util.Locale;
import java.util.stream.Collectors;
import picocli.CommandLine.Help;
import picocli.CommandLine.Help.Ansi;
import picocli.CommandLine.Help.Column;
import picocli.CommandLine.Help.Column.Overflow;
import picocli.CommandLine.Help.TextTable;

/** A scenario's comparisons as a table for the terminal. */
public final class ConsoleTable {
  private static final Column[] COLUMNS = {
    new Column(30, 0, Overflow.WRAP),
    new Column(16, 2, Overflow.WRAP),
    new Column(16, 2, Overflow.WRAP),
    new Column(10, 2, Overflow.WRAP),
    new Column(46, 2, Overflow.WRAP)
  };

  private ConsoleTable() {}

  /** The table, titled with the pattern's name. */
  public static String of(ScenarioResult result) {
    TextTable table = TextTable.forColumns(Help.defaultColorScheme(Ansi.OFF), COLUMNS);
    table.addRowValues("What", "Naive", "pgbelay", "Factor", "What went wrong in the naive run");
    table.addRowValues(
        "─".repeat(28), "─".repeat(12), "─".repeat(12), "─".repeat(7), "─".repeat(43));
    for (Comparison comparison : result.comparisons()) {
      table.addRowValues(
          comparison.what(),
          comparison.naive().text(),
          comparison.safe().text(),
          Factor.text(comparison),
          harm(comparison));
      table.addEmptyRow();
    }
    return String.format(
        Locale.ROOT, "%n%s (%.1f s)%n%n%s", result.title(), result.took().toMillis() / 1e3, table);
  }

  private static String harm(Comparison comparison) {
    String counted =
        comparison.damageDone().stream()
            .map(
                d ->
                    String.format(
                        Locale.ROOT, "%,d %s (pgbelay: %,d)", d.naive(), d.what(), d.safe()))
            .collect(Collectors.joining(", "));
    return counted.isEmpty() ? comparison.verdict() : counted + ". " + comparison.verdict();
  }
}
