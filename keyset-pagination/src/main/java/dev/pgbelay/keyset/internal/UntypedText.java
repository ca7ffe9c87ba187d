package dev.pgbelay.keyset.internal;

import java.sql.SQLException;
import java.sql.SQLFeatureNotSupportedException;
import java.sql.Types;
import org.jooq.Binding;
import org.jooq.BindingGetResultSetContext;
import org.jooq.BindingGetSQLInputContext;
import org.jooq.BindingGetStatementContext;
import org.jooq.BindingRegisterContext;
import org.jooq.BindingSQLContext;
import org.jooq.BindingSetSQLOutputContext;
import org.jooq.BindingSetStatementContext;
import org.jooq.Converter;
import org.jooq.DataType;
import org.jooq.conf.ParamType;
import org.jooq.impl.DSL;
import org.jooq.impl.SQLDataType;

/**
 * Text that is bound without a type, so that the server takes it for whatever its place demands:
 * compared with a citext column it is citext, in an array's place an array. Without state, so safe
 * for use by several threads.
 */
public final class UntypedText implements Binding<Object, String> {
  /** For {@link DSL#val(Object, DataType)}. */
  public static final DataType<String> TYPE =
      SQLDataType.OTHER.asConvertedDataType(new UntypedText());

  private static final long serialVersionUID = 1L;

  private UntypedText() {}

  @Override
  public Converter<Object, String> converter() {
    return Converter.of(
        Object.class, String.class, value -> (String) value, value -> (Object) value);
  }

  @Override
  public void sql(BindingSQLContext<String> context) {
    if (context.render().paramType() == ParamType.INLINED) {
      context.render().visit(DSL.inline(context.value(), SQLDataType.CLOB));
    } else {
      // A nested parameter would be bound as text, with that type.
      context.render().sql('?');
    }
  }

  @Override
  public void set(BindingSetStatementContext<String> context) throws SQLException {
    context.statement().setObject(context.index(), context.value(), Types.OTHER);
  }

  @Override
  public void register(BindingRegisterContext<String> context) throws SQLException {
    throw new SQLFeatureNotSupportedException();
  }

  @Override
  public void set(BindingSetSQLOutputContext<String> context) throws SQLException {
    throw new SQLFeatureNotSupportedException();
  }

  @Override
  public void get(BindingGetResultSetContext<String> context) throws SQLException {
    context.value(context.resultSet().getString(context.index()));
  }

  @Override
  public void get(BindingGetStatementContext<String> context) throws SQLException {
    throw new SQLFeatureNotSupportedException();
  }

  @Override
  public void get(BindingGetSQLInputContext<String> context) throws SQLException {
    throw new SQLFeatureNotSupportedException();
  }
}
