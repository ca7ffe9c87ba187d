/** Keys with names, and small signed tokens that survive a rotation of those keys. */
@NullMarked
package dev.pgbelay.core.token;

import org.jspecify.annotations.NullMarked;
