/**
 * A real PostgreSQL primary and replicas inside a JUnit 5 test, no Docker needed, with faults to
 * inject.
 *
 * <p>{@link dev.pgbelay.testing.PostgresExtension} gives a test class a database of its own; {@link
 * dev.pgbelay.testing.PostgresCluster} starts servers that a test may pause, crash, restart and
 * promote.
 */
@NullMarked
package dev.pgbelay.testing;

import org.jspecify.annotations.NullMarked;
