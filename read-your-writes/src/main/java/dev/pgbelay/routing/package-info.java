/**
 * Reads on replicas that have replayed what their session wrote and saw: positions in the log
 * decide, never time.
 */
@NullMarked
package dev.pgbelay.routing;

import org.jspecify.annotations.NullMarked;
