/**
 * Read-your-writes for frameworks that want a {@code DataSource}: Spring, Hibernate, jOOQ, plain
 * JDBC. What is declared read-only is read from replicas that have all that the session in scope
 * wrote and saw.
 */
@NullMarked
package dev.pgbelay.routing.jdbc;

import org.jspecify.annotations.NullMarked;
