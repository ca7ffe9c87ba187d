/** What a queue looks like from outside: figures, and whether somebody has to see to it. */
@NullMarked
package dev.pgbelay.jobqueue.health;

import org.jspecify.annotations.NullMarked;
