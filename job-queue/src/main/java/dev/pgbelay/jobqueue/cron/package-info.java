/**
 * Jobs by the calendar: schedules in a table, each of which is fired once, whatever the number of
 * processes that look at it.
 */
@NullMarked
package dev.pgbelay.jobqueue.cron;

import org.jspecify.annotations.NullMarked;
