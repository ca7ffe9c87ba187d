/** Transactions that know what happened. */
@NullMarked
package dev.pgbelay.core;

import org.jspecify.annotations.NullMarked;
