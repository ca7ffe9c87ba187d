package dev.pgbelay.reconcile.internal;

import dev.pgbelay.core.Tx;
import dev.pgbelay.core.internal.StatementStart;
import dev.pgbelay.keyset.internal.UntypedText;
import java.math.BigDecimal;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Types;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Function;
import org.jooq.DSLContext;
import org.jooq.Field;
import org.jooq.Param;
import org.jooq.ResultQuery;
import org.jooq.conf.ParamType;
import org.jooq.conf.Settings;
import org.jooq.conf.SettingsTools;
import org.jooq.conf.StatementType;
import org.jooq.impl.DSL;
import org.jspecify.annotations.Nullable;

/**
 * A query that is asked again and again: jOOQ puts it together once for each of its settings, and
 * JDBC sends it. Its places, which are filled anew each time, stand in its text before all other
 * parameters. Thread-safe.
 */
public final class RenderedQuery {
  /** Callers that think of ever new settings must not fill the memory with texts. */
  private static final int MOST_TEXTS = 16;

  /** What JDBC binds as jOOQ does. */
  private static final Set<Class<?>> PLAIN =
      Set.of(
          String.class,
          Long.class,
          Integer.class,
          Short.class,
          Boolean.class,
          BigDecimal.class,
          UUID.class);

  private final int places;
  private final Function<List<? extends Field<?>>, ResultQuery<?>> query;
  private final List<Text> texts = new CopyOnWriteArrayList<>();

  /**
   * @param places how many
   * @param query with these fields in its places
   */
  public RenderedQuery(int places, Function<List<? extends Field<?>>, ResultQuery<?>> query) {
    this.places = places;
    this.query = query;
  }

  /** Reads what came back, and nothing after it returns. */
  @FunctionalInterface
  public interface Reader<R> {
    R read(ResultSet rows) throws SQLException;
  }

  /**
   * One text.
   *
   * @param sql null where only jOOQ knows how to bind it, each time anew
   * @param others parameters behind the places, bound with the values that they have by then
   */
  private record Text(Settings settings, @Nullable String sql, List<Param<?>> others) {}

  /**
   * Asks.
   *
   * @param values of the places, as texts whose type the server sees from their place
   */
  public <R> R ask(Tx tx, List<String> values, Reader<R> reader) throws SQLException {
    DSLContext dsl = tx.dsl();
    Text text = text(dsl);
    String sql = text.sql();
    if (sql == null) {
      ResultQuery<?> whole = query.apply(fields(values));
      whole.attach(dsl.configuration());
      try (ResultSet rows = whole.fetchResultSet()) {
        return reader.read(rows);
      }
    }
    StatementStart.announce(tx);
    try (PreparedStatement statement = tx.connection().prepareStatement(sql)) {
      Integer timeout = text.settings().getQueryTimeout();
      if (timeout != null && timeout > 0) {
        statement.setQueryTimeout(timeout);
      }
      int n = 0;
      for (String value : values) {
        statement.setObject(++n, value, Types.OTHER);
      }
      for (Param<?> other : text.others()) {
        Object value = other.getValue();
        if (value == null) {
          statement.setNull(++n, Types.NULL);
        } else {
          statement.setObject(++n, value);
        }
      }
      try (ResultSet rows = statement.executeQuery()) {
        return reader.read(rows);
      }
    }
  }

  private Text text(DSLContext dsl) {
    Settings settings = dsl.settings();
    if (dsl.configuration().visitListenerProviders().length > 0) {
      return new Text(settings, null, List.of()); // they may make another text of it each time
    }
    for (Text each : texts) {
      if (each.settings().equals(settings)) {
        return each;
      }
    }
    Text text = render(dsl, SettingsTools.clone(settings));
    if (texts.size() < MOST_TEXTS) {
      texts.add(text);
    }
    return text;
  }

  private Text render(DSLContext dsl, Settings settings) {
    ResultQuery<?> whole = query.apply(fields(Collections.nCopies(places, "")));
    List<Param<?>> params = List.copyOf(dsl.extractParams(whole).values());
    // A parameter with a name is one, however often it is bound.
    boolean isPlain =
        settings.getStatementType() == StatementType.PREPARED_STATEMENT
            && settings.getParamType() == ParamType.INDEXED
            && params.size() == dsl.extractBindValues(whole).size()
            && params.stream().skip(places).allMatch(RenderedQuery::isPlain);
    return isPlain
        ? new Text(settings, dsl.render(whole), params.subList(places, params.size()))
        : new Text(settings, null, List.of());
  }

  private static boolean isPlain(Param<?> param) {
    return PLAIN.contains(param.getType())
        && param.getType() == param.getBinding().converter().fromType()
        && param.getBinding().getClass().getName().startsWith("org.jooq.impl.");
  }

  private static List<Field<?>> fields(List<String> values) {
    List<Field<?>> fields = new ArrayList<>(values.size());
    values.forEach(value -> fields.add(DSL.val(value, UntypedText.TYPE)));
    return fields;
  }
}
