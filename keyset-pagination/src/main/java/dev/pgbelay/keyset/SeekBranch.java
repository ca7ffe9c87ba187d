package dev.pgbelay.keyset;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.stream.Collectors;

/**
 * One ordered, disjoint part of "everything beyond a position": a prefix of keys equal to the
 * position's, and at most one comparison behind it. Every branch is one contiguous range of an
 * index on the keys, whatever their directions, because no branch crosses a change of direction or
 * the border between values and NULLs.
 */
record SeekBranch(List<Term> terms) {

  /** What one part of a branch says about the keys {@code first} to {@code last}. */
  record Term(Kind kind, int first, int last) {
    enum Kind {
      EQUAL,
      IS_NULL,
      IS_NOT_NULL,
      BEYOND,
      AT_OR_BEYOND
    }
  }

  /** The branch without a condition: the whole order, from its start. */
  static SeekBranch everything() {
    return new SeekBranch(List.of());
  }

  /**
   * The branches for what lies beyond a position, in the order in which their rows come.
   *
   * @param keys as the walk meets them: flipped already when it goes backward
   * @param isNull for the leading keys, whether the position's value is NULL; may be shorter than
   *     the keys (a deep link by a prefix)
   * @param inclusive whether the position's own row belongs to the answer
   */
  static List<SeekBranch> beyond(List<SortKey> keys, boolean[] isNull, boolean inclusive) {
    List<SeekBranch> deepestLast = new ArrayList<>();
    List<Term> prefix = new ArrayList<>();
    int at = 0;
    while (at < isNull.length) {
      int last = isNull[at] ? at : endOfRun(keys, isNull, at);
      boolean atEnd = last == isNull.length - 1;
      if (isNull[at]) {
        // Added outermost first; the list is turned around at the end.
        if (keys.get(at).nullsFirst()) {
          deepestLast.add(branch(prefix, new Term(Term.Kind.IS_NOT_NULL, at, at)));
        }
        if (inclusive && atEnd) {
          deepestLast.add(branch(prefix, new Term(Term.Kind.IS_NULL, at, at)));
        }
        prefix.add(new Term(Term.Kind.IS_NULL, at, at));
      } else {
        if (keys.get(at).nullable() && !keys.get(at).nullsFirst()) {
          deepestLast.add(branch(prefix, new Term(Term.Kind.IS_NULL, at, at)));
        }
        Term.Kind kind = inclusive && atEnd ? Term.Kind.AT_OR_BEYOND : Term.Kind.BEYOND;
        deepestLast.add(branch(prefix, new Term(kind, at, last)));
        prefix.add(new Term(Term.Kind.EQUAL, at, last));
      }
      at = last + 1;
    }
    Collections.reverse(deepestLast);
    return List.copyOf(deepestLast);
  }

  /**
   * A run of keys that one row comparison covers: same direction, and only its first may be NULL in
   * the table. A NULL behind the first column would not end the index scan, which would then walk
   * the whole run of NULLs.
   */
  private static int endOfRun(List<SortKey> keys, boolean[] isNull, int first) {
    int last = first;
    while (last + 1 < isNull.length
        && !keys.get(last + 1).nullable()
        && keys.get(last + 1).descending() == keys.get(first).descending()) {
      last++;
    }
    return last;
  }

  private static SeekBranch branch(List<Term> prefix, Term end) {
    List<Term> terms = new ArrayList<>(prefix);
    terms.add(end);
    return new SeekBranch(List.copyOf(terms));
  }

  /** The condition as text, with {@code :n} for the position's n-th value. */
  String describe(List<SortKey> keys) {
    if (terms.isEmpty()) {
      return "everything";
    }
    return terms.stream().map(term -> describe(term, keys)).collect(Collectors.joining(" and "));
  }

  private static String describe(Term term, List<SortKey> keys) {
    SortKey first = keys.get(term.first());
    return switch (term.kind()) {
      case IS_NULL -> first.label() + " is null";
      case IS_NOT_NULL -> first.label() + " is not null";
      case EQUAL -> {
        List<String> parts = new ArrayList<>();
        for (int i = term.first(); i <= term.last(); i++) {
          parts.add(keys.get(i).label() + " = :" + (i + 1));
        }
        yield String.join(" and ", parts);
      }
      case BEYOND, AT_OR_BEYOND -> {
        String sign = first.descending() ? "<" : ">";
        String operator = term.kind() == Term.Kind.BEYOND ? sign : sign + "=";
        List<String> labels = new ArrayList<>();
        List<String> values = new ArrayList<>();
        for (int i = term.first(); i <= term.last(); i++) {
          labels.add(keys.get(i).label());
          values.add(":" + (i + 1));
        }
        yield labels.size() == 1
            ? labels.get(0) + " " + operator + " " + values.get(0)
            : "(%s) %s (%s)"
                .formatted(String.join(", ", labels), operator, String.join(", ", values));
      }
    };
  }
}
