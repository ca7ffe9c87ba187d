/** The demo of {@code outbox}: crashes beside the commit, events of what never was, a backlog. */
@NullMarked
package dev.pgbelay.examples.demo.outbox;

import org.jspecify.annotations.NullMarked;
