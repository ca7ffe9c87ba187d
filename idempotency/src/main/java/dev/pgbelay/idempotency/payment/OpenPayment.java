package dev.pgbelay.idempotency.payment;

import dev.pgbelay.idempotency.IdempotencyKey;
import java.time.Duration;
import java.util.Optional;

/**
 * A payment that has no answer yet, as it was when it was looked at.
 *
 * @param key its name
 * @param state not {@link PaymentState#COMPLETED}
 * @param asked the provider step that was asked and has no result
 * @param age since the payment began
 * @param unknownFor since it is not known what a provider did
 * @param attempts failed ones since its last progress
 * @param reason of the last failure
 */
public record OpenPayment(
    IdempotencyKey key,
    PaymentState state,
    Optional<String> asked,
    Duration age,
    Optional<Duration> unknownFor,
    int attempts,
    Optional<String> reason) {}
