package dev.pgbelay.core.internal;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.jooq.SQLDialect;
import org.jooq.impl.DSL;

/**
 * A table with 32 partitions, {@code parent_00} to {@code parent_31}, of which each holds the rows
 * of a day since 1970-01-01, UTC, whose number leaves that remainder. What is older than its
 * retention goes by emptying whole partitions. Safe for several threads.
 */
public final class DayRing {
  /** Days are kept whole, and the slots of today and tomorrow are left alone. */
  public static final int MOST_DAYS = 28;

  private final String schema;
  private final String parent;

  public DayRing(String schema, String parent) {
    this.schema = schema;
    this.parent = parent;
  }

  /**
   * Slots that hold something and no day that is to be kept. Tomorrow's is left alone: a truncate
   * that is sent before midnight may arrive after it.
   */
  public List<Integer> expired(Connection connection, int days) throws SQLException {
    return expired(connection, -days, 1);
  }

  /** The same, where the days from the first to the last are kept, counted from today. */
  public List<Integer> expired(Connection connection, int firstKept, int lastKept)
      throws SQLException {
    List<Integer> slots = new ArrayList<>();
    try (PreparedStatement select = connection.prepareStatement(DayRingSql.FIND_EXPIRED)) {
      select.setInt(1, firstKept);
      select.setInt(2, lastKept);
      select.setString(3, name(parent));
      try (ResultSet row = select.executeQuery()) {
        while (row.next()) {
          slots.add(row.getInt(1));
        }
      }
    }
    return slots;
  }

  /** Until the transaction ends; waits for whoever reads or writes the slot. */
  public void lock(Connection connection, int slot) throws SQLException {
    try (PreparedStatement lock =
        connection.prepareStatement(DayRingSql.lockSlot(name(slotName(slot))))) {
      lock.execute();
    }
  }

  /** Waits for whoever reads or writes the slot, with an exclusive lock on it. */
  public void empty(Connection connection, int slot) throws SQLException {
    try (PreparedStatement truncate =
        connection.prepareStatement(DayRingSql.emptySlot(name(slotName(slot))))) {
      truncate.execute();
    }
  }

  private String slotName(int slot) {
    return parent + String.format(Locale.ROOT, "_%02d", slot);
  }

  private String name(String table) {
    return DSL.using(SQLDialect.POSTGRES).render(DSL.table(DSL.name(schema, table)));
  }
}
