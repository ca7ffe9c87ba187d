/** Telling other processes that there is work, so that they need not look so often. */
@NullMarked
package dev.pgbelay.core.wakeup;

import org.jspecify.annotations.NullMarked;
