/** The demo of {@code job-queue}: jobs in batches, a worker that is killed, one that is stopped. */
@NullMarked
package dev.pgbelay.examples.demo.queue;

import org.jspecify.annotations.NullMarked;
