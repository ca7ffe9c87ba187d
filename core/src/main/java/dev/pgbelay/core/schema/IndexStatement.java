package dev.pgbelay.core.schema;

import static dev.pgbelay.core.schema.DdlException.Reason.INVALID_STATEMENT;

import java.nio.charset.StandardCharsets;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * The head of a CREATE INDEX statement taken apart; what follows the table is left to the server.
 *
 * @param name as the catalog has it
 * @param table as written: an expression for {@code to_regclass}
 * @param definition everything after the table
 */
record IndexStatement(
    boolean unique, boolean concurrently, String name, String table, String definition) {
  private static final int MAX_NAME_BYTES = 63;
  private static final String IDENTIFIER = "(?:\"(?:[^\"]|\"\")+\"|[\\p{L}_][\\p{L}\\p{N}_$]*)";
  private static final Pattern HEAD =
      Pattern.compile(
          "\\s*CREATE\\s+(UNIQUE\\s+)?INDEX\\s+(CONCURRENTLY\\s+)?(?:IF\\s+NOT\\s+EXISTS\\s+)?(?!ON\\s)("
              + IDENTIFIER
              + ")\\s+ON\\s+(?:ONLY\\s+)?("
              + IDENTIFIER
              + "(?:\\s*\\.\\s*"
              + IDENTIFIER
              + ")?)\\s*(\\(.*|USING\\s.*)",
          Pattern.CASE_INSENSITIVE | Pattern.DOTALL);

  /** Where a semicolon ends nothing. Nested comments end early here, which only refuses more. */
  private static final Pattern QUOTED =
      Pattern.compile(
          "[eE]'(?:[^'\\\\]|''|\\\\.)*+'"
              + "|'[^']*+(?:''[^']*+)*+'"
              + "|\"[^\"]*+(?:\"\"[^\"]*+)*+\""
              + "|(?<![\\p{L}\\p{N}_$])\\$((?:[\\p{L}_][\\p{L}\\p{N}_]*)?)\\$.*?\\$\\1\\$"
              + "|--[^\n]*+"
              + "|/\\*.*?\\*/",
          Pattern.DOTALL);

  static IndexStatement parse(String text) {
    IndexStatement statement = parseOrNull(text);
    if (statement == null || !statement.concurrently()) {
      throw new DdlException(
          INVALID_STATEMENT,
          "Not a statement that createIndexConcurrently takes: it must read CREATE [UNIQUE] INDEX CONCURRENTLY"
              + " name ON table … with the index's name, which tells a later call that it is there, and no"
              + " comment before it. Given: "
              + text);
    }
    if (QUOTED.matcher(statement.definition()).replaceAll(" ").strip().matches("(?s).*;.*\\S.*")) {
      throw new DdlException(
          INVALID_STATEMENT,
          "createIndexConcurrently takes one statement, and something follows behind a semicolon;"
              + " send that by run. Given: "
              + text);
    }
    if (statement.name().getBytes(StandardCharsets.UTF_8).length > MAX_NAME_BYTES) {
      throw new DdlException(
          INVALID_STATEMENT,
          "Index name "
              + statement.name()
              + " is longer than the "
              + MAX_NAME_BYTES
              + " bytes PostgreSQL keeps");
    }
    return statement;
  }

  static @Nullable IndexStatement parseOrNull(String text) {
    Matcher head = HEAD.matcher(text);
    if (!head.matches()) {
      return null;
    }
    return new IndexStatement(
        head.group(1) != null,
        head.group(2) != null,
        unquote(head.group(3)),
        head.group(4),
        head.group(5).stripTrailing().replaceFirst(";\\s*$", ""));
  }

  /** True if both make the same index, whatever the index and its table are called. */
  boolean sameDefinition(IndexStatement other) {
    return unique == other.unique && definition.equals(other.definition);
  }

  String describe() {
    return (unique ? "unique, " : "not unique, ") + definition;
  }

  private static String unquote(String identifier) {
    return identifier.startsWith("\"")
        ? identifier.substring(1, identifier.length() - 1).replace("\"\"", "\"")
        : identifier.toLowerCase(Locale.ROOT);
  }
}
