/**
 * Leases on names, for work that is longer than a transaction: decided by the database's clock,
 * kept alive on connections of their own, and fenced, so that a holder that was stopped for too
 * long cannot write any more.
 */
@NullMarked
package dev.pgbelay.lock.lease;

import org.jspecify.annotations.NullMarked;
