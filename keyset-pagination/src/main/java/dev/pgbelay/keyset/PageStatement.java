package dev.pgbelay.keyset;

import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.jooq.Param;

/**
 * The statement of one shape: text once rendered, cut at its parameters. Limits are written into
 * the text as numbers, one text per page size: with a bound LIMIT a generic plan assumes a tenth of
 * the table and may sort it.
 */
final class PageStatement {
  /** A client that asks for ever new sizes must not fill the memory with texts. */
  private static final int MAX_TEXTS = 64;

  /** What a parameter of the statement stands for. */
  sealed interface Slot {}

  /** A value of the position: the n-th key. */
  record KeySlot(int key) implements Slot {}

  /** A parameter of the caller's select. */
  record FilterSlot(Param<?> param) implements Slot {}

  /** A number that is written into the text: which one of the limits. */
  record LimitSlot(Limit limit) implements Slot {}

  /** The limits that a statement can have, as numbers of rows. */
  enum Limit {
    ROWS,
    ROWS_BEFORE,
    COUNTED
  }

  /** Values for the limits of one page. */
  record Limits(int rows, int rowsBefore, long counted) {
    long of(Limit limit) {
      return switch (limit) {
        case ROWS -> rows;
        case ROWS_BEFORE -> rowsBefore;
        case COUNTED -> counted;
      };
    }
  }

  private final List<String> pieces;
  private final List<Slot> slots;
  private final List<Slot> bound;
  private final Map<Limits, String> texts = new ConcurrentHashMap<>();

  PageStatement(List<String> pieces, List<Slot> slots) {
    this.pieces = pieces;
    this.slots = slots;
    this.bound = slots.stream().filter(slot -> !(slot instanceof LimitSlot)).toList();
  }

  /** What is to be bound to the question marks of {@link #text}, in their order. */
  List<Slot> bound() {
    return bound;
  }

  String text(Limits limits) {
    String known = texts.get(limits);
    if (known != null) {
      return known;
    }
    String text = write(limits);
    if (texts.size() < MAX_TEXTS) {
      texts.put(limits, text);
    }
    return text;
  }

  private String write(Limits limits) {
    StringBuilder text = new StringBuilder(pieces.get(0));
    for (int i = 0; i < slots.size(); i++) {
      if (slots.get(i) instanceof LimitSlot limit) {
        text.append(limits.of(limit.limit()));
      } else {
        text.append('?');
      }
      text.append(pieces.get(i + 1));
    }
    return text.toString();
  }
}
