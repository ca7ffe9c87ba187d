/** What the modules share and users do not need. Not API: it changes without notice. */
@NullMarked
package dev.pgbelay.core.internal;

import org.jspecify.annotations.NullMarked;
