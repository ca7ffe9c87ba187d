package dev.pgbelay.routing;

import io.micrometer.core.instrument.MeterRegistry;
import java.time.Duration;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * What {@link ReadYourWritesBuilder} was told.
 *
 * @param compares false only in tests that show what is seen without
 */
record RoutingOptions(
    Duration probeInterval,
    Duration probeTimeout,
    Duration maxAge,
    long maxLagBytes,
    Duration maxLag,
    Duration maxWait,
    Duration failoverWait,
    int primaryReads,
    Consumer<LostPosition> onLost,
    @Nullable MeterRegistry registry,
    boolean compares) {}
