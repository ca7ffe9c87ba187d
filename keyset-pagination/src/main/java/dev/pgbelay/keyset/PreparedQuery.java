package dev.pgbelay.keyset;

import static dev.pgbelay.keyset.InvalidPageRequestException.Reason.KEYS;
import static java.nio.charset.StandardCharsets.UTF_8;

import dev.pgbelay.keyset.PageStatement.Limits;
import java.sql.Date;
import java.sql.Time;
import java.sql.Timestamp;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Collectors;
import org.jooq.Converter;
import org.jooq.DSLContext;
import org.jooq.exception.DataTypeException;
import org.jspecify.annotations.Nullable;

/** What all bindings of one query share: its analysed select, its statements, its codec. */
final class PreparedQuery<T> {
  private static final int ARRAYS_KEEP_ORDER = 17;
  private static final int NEWEST = Integer.MAX_VALUE;

  private final String name;
  private final byte[] identity;
  private final BaseSelect base;
  private final Renderer renderer;
  private final PageSql sql;
  private final PageSql arraySql;
  private final boolean keysLeadTheIndex;
  private volatile int serverMajor = NEWEST;
  private volatile boolean serverKnown;
  private final PageReader<T> reader;
  private final CursorCodec codec;
  private final KeysetMetrics metrics;
  private final int maxPageSize;
  private final Map<PageShape, PageStatement> statements = new ConcurrentHashMap<>();
  private final Map<PageShape, PageStatement> steps = new ConcurrentHashMap<>();

  PreparedQuery(
      String name,
      String identity,
      BaseSelect base,
      Renderer renderer,
      RowSource<T> rows,
      CursorCodec codec,
      KeysetMetrics metrics,
      int maxPageSize) {
    this.name = name;
    this.base = base;
    this.renderer = renderer;
    this.sql = new PageSql(base, renderer, false);
    this.arraySql = new PageSql(base, renderer, true);
    this.keysLeadTheIndex = !Filters.fixAColumn(base.select().$where());
    this.reader =
        new PageReader<>(name, base.keys(), sql.keyColumns(), base.outputs().size(), rows);
    this.codec = codec;
    this.metrics = metrics;
    this.maxPageSize = maxPageSize;
    this.identity = (identity + "\0" + typedOrder()).getBytes(UTF_8);
  }

  private String typedOrder() {
    return base.keys().stream()
        .map(key -> key.describe() + " " + key.type() + (key.nullable() ? " null" : " not null"))
        .collect(Collectors.joining("\0"));
  }

  String name() {
    return name;
  }

  byte[] identity() {
    return identity;
  }

  BaseSelect base() {
    return base;
  }

  Renderer renderer() {
    return renderer;
  }

  List<SortKey> keys() {
    return base.keys();
  }

  PageReader<T> reader() {
    return reader;
  }

  CursorCodec codec() {
    return codec;
  }

  KeysetMetrics metrics() {
    return metrics;
  }

  int maxPageSize() {
    return maxPageSize;
  }

  /**
   * Notes which PostgreSQL this is: one that is older than 17 loses the order of an index scan by
   * an array that is not on the index's first column. Asks the driver, not the server.
   */
  void meet(DSLContext dsl) {
    if (serverKnown) {
      return;
    }
    int major =
        dsl.connectionResult(connection -> connection.getMetaData().getDatabaseMajorVersion());
    if (leadAsArray(major) != leadAsArray(serverMajor)) {
      statements.clear();
      steps.clear();
    }
    serverMajor = major;
    serverKnown = true;
  }

  private boolean leadAsArray(int major) {
    return major >= ARRAYS_KEEP_ORDER || keysLeadTheIndex;
  }

  private PageSql sql() {
    return leadAsArray(serverMajor) ? arraySql : sql;
  }

  PageStatement statement(PageShape shape) {
    PageStatement known = statements.get(shape);
    return known != null ? known : statements.computeIfAbsent(shape, key -> sql().page(key));
  }

  /** Jumps over a number of rows and reads the keys of the one it lands on. */
  PageStatement stepStatement(PageShape shape) {
    return steps.computeIfAbsent(shape, key -> sql().step(key));
  }

