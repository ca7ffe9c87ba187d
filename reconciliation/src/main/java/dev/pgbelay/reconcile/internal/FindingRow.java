package dev.pgbelay.reconcile.internal;

import dev.pgbelay.reconcile.check.Finding;
import java.time.Instant;
import java.util.Optional;
import org.jooq.JSONB;
import org.jooq.Record;

/** Reads a row of the table of findings. */
public final class FindingRow {
  private FindingRow() {}

  public static Finding read(Record row) {
    return new Finding(
        row.get("id", Long.class),
        row.get("declaration", String.class),
        row.get("row_key", JSONB.class),
        Finding.State.valueOf(row.get("state", String.class)),
        row.get("evidence", JSONB.class),
        row.get("first_seen", Instant.class),
        row.get("last_seen", Instant.class),
        Optional.ofNullable(row.get("confirmed_at", Instant.class)),
        Optional.ofNullable(row.get("closed_at", Instant.class)),
        row.get("reopened", Integer.class));
  }
}
