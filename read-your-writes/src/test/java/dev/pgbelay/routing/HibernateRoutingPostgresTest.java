package dev.pgbelay.routing;

import static dev.pgbelay.routing.RoutedJdbc.awaitReplicas;
import static dev.pgbelay.routing.RoutedJdbc.borrowed;
import static dev.pgbelay.routing.RoutedJdbc.reason;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.pgbelay.routing.RouteDecision.Reason;
import dev.pgbelay.routing.jdbc.RoutingDataSource;
import dev.pgbelay.routing.jdbc.ScopedSession;
import jakarta.persistence.Entity;
import jakarta.persistence.Id;
import jakarta.persistence.Table;
import java.time.Duration;
import java.util.function.Consumer;
import java.util.function.Function;
import org.hibernate.SessionFactory;
import org.hibernate.cfg.AvailableSettings;
import org.hibernate.cfg.Configuration;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class HibernateRoutingPostgresTest {
  /** A row of the cluster's table. */
  @Entity
  @Table(name = "profile")
  public static class Profile {
    @Id private int id;
    private String name = "";

    public int getId() {
      return id;
    }

    public String getName() {
      return name;
    }

    public void setName(String name) {
      this.name = name;
    }
  }

  private static Cluster cluster;

  private ReadYourWrites db;
  private SessionFactory entities;
  private Session session;
  private ScopedSession scope;

  @BeforeAll
  static void start() {
    cluster = new Cluster(2);
  }

  @AfterAll
  static void stop() {
    cluster.close();
  }

  @BeforeEach
  void open() {
    db = cluster.open(builder -> builder.maxWait(Duration.ofMillis(50)));
    awaitReplicas(db);
    Configuration configuration = new Configuration();
    configuration.addAnnotatedClass(Profile.class);
    configuration
        .getProperties()
        .put(AvailableSettings.JAKARTA_NON_JTA_DATASOURCE, RoutingDataSource.of(db));
    entities = configuration.buildSessionFactory();
    session = db.session();
    scope = ScopedSession.open(session);
  }

  @AfterEach
  void endTest() {
    scope.close();
    entities.close();
    cluster.servers().replicas().forEach(node -> node.resumeReplay());
    try {
      assertThat(borrowed(db)).as("connections that were not given back").isZero();
    } finally {
      cluster.endTest();
    }
  }

  private static void replicasStandStill() {
    cluster.replica(1).pauseReplay();
    cluster.replica(2).pauseReplay();
  }

  private void writing(Consumer<org.hibernate.Session> work) {
    entities.inTransaction(work);
  }

  /** As Spring's dialect for it does where a transaction is read-only. */
  private <T> T reading(Function<org.hibernate.Session, T> work) {
    return entities.fromSession(
        each -> {
          each.setDefaultReadOnly(true);
          each.doWork(connection -> connection.setReadOnly(true));
          each.beginTransaction();
          T value = work.apply(each);
          each.getTransaction().commit();
          return value;
        });
  }

  private static boolean onReplica(org.hibernate.Session each) {
    return each.createNativeQuery("SELECT pg_is_in_recovery()", Boolean.class).getSingleResult();
  }

  @Test
  void entityIsReadFromAReplica_untilItIsWritten() {
    String before = reading(each -> onReplica(each) + each.find(Profile.class, 1).getName());
    assertThat(before).isEqualTo("truename 1");
    replicasStandStill();

    writing(each -> each.find(Profile.class, 1).setName("by hibernate"));

    String after = reading(each -> each.find(Profile.class, 1).getName());
    assertThat(after).isEqualTo("by hibernate");
    assertThat(reason(session)).isEqualTo(Reason.PRIMARY_NONE_CAUGHT_UP);
  }

  @Test
  void oneHibernateSession_thatHoldsItsConnection_isRoutedForEachTransaction() {
    entities.inSession(
        each -> {
          each.doWork(connection -> connection.setReadOnly(true));
          each.beginTransaction();
          assertThat(onReplica(each)).isTrue();
          each.getTransaction().commit();

          each.doWork(connection -> connection.setReadOnly(false));
          each.beginTransaction();
          assertThat(onReplica(each)).isFalse();
          each.find(Profile.class, 2).setName("held");
          each.getTransaction().commit();

          replicasStandStill();
          each.clear();
          each.doWork(connection -> connection.setReadOnly(true));
          each.beginTransaction();
          assertThat(each.find(Profile.class, 2).getName()).isEqualTo("held");
          each.getTransaction().commit();
        });
  }

  @Test
  void flushWhereReadOnlyWasDeclared_saysWhere() {
    assertThatThrownBy(
            () ->
                reading(
                    each -> {
                      each.setDefaultReadOnly(false);
                      each.find(Profile.class, 3).setName("never");
                      each.flush();
                      return null;
                    }))
        .hasStackTraceContaining("declared read-only at")
        .hasStackTraceContaining("HibernateRoutingPostgresTest");
  }

  @Test
  void entityThatIsReadOnly_ofAConnectionThatIsNot_isReadFromThePrimary() {
    assertThat(
            entities.<Boolean>fromTransaction(
                each -> {
                  each.setDefaultReadOnly(true);
                  return onReplica(each);
                }))
        .as("a default of entities is not a property of the connection")
        .isFalse();
  }
}
