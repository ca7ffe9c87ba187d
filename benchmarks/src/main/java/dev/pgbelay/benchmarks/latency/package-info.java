/** One message or job at a time: how long until it begins, in this JVM or in another one. */
@NullMarked
package dev.pgbelay.benchmarks.latency;

import org.jspecify.annotations.NullMarked;
