package dev.pgbelay.benchmarks.paging;

import org.springframework.data.domain.ScrollPosition;
import org.springframework.data.domain.Sort;
import org.springframework.data.domain.Window;
import org.springframework.data.repository.Repository;

/** Scrolling as Spring Data's reference shows it. */
interface EventRepository extends Repository<EventEntity, Long> {
  Window<EventEntity> findFirst50ByAccountId(int accountId, ScrollPosition position, Sort sort);
}
