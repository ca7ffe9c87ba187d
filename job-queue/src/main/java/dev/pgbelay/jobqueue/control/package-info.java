/**
 * What somebody says of a queue or a kind for all workers at once: pauses, and limits that hold
 * over all processes.
 */
@NullMarked
package dev.pgbelay.jobqueue.control;

import org.jspecify.annotations.NullMarked;
