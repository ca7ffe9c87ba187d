/**
 * Claims only what may be begun: circuit breakers, bulkheads and rate limiters of what jobs depend
 * on decide how many are taken.
 */
@NullMarked
package dev.pgbelay.jobqueue.permit;

import org.jspecify.annotations.NullMarked;
