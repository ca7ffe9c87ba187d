package dev.pgbelay.benchmarks.routing;

import dev.pgbelay.routing.ReadYourWrites;
import dev.pgbelay.routing.Session;
import java.sql.SQLException;

/** By one session, through the router. */
record RoutedAccess(ReadYourWrites db, Session session) implements Access {
  @Override
  public long read(int id) throws SQLException {
    return db.read(session, tx -> Access.version(tx.connection(), ProfileSql.READ, id));
  }

  @Override
  public long write(int id) throws SQLException {
    return db.write(session, tx -> Access.version(tx.connection(), ProfileSql.WRITE, id));
  }
}
