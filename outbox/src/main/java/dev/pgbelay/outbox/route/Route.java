package dev.pgbelay.outbox.route;

/**
 * A topic whose messages go to a destination.
 *
 * @param topic of the messages
 * @param destination the name under which a relay has it
 */
public record Route(String topic, String destination) {}
