package dev.pgbelay.core.schema;

import dev.pgbelay.core.PgBelayException;
import java.nio.charset.StandardCharsets;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jooq.SQLDialect;
import org.jooq.impl.DSL;

/** The schema that takes pgbelay's tables, and its place in the scripts. */
record SchemaName(String value) {
  static final String PLACEHOLDER = "${schema}";
  private static final Pattern ANY_PLACEHOLDER = Pattern.compile("\\$\\{[^}]*}");
  private static final int MAX_BYTES = 63;

  SchemaName {
    // The quoted name lands in identifiers, in string literals and inside dollar quotes, so
    // whatever ends one
    // of these is refused instead of escaped three ways.
    if (value.isEmpty()
        || value.chars().anyMatch(c -> c < ' ' || c == '"' || c == '\'' || c == '\\' || c == '$')) {
      throw new PgBelayException(
          "schema is \""
              + value
              + "\": must have one character or more, none of them a quote, a backslash, a dollar sign or a"
              + " control character");
    }
    int bytes = value.getBytes(StandardCharsets.UTF_8).length;
    if (bytes > MAX_BYTES) {
      throw new PgBelayException(
          "schema is \""
              + value
              + "\" with "
              + bytes
              + " bytes: PostgreSQL keeps the first "
              + MAX_BYTES
              + " only");
    }
    if (value.startsWith("pg_") || value.equals("information_schema")) {
      throw new PgBelayException(
          "schema is \"" + value + "\": PostgreSQL keeps that name for itself");
    }
  }

  String quoted() {
    return DSL.using(SQLDialect.POSTGRES).render(DSL.quotedName(value));
  }

  String render(String template) {
    return template.replace(PLACEHOLDER, quoted());
  }

  /** The first placeholder that is none, or the empty string. */
  static String unknownPlaceholder(String template) {
    Matcher matcher = ANY_PLACEHOLDER.matcher(template);
    while (matcher.find()) {
      if (!matcher.group().equals(PLACEHOLDER)) {
        return matcher.group();
      }
    }
    return "";
  }
}
