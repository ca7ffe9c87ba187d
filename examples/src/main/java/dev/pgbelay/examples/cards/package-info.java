/** A provider of card payments, called over HTTP, for the examples and the demo. */
@NullMarked
package dev.pgbelay.examples.cards;

import org.jspecify.annotations.NullMarked;
