package dev.pgbelay.jobqueue.internal;

import dev.pgbelay.core.PgBelayException;
import java.util.regex.Pattern;

/** Where a page of a list by ascending id ends. */
public final class IdCursor {
  /** Before all. */
  public static final long FIRST = Long.MIN_VALUE;

  private static final Pattern ID = Pattern.compile("-?[0-9]{1,18}");

  private IdCursor() {}

  public static String of(long id) {
    return Long.toString(id);
  }

  /**
   * The id that was reached.
   *
   * @throws PgBelayException if no page has said that
   */
  public static long read(String after) {
    if (!ID.matcher(after).matches()) {
      throw new PgBelayException("after is '" + after + "': give what JobPage.next said");
    }
    return Long.parseLong(after);
  }
}
