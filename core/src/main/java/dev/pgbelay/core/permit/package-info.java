/**
 * Claims only what may be begun: circuit breakers, bulkheads and rate limiters of what rows depend
 * on decide how many are taken.
 */
@NullMarked
package dev.pgbelay.core.permit;

import org.jspecify.annotations.NullMarked;
