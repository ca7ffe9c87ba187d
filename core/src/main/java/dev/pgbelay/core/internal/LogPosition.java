package dev.pgbelay.core.internal;

import dev.pgbelay.core.PgBelayException;

/** Byte positions in the write-ahead log, as the server writes them. */
public final class LogPosition {
  private static final int PAGE = 8192;
  private static final int PAGE_HEADER = 24;
  private static final int SEGMENT_HEADER = 40;

  private LogPosition() {}

  /** Reads PostgreSQL's notation, such as {@code 0/16B3748}. */
  public static long parse(String text) {
    int slash = text.indexOf('/');
    if (slash < 1) {
      throw new PgBelayException("not a log position: " + text);
    }
    return (Long.parseLong(text, 0, slash, 16) << 32)
        | Long.parseLong(text, slash + 1, text.length(), 16);
  }

  /**
   * An insert position that stands just behind a page or segment header names the first byte that
   * the next record will take. Nothing was written between the page's start and it, and a replica
   * that has replayed everything reports the page's start for as long as the primary is idle.
   */
  public static long withoutHeader(long insertLsn, long segmentSize) {
    if (insertLsn % segmentSize == SEGMENT_HEADER) {
      return insertLsn - SEGMENT_HEADER;
    }
    if (insertLsn % PAGE == PAGE_HEADER && insertLsn % segmentSize > PAGE) {
      return insertLsn - PAGE_HEADER;
    }
    return insertLsn;
  }
}
