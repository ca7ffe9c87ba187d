/** Messages of an outbox on their way to Kafka. */
@NullMarked
package dev.pgbelay.kafka;

import org.jspecify.annotations.NullMarked;