  String describeOrder() {
    return keys().stream().map(SortKey::describe).collect(Collectors.joining(", "));
  }

  /** The position that a deep link names. */
  Boundary deepLink(List<@Nullable Object> values) {
    if (values.isEmpty() || values.size() > keys().size()) {
      throw badKeys(
          "a deep link needs 1 to %d key values (%s), but %d were given"
              .formatted(keys().size(), describeOrder(), values.size()));
    }
    byte[][] wire = new byte[values.size()][];
    for (int k = 0; k < wire.length; k++) {
      SortKey key = keys().get(k);
      Object value = values.get(k);
      if (value != null) {
        wire[k] = wire(key, value);
      } else if (!key.nullable()) {
        throw badKeys("key %s cannot be NULL".formatted(key.label()));
      }
    }
    return new Boundary(wire, true);
  }

  private byte[] wire(SortKey key, Object value) {
    if (key.type().isTemporal() && (value.equals("infinity") || value.equals("-infinity"))) {
      return key.type().wire(value);
    }
    try {
      Object converted = key.field().getDataType().convert(value);
      WholeNumbers.requireSame(value, converted);
      return key.type().wire(plain(toDatabase(key.field().getConverter(), converted)));
    } catch (DataTypeException
        | ClassCastException
        | NullPointerException
        | ArithmeticException e) {
      throw badKeys(
          "the value for key %s is a %s, which cannot become a %s"
              .formatted(
                  key.label(),
                  value.getClass().getSimpleName(),
                  key.field().getDataType().getTypeName()));
    }
  }

  @SuppressWarnings("unchecked")
  private static Object toDatabase(Converter<?, ?> converter, Object value) {
    return ((Converter<Object, Object>) converter).to(value);
  }

  private static Object plain(Object value) {
    if (value instanceof Timestamp timestamp) {
      return timestamp.toLocalDateTime();
    } else if (value instanceof Date date) {
      return date.toLocalDate();
    } else if (value instanceof Time time) {
      return time.toLocalTime();
    }
    return value;
  }

  private InvalidPageRequestException badKeys(String rule) {
    return new InvalidPageRequestException(KEYS, "query '%s': %s".formatted(name, rule));
  }

  /** The caller's select by itself, without keys and limits. */
  PageStatement baseStatement() {
    return sql.everything();
  }

  List<KeysetPlan> plans() {
    List<KeysetPlan> plans = new ArrayList<>();
    for (PageShape shape : shapes()) {
      boolean back = shape.backward();
      List<SortKey> walked = back ? keys().stream().map(SortKey::flipped).toList() : keys();
      plans.add(
          new KeysetPlan(
              describe(shape),
              walked.stream().map(SortKey::describe).collect(Collectors.joining(", ")),
              shape.branches(keys()).stream().map(branch -> branch.describe(walked)).toList(),
              statement(shape).text(new Limits(21, 1, 0))));
    }
    return plans;
  }

  /** First and last page, and after and before a position with every pattern of NULLs. */
  List<PageShape> shapes() {
    List<PageShape> shapes = new ArrayList<>();
    int nullable = 0;
    for (int k = 0; k < keys().size(); k++) {
      nullable |= keys().get(k).nullable() ? 1 << k : 0;
    }
    for (boolean back : new boolean[] {false, true}) {
      shapes.add(new PageShape(back, false, 0, 0, false, false, false));
      int pattern = 0;
      do {
        shapes.add(new PageShape(back, false, keys().size(), pattern, false, false, false));
        pattern = (pattern - nullable) & nullable;
      } while (pattern != 0);
    }
    return shapes;
  }

  String describe(PageShape shape) {
    String direction = shape.backward() ? "backward" : "forward";
    if (shape.keyCount() == 0) {
      return (shape.backward() ? "last page, " : "first page, ") + direction;
    }
    StringBuilder text =
        new StringBuilder(shape.backward() ? "before a cursor, " : "after a cursor, ")
            .append(direction);
    for (int k = 0; k < keys().size(); k++) {
      if ((shape.nullKeys() & 1 << k) != 0) {
        text.append(", ").append(keys().get(k).label()).append(" null");
      }
    }
    return text.toString();
  }
}
