package dev.pgbelay.testing;

import dev.pgbelay.core.observe.TransactionEvent.Outcome;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;

/**
 * Tells which statements of an SQL text end a transaction. Knows quotes, dollar quotes and
 * comments, so that a semicolon or the word in a literal does not count.
 */
final class TransactionText {
  private static final int HEAD_LENGTH = 40;
  private static final Pattern COMMIT = Pattern.compile("(?i)(commit|end)\\b.*");
  private static final Pattern PREPARED = Pattern.compile("(?i)(commit|rollback) prepared\\b.*");
  private static final Pattern ROLLBACK =
      Pattern.compile("(?i)(rollback|abort)\\b(?!( work| transaction)? to\\b).*");

  private final String sql;
  private int at;

  private TransactionText(String sql) {
    this.sql = sql;
  }

  /** One entry for each statement that is not empty: whether it is a COMMIT. */
  static List<Boolean> commits(String sql) {
    return new TransactionText(sql)
        .heads().stream().map(head -> COMMIT.matcher(head).matches()).toList();
  }

  /** Whether the one statement of a prepared text is a COMMIT. */
  static boolean isCommit(String sql) {
    List<Boolean> statements = commits(sql);
    return !statements.isEmpty() && statements.get(0);
  }

  /** The ends of the session's transactions that a text asks for, in their order. */
  static List<Outcome> ends(String sql) {
    List<Outcome> ends = new ArrayList<>();
    for (String head : new TransactionText(sql).heads()) {
      if (!PREPARED.matcher(head).matches()) {
        if (COMMIT.matcher(head).matches()) {
          ends.add(Outcome.COMMITTED);
        } else if (ROLLBACK.matcher(head).matches()) {
          ends.add(Outcome.ROLLED_BACK);
        }
      }
    }
    return ends;
  }

  /** The words with which each statement begins, with single spaces. */
  private List<String> heads() {
    List<String> found = new ArrayList<>();
    StringBuilder head = new StringBuilder();
    boolean open = true;
    boolean empty = true;
    while (at < sql.length()) {
      char c = sql.charAt(at);
      if (skipComment()) {
        head.append(' ');
      } else if (c == ';') {
        at++;
        if (!empty) {
          found.add(words(head));
        }
        head.setLength(0);
        open = true;
        empty = true;
      } else if (Character.isWhitespace(c)) {
        at++;
        head.append(open ? " " : "");
      } else {
        empty = false;
        open = open && Character.isLetter(c) && head.length() < HEAD_LENGTH;
        if (open) {
          head.append(c);
          at++;
        } else {
          skipToken(c);
        }
      }
    }
    if (!empty) {
      found.add(words(head));
    }
    return found;
  }

  private static String words(CharSequence head) {
    return head.toString().trim().replaceAll(" +", " ");
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
