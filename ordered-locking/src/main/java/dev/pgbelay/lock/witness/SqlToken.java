package dev.pgbelay.lock.witness;

/**
 * One token of an SQL text. A word that was not quoted is in lower case, as the server folds it.
 *
 * @param ordinal the number of the parameter, counted from 1 over the whole text; 0 for others
 */
record SqlToken(Kind kind, String text, int ordinal) {
  enum Kind {
    WORD,
    QUOTED,
    STRING,
    NUMBER,
    PARAMETER,
    SYMBOL
  }

  boolean is(String word) {
    return (kind == Kind.WORD || kind == Kind.SYMBOL) && text.equals(word);
  }

  boolean isName() {
    return kind == Kind.WORD || kind == Kind.QUOTED;
  }

  /** As it may stand in a report: literals are values, and values are not told. */
  String masked() {
    return switch (kind) {
      case STRING, NUMBER, PARAMETER -> "?";
      case QUOTED -> '"' + text.replace("\"", "\"\"") + '"';
      default -> text;
    };
  }
}
