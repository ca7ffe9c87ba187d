/** Background work that never dies silently: one type of loop runs every poller of pgbelay. */
@NullMarked
package dev.pgbelay.core.background;

import org.jspecify.annotations.NullMarked;
