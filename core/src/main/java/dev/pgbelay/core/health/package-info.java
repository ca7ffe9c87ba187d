/** Whether somebody has to see to something, and why. */
@NullMarked
package dev.pgbelay.core.health;

import org.jspecify.annotations.NullMarked;
