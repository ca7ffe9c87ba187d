/** The way from a database's foreign key to a guarded reference, and back. */
@NullMarked
package dev.pgbelay.reconcile.migrate;

import org.jspecify.annotations.NullMarked;
