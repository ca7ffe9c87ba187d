/**
 * Keyset pagination that is index-exact for any mix of directions and NULLs, forward and backward.
 */
@NullMarked
package dev.pgbelay.keyset;

import org.jspecify.annotations.NullMarked;
