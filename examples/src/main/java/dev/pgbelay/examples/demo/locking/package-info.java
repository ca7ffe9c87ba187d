/** The demo of {@code ordered-locking}: transfers in one order, and a leader that was stopped. */
@NullMarked
package dev.pgbelay.examples.demo.locking;

import org.jspecify.annotations.NullMarked;
