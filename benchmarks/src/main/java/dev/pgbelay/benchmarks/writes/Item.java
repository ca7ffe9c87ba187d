package dev.pgbelay.benchmarks.writes;

import java.math.BigDecimal;
import java.time.OffsetDateTime;

/** A row of six columns, as the caller of every contestant has it. */
record Item(
    long id, int accountId, int status, OffsetDateTime madeAt, BigDecimal amount, String name) {}
