package dev.pgbelay.examples.demo;

import dev.pgbelay.core.Transactions;
import javax.sql.DataSource;
import org.jooq.DSLContext;

/**
 * What a scenario runs on.
 *
 * @param primary the primary, through a pool of twelve connections
 * @param dataSource that pool
 * @param transactions over that pool
 * @param replica a replica that has replayed the loaded data, through a pool of its own
 * @param rows orders loaded
 * @param seed seed for every random choice, so that a run can be repeated
 * @param progress where to show how far the scenario is
 */
public record DemoContext(
    DSLContext primary,
    DataSource dataSource,
    Transactions transactions,
    DSLContext replica,
    long rows,
    long seed,
    Progress progress) {}
