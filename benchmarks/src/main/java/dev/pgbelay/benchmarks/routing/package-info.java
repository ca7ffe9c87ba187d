/** What it costs to read from replicas and still see what one wrote. */
@NullMarked
package dev.pgbelay.benchmarks.routing;

import org.jspecify.annotations.NullMarked;
