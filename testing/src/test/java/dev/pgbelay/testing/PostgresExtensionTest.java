package dev.pgbelay.testing;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.TimeZone;
import javax.sql.DataSource;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

class PostgresExtensionTest {
  private static final TemplateInitializer SCHEMA =
      dataSource -> {
        try (Connection connection = dataSource.getConnection();
            Statement statement = connection.createStatement()) {
          statement.execute("create table item(id int primary key)");
          statement.execute("insert into item select generate_series(1, 3)");
        }
      };

  @RegisterExtension
  static final PostgresExtension postgres = PostgresExtension.create().withTemplate(SCHEMA);

  @Test
  void parameters_areOfThisClassesDatabase(DataSource dataSource, PostgresDatabase database)
      throws SQLException {
    assertThat(dataSource).isSameAs(postgres.dataSource());
    assertThat(show(dataSource, "select current_database()")).isEqualTo(database.name());
    assertThat(show(dataSource, "select count(*) from item")).isEqualTo("3");
  }

  @Test
  void sessionZone_isNotTheJvmsZone(DataSource dataSource, PostgresDatabase database)
      throws SQLException {
    assertThat(show(dataSource, "show timezone"))
        .isEqualTo("America/St_Johns")
        .isNotEqualTo(TimeZone.getDefault().getID());
    try (Connection connection = database.connect();
        Statement statement = connection.createStatement();
        ResultSet rows = statement.executeQuery("show timezone")) {
      rows.next();
      assertThat(rows.getString(1)).isEqualTo("America/St_Johns");
    }
  }

  @Test
  void sharedServer_isAsDurableAsProduction(DataSource dataSource) throws SQLException {
    assertThat(show(dataSource, "show fsync")).isEqualTo("on");
    assertThat(show(dataSource, "show full_page_writes")).isEqualTo("on");
    assertThat(show(dataSource, "show synchronous_commit")).isEqualTo("on");
    assertThat(show(dataSource, "show wal_level")).isEqualTo("logical");
    assertThat(show(dataSource, "select current_setting('server_version_num')::int / 10000"))
        .isEqualTo(System.getProperty("pgbelay.postgres.major"));
  }

  @Test
  void databaseOfTheClass_isNotForATestToClose(PostgresDatabase database) {
    assertThatThrownBy(database::close)
        .isInstanceOf(IllegalStateException.class)
        .hasMessageContaining("PostgresExtension");
  }

  @Nested
  class InNestedClass {
    @Test
    void database_isThatOfTheOuterClass(PostgresDatabase database) {
      assertThat(database).isSameAs(postgres.database());
    }
  }

  private static String show(DataSource dataSource, String sql) throws SQLException {
    try (Connection connection = dataSource.getConnection();
        Statement statement = connection.createStatement();
        ResultSet rows = statement.executeQuery(sql)) {
      rows.next();
      return rows.getString(1);
    }
  }
}
