/**
 * Locks taken in one order, so that transactions do not deadlock, and leases for work that is
 * longer than a transaction, whose stale holders the database itself refuses.
 */
@NullMarked
package dev.pgbelay.lock;

import org.jspecify.annotations.NullMarked;
