/** What other modules need of this one and users do not. Not API: it changes without notice. */
@NullMarked
package dev.pgbelay.keyset.internal;

import org.jspecify.annotations.NullMarked;
