/** What a foreign key costs on a parent that everybody points to, and what its locks cost. */
@NullMarked
package dev.pgbelay.benchmarks.hotparent;

import org.jspecify.annotations.NullMarked;
