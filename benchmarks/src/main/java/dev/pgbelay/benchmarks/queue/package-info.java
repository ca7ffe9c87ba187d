/** Jobs that do nothing, enqueued and worked off. */
@NullMarked
package dev.pgbelay.benchmarks.queue;

import org.jspecify.annotations.NullMarked;
