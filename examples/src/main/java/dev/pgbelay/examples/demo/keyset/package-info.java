/** The keyset pagination scenario. */
@NullMarked
package dev.pgbelay.examples.demo.keyset;

import org.jspecify.annotations.NullMarked;
