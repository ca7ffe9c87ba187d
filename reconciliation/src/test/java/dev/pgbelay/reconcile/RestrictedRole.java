package dev.pgbelay.reconcile;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import dev.pgbelay.core.Transactions;
import java.util.Locale;
import java.util.UUID;
import javax.sql.DataSource;
import org.jooq.DSLContext;
import org.jooq.SQLDialect;
import org.jooq.impl.DSL;

/** A role that may do what it is granted and nothing else, and sessions that are it. */
public final class RestrictedRole implements AutoCloseable {
  public final Transactions transactions;

  private final String name = "r" + UUID.randomUUID().toString().replace("-", "");
  private final DSLContext owner;
  private final HikariDataSource pool;

  /**
   * @param owner who grants
   * @param url of the database
   */
  public RestrictedRole(DataSource owner, String url) {
    this.owner = DSL.using(owner, SQLDialect.POSTGRES);
    this.owner.execute("create role " + name + " nologin");
    this.owner.execute("grant usage on schema pgbelay to " + name);
    this.pool = sessions(url);
    this.transactions = Transactions.of(pool);
  }

  /** Sessions of this role, of another server too. */
  public HikariDataSource sessions(String url) {
    HikariConfig config = new HikariConfig();
    config.setJdbcUrl(url + "&options=-c%20role=" + name);
    config.setMaximumPoolSize(2);
    return new HikariDataSource(config);
  }

  public DataSource dataSource() {
    return pool;
  }

  public String name() {
    return name;
  }

  /** What a role does; throws where it could not. */
  public interface Deed {
    void run();
  }

  /**
   * With these grants the deed is done; without any one of them it fails, and says of which table.
   *
   * @param before brings about what the deed needs, each time
   */
  public void assertNeeds(Deed before, Deed deed, String... grants) {
    for (String each : grants) {
      owner.execute("grant " + each + " to " + name);
    }
    before.run();
    deed.run();
    for (String each : grants) {
      owner.execute("revoke " + each + " from " + name);
      before.run();
      assertThat(catchThrowable(deed::run))
          .as("without " + each)
          .isNotNull()
          .hasStackTraceContaining("permission denied for " + object(each));
      owner.execute("grant " + each + " to " + name);
    }
    before.run();
    deed.run();
    for (String each : grants) {
      owner.execute("revoke " + each + " from " + name);
    }
  }

  private static String object(String grant) {
    String on = grant.substring(grant.toLowerCase(Locale.ROOT).indexOf(" on ") + 4);
    return on.startsWith("schema ") ? on : "table " + on.substring(on.indexOf('.') + 1);
  }

  @Override
  public void close() {
    pool.close();
    owner.execute("drop owned by " + name);
    owner.execute("drop role " + name);
  }
}
