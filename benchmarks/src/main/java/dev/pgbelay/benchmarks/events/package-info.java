/** The table of events that the reading scenarios share. */
@NullMarked
package dev.pgbelay.benchmarks.events;

import org.jspecify.annotations.NullMarked;
