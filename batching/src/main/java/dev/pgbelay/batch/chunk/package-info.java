/**
 * Long maintenance in short transactions: a table is worked over range by range, the progress is
 * kept with the work, and the job gives way to everybody else.
 */
@NullMarked
package dev.pgbelay.batch.chunk;

import org.jspecify.annotations.NullMarked;
