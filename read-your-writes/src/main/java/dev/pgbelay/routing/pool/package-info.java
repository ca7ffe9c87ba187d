/** Pools of the nodes, for who has none yet. The only package that needs HikariCP. */
@NullMarked
package dev.pgbelay.routing.pool;

import org.jspecify.annotations.NullMarked;
