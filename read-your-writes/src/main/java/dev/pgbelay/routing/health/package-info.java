/** Whether somebody has to see to the nodes of a cluster. */
@NullMarked
package dev.pgbelay.routing.health;

import org.jspecify.annotations.NullMarked;
