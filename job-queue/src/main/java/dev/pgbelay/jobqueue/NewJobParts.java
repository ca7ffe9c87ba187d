package dev.pgbelay.jobqueue;

import java.time.Duration;
import java.time.Instant;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/** What a job is made of, while one of it is exchanged. */
final class NewJobParts<P> {
  private final JobKind<P> kind;
  private final P payload;
  String queue = NewJob.DEFAULT_QUEUE;
  Optional<Instant> runAt = Optional.empty();
  Duration delay = Duration.ZERO;
  Duration priority = Duration.ZERO;
  int maxAttempts = NewJob.DEFAULT_ATTEMPTS;
  Optional<Duration> deadline = Optional.empty();
  Optional<String> partitionKey = Optional.empty();
  Optional<NewJob.UniqueKey> unique = Optional.empty();
  Set<String> tags = Set.of();
  Map<String, String> headers = Map.of();

  NewJobParts(JobKind<P> kind, P payload) {
    this.kind = kind;
    this.payload = payload;
  }

  NewJobParts(NewJob<P> job) {
    this(job.kind(), job.payload());
    queue = job.queue();
    runAt = job.runAt();
    delay = job.delay();
    priority = job.priority();
    maxAttempts = job.maxAttempts();
    deadline = job.deadline();
    partitionKey = job.partitionKey();
    unique = job.unique();
    tags = job.tags();
    headers = job.headers();
  }

  NewJob<P> job() {
    return new NewJob<>(
        kind,
        payload,
        queue,
        runAt,
        delay,
        priority,
        maxAttempts,
        deadline,
        partitionKey,
        unique,
        tags,
        headers);
  }
}
