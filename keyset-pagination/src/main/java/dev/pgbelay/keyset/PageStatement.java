package dev.pgbelay.keyset;

import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Function;
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

  /** The position's leading value, as an array of one. */
  record LeadArraySlot() implements Slot {}

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

  private final String plan;
  private final boolean typed;
  private final List<String> pieces;
  private final List<Slot> slots;
  private final List<Slot> bound;
  private final Map<Limits, String> texts = new ConcurrentHashMap<>();

  /**
   * A statement cut at its parameters.
   *
   * @param plan the kind of plan, for metrics
   * @param typed whether its last columns are there for the types of the keys
   */
  PageStatement(String plan, List<String> pieces, List<Slot> slots, boolean typed) {
    this.plan = plan;
    this.typed = typed;
    this.pieces = pieces;
    this.slots = slots;
    this.bound = slots.stream().filter(slot -> !(slot instanceof LimitSlot)).toList();
  }

  boolean isTyped() {
    return typed;
  }

  /** {@code scan}, {@code row_value} or {@code branches}. */
  String plan() {
    return plan;
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
    String text = write(limits, slot -> "?");
    if (texts.size() < MAX_TEXTS) {
      texts.put(limits, text);
    }
    return text;
  }

  /** The text with something else than question marks in the place of bound values. */
  String text(Limits limits, Function<Slot, String> written) {
    return write(limits, written);
  }

  private String write(Limits limits, Function<Slot, String> written) {
    StringBuilder text = new StringBuilder(pieces.get(0));
    for (int i = 0; i < slots.size(); i++) {
      if (slots.get(i) instanceof LimitSlot limit) {
        text.append(limits.of(limit.limit()));
      } else {
        text.append(written.apply(slots.get(i)));
      }
      text.append(pieces.get(i + 1));
    }
    return text.toString();
  }
}
