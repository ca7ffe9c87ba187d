/** Reports: which columns are covered, and all of it as text and as JSON. */
@NullMarked
package dev.pgbelay.reconcile.report;

import org.jspecify.annotations.NullMarked;
