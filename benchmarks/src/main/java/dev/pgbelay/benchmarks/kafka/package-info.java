/** A backlog of the outbox to Kafka, beside a bare producer on the same broker. */
@NullMarked
package dev.pgbelay.benchmarks.kafka;

import org.jspecify.annotations.NullMarked;
