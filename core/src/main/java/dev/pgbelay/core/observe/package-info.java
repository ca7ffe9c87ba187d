/**
 * How code that checks what an application says to PostgreSQL is told about it, in tests: one
 * interface to implement, found by {@link java.util.ServiceLoader} or registered by hand.
 */
@NullMarked
package dev.pgbelay.core.observe;

import org.jspecify.annotations.NullMarked;
