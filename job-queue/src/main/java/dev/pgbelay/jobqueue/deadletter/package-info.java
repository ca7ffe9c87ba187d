/** The jobs that failed for good: to look at, to run again, to throw away. */
@NullMarked
package dev.pgbelay.jobqueue.deadletter;

import org.jspecify.annotations.NullMarked;
