package dev.pgbelay.benchmarks.paging;

import com.blazebit.persistence.Criteria;
import com.blazebit.persistence.CriteriaBuilder;
import com.blazebit.persistence.CriteriaBuilderFactory;
import dev.pgbelay.benchmarks.events.Event;
import dev.pgbelay.benchmarks.events.EventsTable;
import jakarta.persistence.EntityManager;
import java.time.OffsetDateTime;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import javax.sql.DataSource;
import org.hibernate.SessionFactory;
import org.hibernate.cfg.AvailableSettings;
import org.hibernate.cfg.Configuration;
import org.springframework.data.domain.ScrollPosition;
import org.springframework.data.domain.Sort;
import org.springframework.data.jpa.repository.support.JpaRepositoryFactory;
import org.springframework.orm.jpa.SharedEntityManagerCreator;

/**
 * The two keyset implementations on JPA: Blaze-Persistence and Spring Data's scrolling, on
 * Hibernate.
 */
final class JpaPages implements AutoCloseable {
  private final SessionFactory sessions;
  private final CriteriaBuilderFactory criteria;
  private final EventRepository repository;

  JpaPages(DataSource dataSource) {
    Configuration configuration = new Configuration().addAnnotatedClass(EventEntity.class);
    configuration.getProperties().put(AvailableSettings.JAKARTA_NON_JTA_DATASOURCE, dataSource);
    sessions = configuration.buildSessionFactory();
    criteria = Criteria.getDefault().createCriteriaBuilderFactory(sessions);
    repository =
        new JpaRepositoryFactory(SharedEntityManagerCreator.createSharedEntityManager(sessions))
            .getRepository(EventRepository.class);
  }

  PageReader blaze(Target target) {
    return () -> {
      try (EntityManager entities = sessions.createEntityManager()) {
        CriteriaBuilder<EventEntity> query =
            criteria
                .create(entities, EventEntity.class)
                .from(EventEntity.class, "e")
                .where("e.accountId")
                .eq(EventsTable.LARGE_ACCOUNT);
        switch (target.shape()) {
          case UNIFORM -> query.orderByDesc("e.createdAt").orderByDesc("e.id");
          case MIXED -> query.orderByDesc("e.createdAt").orderByAsc("e.id");
          case LOW_CARDINALITY -> query.orderByAsc("e.status").orderByDesc("e.id");
          case NULLABLE -> query.orderByAsc("e.resolvedAt", false).orderByAsc("e.id");
        }
        Event b = target.boundary();
        if (b != null) {
          switch (target.shape()) {
            case UNIFORM, MIXED -> query.afterKeyset(b.createdAt(), b.id());
            case LOW_CARDINALITY -> query.afterKeyset(b.status(), b.id());
            case NULLABLE -> query.afterKeyset(b.resolvedAt(), b.id());
          }
        }
        return events(query.setMaxResults(Target.PAGE_SIZE).getResultList());
      }
    };
  }

  PageReader spring(Target target) {
    Sort sort =
        switch (target.shape()) {
          case UNIFORM -> Sort.by(Sort.Order.desc("createdAt"), Sort.Order.desc("id"));
          case MIXED -> Sort.by(Sort.Order.desc("createdAt"), Sort.Order.asc("id"));
          case LOW_CARDINALITY -> Sort.by(Sort.Order.asc("status"), Sort.Order.desc("id"));
          // Its nullsLast() is refused ("not yet supported"); PostgreSQL's default is the same.
          case NULLABLE -> Sort.by(Sort.Order.asc("resolvedAt"), Sort.Order.asc("id"));
        };
    ScrollPosition position = position(target);
    return () ->
        events(
            repository
                .findFirst50ByAccountId(EventsTable.LARGE_ACCOUNT, position, sort)
                .getContent());
  }

  private static ScrollPosition position(Target target) {
    Event b = target.boundary();
    if (b == null) {
      return ScrollPosition.keyset();
    }
    Map<String, Object> keys = new LinkedHashMap<>();
    switch (target.shape()) {
      case UNIFORM, MIXED -> keys.put("createdAt", b.createdAt());
      case LOW_CARDINALITY -> keys.put("status", b.status());
      case NULLABLE -> keys.put("resolvedAt", resolvedAt(b));
    }
    keys.put("id", b.id());
    return ScrollPosition.forward(keys);
  }

  private static OffsetDateTime resolvedAt(Event event) {
    return Objects.requireNonNull(
        event.resolvedAt(), "Spring Data's scrolling does not know NULL keys");
  }

  private static List<Event> events(List<EventEntity> entities) {
    return entities.stream().map(EventEntity::toEvent).toList();
  }

  @Override
  public void close() {
    sessions.close();
  }
}
