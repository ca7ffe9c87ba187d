/** Fingerprints of requests, over a form that does not depend on how they were written down. */
@NullMarked
package dev.pgbelay.idempotency.fingerprint;

import org.jspecify.annotations.NullMarked;
