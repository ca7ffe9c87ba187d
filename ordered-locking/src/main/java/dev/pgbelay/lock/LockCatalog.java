package dev.pgbelay.lock;

import java.sql.Connection;
import java.sql.SQLException;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.jooq.DSLContext;
import org.jooq.SQLDialect;
import org.jooq.conf.RenderMapping;
import org.jooq.conf.RenderNameCase;
import org.jooq.conf.RenderQuotedNames;
import org.jooq.conf.Settings;
import org.jooq.impl.DSL;
import org.jspecify.annotations.Nullable;

/** What an order has learnt of its tables, and the statements it has put together. Thread-safe. */
final class LockCatalog {
  /** What decides how a table's name is written: services map schemas by tenant, for example. */
  private record TableKey(
      LockClass lockClass,
      @Nullable RenderMapping mapping,
      @Nullable RenderQuotedNames quoted,
      @Nullable RenderNameCase nameCase,
      @Nullable Boolean schema,
      @Nullable Boolean catalog) {}

  private static final RenderMapping NO_MAPPING = new RenderMapping();

  private final String nameTable;
  private final Map<TableKey, LockTable> tables = new ConcurrentHashMap<>();
  private final Map<String, LockClass> classes = new ConcurrentHashMap<>();

  LockCatalog(String schema) {
    this.nameTable = DSL.using(SQLDialect.POSTGRES).render(DSL.name(schema, "lock_name"));
  }

  /** Asks the server the first time. */
  LockTable table(DSLContext dsl, Connection connection, LockClass lockClass) throws SQLException {
    Settings settings = dsl.settings();
    RenderMapping mapping = settings.getRenderMapping();
    TableKey key =
        new TableKey(
            lockClass,
            NO_MAPPING.equals(mapping) ? null : mapping, // rendering makes the one of the other
            settings.getRenderQuotedNames(),
            settings.getRenderNameCase(),
            settings.isRenderSchema(),
            settings.isRenderCatalog());
    LockTable table = tables.get(key);
    if (table == null) {
      table = LockTable.describe(dsl, connection, lockClass);
      LockClass first = classes.putIfAbsent(table.root(), lockClass);
      if (first != null && !first.equals(lockClass)) {
        throw new LockRefusedException(
            LockRefusedException.Reason.DUPLICATE_CLASS,
            "class '%s' is of the same table as class '%s', by another name or as a partition: one row would have two places in the order; declare one of them"
                .formatted(lockClass.name(), first.name()));
      }
      tables.put(key, table);
    }
    return table;
  }

  /** Quoted, with its schema. */
  String nameTable() {
    return nameTable;
  }
}
