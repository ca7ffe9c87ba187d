/** Reads that do not show what was written a moment ago. */
@NullMarked
package dev.pgbelay.examples.demo.routing;

import org.jspecify.annotations.NullMarked;
