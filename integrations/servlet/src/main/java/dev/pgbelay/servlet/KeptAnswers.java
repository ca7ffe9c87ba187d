package dev.pgbelay.servlet;

import java.util.Locale;
import java.util.Set;
import java.util.function.IntPredicate;

/**
 * Which answers are stored, and what of them. Immutable, as far as the predicate is.
 *
 * @param headers in lower case
 */
record KeptAnswers(Set<String> headers, IntPredicate statuses) {
  /** They say something of who asks, or how often, and nothing of the request. */
  private static final Set<Integer> NEVER = Set.of(401, 403, 429);

  private static final Set<Integer> OTHERS_NEXT_TIME =
      Set.of(401, 403, 404, 408, 409, 412, 425, 429);

  KeptAnswers {
    headers = Set.copyOf(headers);
  }

  static boolean byDefault(int status) {
    return status >= 200 && status < 500 && !OTHERS_NEXT_TIME.contains(status);
  }

  boolean keeps(int status) {
    return !NEVER.contains(status) && statuses.test(status);
  }

  /** What is stored of an answer. */
  StoredResponse of(StoredResponse whole) {
    return whole.with(name -> headers.contains(name.toLowerCase(Locale.ROOT)));
  }
}
