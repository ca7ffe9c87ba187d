/** What workers do, job by job, for those who want to watch: audit, tracing, tests. */
@NullMarked
package dev.pgbelay.jobqueue.events;

import org.jspecify.annotations.NullMarked;
