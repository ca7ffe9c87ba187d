/**
 * For the tests of services that use the queue: a worker that runs what is due on the thread of the
 * test, assertions on what was enqueued, and faults for handlers. Needs no test library; what does
 * not hold is an {@link AssertionError}.
 */
@NullMarked
package dev.pgbelay.jobqueue.testing;

import org.jspecify.annotations.NullMarked;
