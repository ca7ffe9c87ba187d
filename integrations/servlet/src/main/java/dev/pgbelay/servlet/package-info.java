/**
 * Patterns of pgbelay at the door of a service: what clients send with an {@code Idempotency-Key},
 * before servlets that write to the database alone, and to operations that call others.
 */
@NullMarked
package dev.pgbelay.servlet;

import org.jspecify.annotations.NullMarked;
