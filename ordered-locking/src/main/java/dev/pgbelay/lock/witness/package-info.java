/**
 * Learns in which order code locks rows, and reports the orders that can deadlock before they do;
 * says what met in a deadlock that happened, who holds row locks too long, and who calls out while
 * holding them.
 */
@NullMarked
package dev.pgbelay.lock.witness;

import org.jspecify.annotations.NullMarked;
