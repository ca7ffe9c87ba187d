/**
 * Writing and reading by sets: one statement for any number of rows, and the fate of each of them.
 */
@NullMarked
package dev.pgbelay.batch;

import org.jspecify.annotations.NullMarked;
