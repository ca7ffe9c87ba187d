package dev.pgbelay.testing;

import java.util.ArrayList;
import java.util.List;

/**
 * Tells which statements of an SQL text end a transaction with a commit. Knows quotes, dollar
 * quotes and comments, so that a semicolon or the word in a literal does not count.
 */
final class CommitText {
  private final String sql;
  private int at;

  private CommitText(String sql) {
    this.sql = sql;
  }

  /** One entry for each statement that is not empty: whether it is a COMMIT. */
  static List<Boolean> commits(String sql) {
    return new CommitText(sql).statements();
  }

  /** Whether the one statement of a prepared text is a COMMIT. */
  static boolean isCommit(String sql) {
    List<Boolean> statements = commits(sql);
    return !statements.isEmpty() && statements.get(0);
  }

  private List<Boolean> statements() {
    List<Boolean> found = new ArrayList<>();
    StringBuilder firstWord = new StringBuilder();
    boolean wordOpen = true;
    boolean empty = true;
    while (at < sql.length()) {
      char c = sql.charAt(at);
      if (skipComment()) {
        wordOpen = wordOpen && firstWord.isEmpty();
      } else if (c == ';') {
        at++;
        if (!empty) {
          found.add(isCommitWord(firstWord));
        }
        firstWord.setLength(0);
        wordOpen = true;
        empty = true;
      } else if (Character.isWhitespace(c)) {
        at++;
        wordOpen = wordOpen && firstWord.isEmpty();
      } else {
        empty = false;
        if (wordOpen && Character.isLetter(c)) {
          firstWord.append(c);
          at++;
        } else {
          wordOpen = false;
          skipToken(c);
        }
      }
    }
    if (!empty) {
      found.add(isCommitWord(firstWord));
    }
    return found;
  }

  private static boolean isCommitWord(CharSequence word) {
    String text = word.toString();
    return text.equalsIgnoreCase("commit") || text.equalsIgnoreCase("end");
  }

  private boolean skipComment() {
    if (sql.startsWith("--", at)) {
      int end = sql.indexOf('\n', at);
      at = end < 0 ? sql.length() : end + 1;
      return true;
    }
    if (!sql.startsWith("/*", at)) {
      return false;
    }
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
    return true;
  }

  private void skipToken(char c) {
    if (c == '\'' || c == '"') {
      boolean escapes = c == '\'' && at > 0 && Character.toLowerCase(sql.charAt(at - 1)) == 'e';
      skipQuoted(c, escapes);
    } else if (c == '$') {
      skipDollarQuoted();
    } else {
      at++;
    }
  }

  private void skipQuoted(char quote, boolean escapes) {
    at++;
    while (at < sql.length()) {
      char c = sql.charAt(at++);
      if (escapes && c == '\\') {
        at++;
      } else if (c == quote) {
        return; // a doubled quote opens again at once
      }
    }
  }

  private void skipDollarQuoted() {
    int end = at + 1;
    while (end < sql.length()
        && (Character.isLetterOrDigit(sql.charAt(end)) || sql.charAt(end) == '_')) {
      end++;
    }
    boolean parameter = at + 1 < sql.length() && Character.isDigit(sql.charAt(at + 1));
    if (parameter || end >= sql.length() || sql.charAt(end) != '$') {
      at++;
      return;
    }
    String tag = sql.substring(at, end + 1);
    int close = sql.indexOf(tag, end + 1);
    at = close < 0 ? sql.length() : close + tag.length();
  }
}
