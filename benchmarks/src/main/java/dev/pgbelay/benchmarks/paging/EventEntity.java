package dev.pgbelay.benchmarks.paging;

import dev.pgbelay.benchmarks.events.Event;
import jakarta.persistence.Column;
import jakarta.persistence.Entity;
import jakarta.persistence.Id;
import jakarta.persistence.Table;
import java.time.OffsetDateTime;
import org.jspecify.annotations.Nullable;

/** The events as JPA sees them. */
@Entity
@Table(name = "events")
@SuppressWarnings("NullAway.Init") // JPA fills the fields.
class EventEntity {
  @Id private long id;

  @Column(name = "account_id", nullable = false)
  private int accountId;

  @Column(name = "created_at", nullable = false)
  private OffsetDateTime createdAt;

  @Column(nullable = false)
  private int status;

  @Column(name = "resolved_at")
  private @Nullable OffsetDateTime resolvedAt;

  @Column(nullable = false)
  private long amount;

  @Column(nullable = false)
  private String payload;

  /** For JPA. */
  protected EventEntity() {}

  Event toEvent() {
    return new Event(id, accountId, createdAt, status, resolvedAt, amount, payload);
  }
}
