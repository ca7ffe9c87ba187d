package dev.pgbelay.jobqueue.cron;

import java.time.Instant;
import java.util.Optional;

/**
 * A schedule as it stands in the table. Immutable and safe for several threads.
 *
 * @param name of the schedule
 * @param cron its expression
 * @param zone its time zone
 * @param kind of the jobs
 * @param queue of the jobs
 * @param missedFires what becomes of moments that nobody saw
 * @param paused whether it is paused
 * @param nextFire the next moment, by which it is due; empty if the expression means none
 * @param lastFire the last moment for which a job was enqueued
 * @param fired how many jobs were enqueued
 * @param missed how many moments got no job of their own
 * @param failure why it could not be fired the last time; it is tried again every minute
 */
public record ScheduleState(
    String name,
    String cron,
    String zone,
    String kind,
    String queue,
    MissedFires missedFires,
    boolean paused,
    Optional<Instant> nextFire,
    Optional<Instant> lastFire,
    long fired,
    long missed,
    Optional<String> failure) {}
