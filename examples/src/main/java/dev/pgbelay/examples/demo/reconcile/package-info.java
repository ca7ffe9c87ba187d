/** A foreign key on a hot parent, and rules that nobody keeps. */
@NullMarked
package dev.pgbelay.examples.demo.reconcile;

import org.jspecify.annotations.NullMarked;
