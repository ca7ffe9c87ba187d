/** What the packages of this module share. Not API. */
@NullMarked
package dev.pgbelay.lock.internal;

import org.jspecify.annotations.NullMarked;
