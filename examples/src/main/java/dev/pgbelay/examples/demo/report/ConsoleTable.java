package dev.pgbelay.examples.demo.report;

import java.util.Locale;
import java.util.stream.Collectors;
import picocli.CommandLine.Help;
import picocli.CommandLine.Help.Ansi;
import picocli.CommandLine.Help.Column;
import picocli.CommandLine.Help.Column.Overflow;
import picocli.CommandLine.Help.TextTable;

/** A scenario's comparisons as a table for the terminal; what went wrong stands below each line. */
public final class ConsoleTable {
  private static final Column[] COLUMNS = {
    new Column(50, 0, Overflow.WRAP),
    new Column(15, 1, Overflow.WRAP),
    new Column(17, 1, Overflow.WRAP),
    new Column(9, 1, Overflow.WRAP)
  };
  private static final int WIDTH = 91;
  private static final int INDENT = 4;

  private ConsoleTable() {}

  /** The table, titled with the pattern's name. */
  public static String of(ScenarioResult result) {
    StringBuilder text = new StringBuilder();
    text.append(
        String.format(
            Locale.ROOT, "%n%s (%.1f s)%n%n", result.title(), result.took().toMillis() / 1e3));
    text.append(line("What", "Naive", "pgbelay", "Factor"));
    text.append(below("What went wrong in the naive run"));
    text.append("─".repeat(WIDTH)).append(System.lineSeparator());
    for (Comparison comparison : result.comparisons()) {
      text.append(
          line(
              comparison.what(),
              comparison.naive().text(),
              comparison.safe().text(),
              Factor.text(comparison)));
      text.append(below(harm(comparison)));
    }
    return text.toString();
  }

  private static String line(String... values) {
    TextTable table = TextTable.forColumns(Help.defaultColorScheme(Ansi.OFF), COLUMNS);
    table.addRowValues(values);
    return table.toString();
  }

  private static String below(String text) {
    TextTable table =
        TextTable.forColumns(
            Help.defaultColorScheme(Ansi.OFF), new Column(WIDTH, INDENT, Overflow.WRAP));
    table.indentWrappedLines = 0;
    table.addRowValues(text);
    return table.toString();
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
