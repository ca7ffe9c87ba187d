/** Patterns of pgbelay at the door of a service: servlet filters for what clients send. */
@NullMarked
package dev.pgbelay.servlet;

import org.jspecify.annotations.NullMarked;
