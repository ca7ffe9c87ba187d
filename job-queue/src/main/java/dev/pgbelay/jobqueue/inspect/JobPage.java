package dev.pgbelay.jobqueue.inspect;

import java.util.List;
import java.util.Optional;

/**
 * Some jobs of a list. Immutable and safe for several threads.
 *
 * @param jobs those that fit; may be fewer than asked for, or none, before the last page: a page
 *     looks at a bounded number of jobs
 * @param next what to give as {@code after} for the next page; empty on the last one
 */
public record JobPage<J>(List<J> jobs, Optional<String> next) {
  public JobPage {
    jobs = List.copyOf(jobs);
  }
}
