package dev.pgbelay.jobqueue.health;

import java.time.Duration;
import java.util.Optional;

/**
 * One queue at one moment, by the database's clock. Immutable and safe for several threads.
 *
 * @param queue its name
 * @param due jobs that could run now
 * @param running jobs that a worker has; counted together with those that are due, up to the
 *     monitor's limit
 * @param oldestDue for how long the one that waits longest has been due, of as many as were counted
 * @param sinceClaim since a worker took a job of it; to the nearest five seconds
 * @param sinceFinished since a job of it came to an end, as done or discarded
 * @param sincePause since somebody paused it, if it is paused
 * @param waiting jobs that are due and may not begin
 * @param workers that are heard of and run this queue
 */
public record QueueFigures(
    String queue,
    int due,
    int running,
    Optional<Duration> oldestDue,
    Optional<Duration> sinceClaim,
    Optional<Duration> sinceFinished,
    Optional<Duration> sincePause,
    Waiting waiting,
    int workers) {}
