package dev.pgbelay.core.internal;

import dev.pgbelay.core.PgBelayException;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.Optional;
import java.util.UUID;
import org.jooq.Condition;
import org.jooq.Field;

/**
 * The identity of one claim, kept in two columns of the claimed row, by convention {@code claimant
 * uuid} and {@code claim_number bigint}. Every later write about the claim has, in the same
 * statement, {@code WHERE … AND claimant = ? AND claim_number = ?}; if it changes no row, somebody
 * else has the claim by now, and the module throws its {@code …LostException}. Fences are equal or
 * not; they have no order.
 *
 * <p>Immutable and safe for several threads.
 *
 * @param claimant the {@link Claimant}'s random id
 * @param number the claimant's own count, from 1
 */
public record Fence(UUID claimant, long number) {

  public Fence {
    if (number < 1) {
      throw new PgBelayException("number is " + number + ": claims are counted from 1");
    }
  }

  /** For statements built with jOOQ: true for rows under this claim. */
  public Condition holds(Field<UUID> claimantColumn, Field<Long> numberColumn) {
    return claimantColumn.eq(claimant).and(numberColumn.eq(number));
  }

  /**
   * Binds the claimant and the number at two parameters that follow each other.
   *
   * @return the index after them
   */
  public int bind(PreparedStatement statement, int index) throws SQLException {
    statement.setObject(index, claimant);
    statement.setLong(index + 1, number);
    return index + 2;
  }

  /** Reads two columns that follow each other; empty where the row is not claimed. */
  public static Optional<Fence> read(ResultSet row, int index) throws SQLException {
    UUID claimant = row.getObject(index, UUID.class);
    long number = row.getLong(index + 1);
    return claimant == null ? Optional.empty() : Optional.of(new Fence(claimant, number));
  }

  @Override
  public String toString() {
    return claimant + "/" + number;
  }
}
