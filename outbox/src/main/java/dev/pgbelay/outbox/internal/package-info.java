/** Not API: what the packages of this module have in common. */
@NullMarked
package dev.pgbelay.outbox.internal;

import org.jspecify.annotations.NullMarked;
