/**
 * The demo: production-shaped data on a real server, each pattern's naive habit against its safe
 * form.
 */
@NullMarked
package dev.pgbelay.examples.demo;

import org.jspecify.annotations.NullMarked;
