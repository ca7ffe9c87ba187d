package dev.pgbelay.lock.witness;

import java.util.ArrayList;
import java.util.List;

/** Tokens {@code from} (inclusive) to {@code to} of a statement, with a way over its brackets. */
record TokenRange(List<SqlToken> tokens, List<Integer> partners, int from, int to) {
  private static final SqlToken NOTHING = new SqlToken(SqlToken.Kind.SYMBOL, "", 0);

  static TokenRange of(List<SqlToken> tokens) {
    Integer[] partners = new Integer[tokens.size()];
    List<Integer> open = new ArrayList<>();
    for (int i = 0; i < tokens.size(); i++) {
      partners[i] = tokens.size();
      if (tokens.get(i).is("(") || tokens.get(i).is("[")) {
        open.add(i);
      } else if ((tokens.get(i).is(")") || tokens.get(i).is("]")) && !open.isEmpty()) {
        partners[open.remove(open.size() - 1)] = i;
      }
    }
    return new TokenRange(tokens, List.of(partners), 0, tokens.size());
  }

  TokenRange sub(int begin, int end) {
    return new TokenRange(tokens, partners, Math.max(begin, from), Math.min(end, to));
  }

  boolean isEmpty() {
    return from >= to;
  }

  boolean is(int index, String word) {
    return index >= from && index < to && tokens.get(index).is(word);
  }

  boolean isAny(int index, String... words) {
    for (String word : words) {
      if (is(index, word)) {
        return true;
      }
    }
    return false;
  }

  /** Whether the words stand one after the other from {@code index} on. */
  boolean are(int index, String... words) {
    for (int i = 0; i < words.length; i++) {
      if (!is(index + i, words[i])) {
        return false;
      }
    }
    return true;
  }

  boolean isName(int index) {
    return index >= from && index < to && tokens.get(index).isName();
  }

  String text(int index) {
    return token(index).text();
  }

  /** Beyond the end, as in a text that is cut off, an empty symbol. */
  SqlToken token(int index) {
    return index >= 0 && index < tokens.size() ? tokens.get(index) : NOTHING;
  }

  boolean opens(int index) {
    return is(index, "(") || is(index, "[");
  }

  /** The token after {@code index} on the same level of brackets. */
  int next(int index) {
    return opens(index) ? Math.min(partners.get(index) + 1, to) : index + 1;
  }

  /** What stands between the brackets that open at {@code index}. */
  TokenRange inside(int index) {
    return sub(index + 1, partners.get(index));
  }

  /** The first of the words on this level at {@code start} or after it, or {@code to}. */
  int find(int start, String... words) {
    for (int i = Math.max(start, from); i < to; i = next(i)) {
      if (isAny(i, words) && !(is(i, "from") && is(i - 1, "distinct"))) {
        return i;
      }
    }
    return to;
  }

  /** The parts between the separators of this level. */
  List<TokenRange> split(String separator) {
    List<TokenRange> parts = new ArrayList<>();
    int start = from;
    for (int i = from; i < to; i = next(i)) {
      if (is(i, separator)) {
        parts.add(sub(start, i));
        start = i + 1;
      }
    }
    parts.add(sub(start, to));
    return parts;
  }
}
