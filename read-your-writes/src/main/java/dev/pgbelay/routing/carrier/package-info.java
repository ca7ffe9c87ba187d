/** Consistency tokens on their way: on outgoing HTTP calls, messages, jobs and events. */
@NullMarked
package dev.pgbelay.routing.carrier;

import org.jspecify.annotations.NullMarked;
