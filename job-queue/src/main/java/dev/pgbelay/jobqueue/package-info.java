/**
 * A job queue in the database that the service already has: jobs are enqueued in the business
 * transaction, claimed in batches, and every write about a claimed job is fenced, so that a worker
 * that was stopped for too long changes nothing any more.
 */
@NullMarked
package dev.pgbelay.jobqueue;

import org.jspecify.annotations.NullMarked;
