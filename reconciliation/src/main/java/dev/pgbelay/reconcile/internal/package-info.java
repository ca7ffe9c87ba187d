/** Shared by the packages of this module; not API. */
@NullMarked
package dev.pgbelay.reconcile.internal;

import org.jspecify.annotations.NullMarked;
