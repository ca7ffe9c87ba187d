package dev.pgbelay.lock.witness;

import dev.pgbelay.lock.witness.SqlToken.Kind;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * Cuts SQL text into tokens by PostgreSQL's lexical rules (comments nest, strings with and without
 * escapes, dollar quotes), with JDBC's parameters.
 */
final class SqlLexer {
  private static final String OPERATOR = "+-*/<>=~!@#%^&|`?:";

  private final String sql;
  private final List<SqlToken> tokens = new ArrayList<>();
  private int at;
  private int parameters;

  private SqlLexer(String sql) {
    this.sql = sql;
  }

  static List<SqlToken> tokens(String sql) {
    SqlLexer lexer = new SqlLexer(sql);
    while (lexer.at < sql.length()) {
      lexer.next();
    }
    return lexer.tokens;
  }

  private void next() {
    char c = sql.charAt(at);
    if (Character.isWhitespace(c)) {
      at++;
    } else if (sql.startsWith("--", at)) {
      int end = sql.indexOf('\n', at);
      at = end < 0 ? sql.length() : end + 1;
    } else if (sql.startsWith("/*", at)) {
      skipComment();
    } else if (c == '\'') {
      string(escapesBefore());
    } else if (c == '"') {
      quotedName();
    } else if (c == '$') {
      if (!dollarQuoted()) {
        number();
      }
    } else if (isDigit(c) || (c == '.' && isDigit(peek(1)))) {
      number();
    } else if (Character.isLetter(c) || c == '_') {
      word();
    } else if (c == '?' && peek(1) == '?') {
      add(Kind.SYMBOL, "?", 2); // pgjdbc's way to write the operator
    } else if (c == '?') {
      tokens.add(new SqlToken(Kind.PARAMETER, "?", ++parameters));
      at++;
    } else if (OPERATOR.indexOf(c) >= 0) {
      operator();
    } else {
      add(Kind.SYMBOL, String.valueOf(c), 1);
    }
  }

  private char peek(int ahead) {
    return at + ahead < sql.length() ? sql.charAt(at + ahead) : '\0';
  }

  private static boolean isDigit(char c) {
    return c >= '0' && c <= '9';
  }

  private void add(Kind kind, String text, int length) {
    tokens.add(new SqlToken(kind, text, 0));
    at += length;
  }

  private void skipComment() {
    int depth = 0;
    do {
      if (sql.startsWith("/*", at)) {
        depth++;
        at += 2;
      } else if (sql.startsWith("*/", at)) {
        depth--;
        at += 2;
      } else {
        at++;
      }
    } while (depth > 0 && at < sql.length());
  }

  /** {@code E'…'}: the letter was read as a word, directly before the quote. */
  private boolean escapesBefore() {
    if (tokens.isEmpty() || at == 0 || Character.isWhitespace(sql.charAt(at - 1))) {
      return false;
    }
    SqlToken last = tokens.get(tokens.size() - 1);
    boolean prefix = last.kind() == Kind.WORD && last.text().matches("e|b|x|n");
    if (prefix) {
      tokens.remove(tokens.size() - 1);
    }
    return prefix && last.text().equals("e");
  }

  private void string(boolean escapes) {
    StringBuilder text = new StringBuilder();
    at++;
    while (at < sql.length()) {
      char c = sql.charAt(at++);
      if (escapes && c == '\\' && at < sql.length()) {
        text.append(c).append(sql.charAt(at++));
      } else if (c != '\'') {
        text.append(c);
      } else if (at < sql.length() && sql.charAt(at) == '\'') {
        text.append('\'');
        at++;
      } else {
        break;
      }
    }
    // Escapes are not undone: a text with one is not used as a value.
    tokens.add(new SqlToken(Kind.STRING, text.toString(), 0));
  }

  private void quotedName() {
    StringBuilder name = new StringBuilder();
    at++;
    while (at < sql.length()) {
      char c = sql.charAt(at++);
      if (c != '"') {
        name.append(c);
      } else if (at < sql.length() && sql.charAt(at) == '"') {
        name.append('"');
        at++;
      } else {
        break;
      }
    }
    tokens.add(new SqlToken(Kind.QUOTED, name.toString(), 0));
  }

  private boolean dollarQuoted() {
    int end = at + 1;
    while (end < sql.length()
        && (Character.isLetterOrDigit(sql.charAt(end)) || sql.charAt(end) == '_')) {
      end++;
    }
    if (isDigit(peek(1)) || end >= sql.length() || sql.charAt(end) != '$') {
      return false;
    }
    String tag = sql.substring(at, end + 1);
    int close = sql.indexOf(tag, end + 1);
    tokens.add(new SqlToken(Kind.STRING, close < 0 ? "" : sql.substring(end + 1, close), 0));
    at = close < 0 ? sql.length() : close + tag.length();
    return true;
  }

  /** Also {@code $1}, which JDBC does not bind. */
  private void number() {
    int end = at + 1;
    while (end < sql.length()
        && (Character.isLetterOrDigit(sql.charAt(end))
            || sql.charAt(end) == '.'
            || sql.charAt(end) == '_')) {
      end++;
    }
    add(Kind.NUMBER, sql.substring(at, end), end - at);
  }

  private void word() {
    int end = at + 1;
    while (end < sql.length()
        && (Character.isLetterOrDigit(sql.charAt(end))
            || sql.charAt(end) == '_'
            || sql.charAt(end) == '$')) {
      end++;
    }
    add(Kind.WORD, sql.substring(at, end).toLowerCase(Locale.ROOT), end - at);
  }

  private void operator() {
    int end = at + 1;
    while (end < sql.length()
        && OPERATOR.indexOf(sql.charAt(end)) >= 0
        && sql.charAt(end) != '?'
        && !sql.startsWith("--", end)
        && !sql.startsWith("/*", end)
        && !(sql.charAt(end) == '-' && sql.charAt(at) == '=')) {
      end++;
    }
    add(Kind.SYMBOL, sql.substring(at, end), end - at);
  }
}
