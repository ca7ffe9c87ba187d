/** Who keeps VACUUM from cleaning up. */
@NullMarked
package dev.pgbelay.core.horizon;

import org.jspecify.annotations.NullMarked;
