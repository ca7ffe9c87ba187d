/** The demo of {@code batching}: rows, locks, list views and purges, one by one and by sets. */
@NullMarked
package dev.pgbelay.examples.demo.batching;

import org.jspecify.annotations.NullMarked;
