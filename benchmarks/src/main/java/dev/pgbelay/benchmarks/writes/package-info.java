/** Writing many small rows: inserts, upserts, updates, round trips, rows of many threads. */
@NullMarked
package dev.pgbelay.benchmarks.writes;

import org.jspecify.annotations.NullMarked;
