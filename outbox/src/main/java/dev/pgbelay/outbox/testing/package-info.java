/**
 * For tests of services: what was appended, and a publisher that keeps what it is given and fails
 * as it is told. Needs no test framework.
 */
@NullMarked
package dev.pgbelay.outbox.testing;

import org.jspecify.annotations.NullMarked;
