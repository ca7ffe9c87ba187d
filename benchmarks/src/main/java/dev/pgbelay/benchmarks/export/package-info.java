/** Reading a whole table out, each contestant in a JVM of its own. */
@NullMarked
package dev.pgbelay.benchmarks.export;

import org.jspecify.annotations.NullMarked;
