package dev.pgbelay.jobqueue.inspect;

import java.util.List;
import java.util.Optional;

/**
 * Some finished jobs, the latest first. Immutable and safe for several threads.
 *
 * @param jobs those that fit; may be fewer than asked for, or none, before the last page: a page
 *     looks at a bounded number of records
 * @param next what to give as {@code after} for the next page; empty on the last one
 */
public record FinishedPage(List<JobInfo> jobs, Optional<String> next) {
  public FinishedPage {
    jobs = List.copyOf(jobs);
  }
}
