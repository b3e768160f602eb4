import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.sql.*;
import java.util.*;
import java.util.regex.*;

/** The JDBC driver. Usage: JdbcSteps URL STEPS, where STEPS has a line a step: repeat, SQL and parameters, separated by tabs. */
public class JdbcSteps {
  public static void main(String[] args) throws Exception {
    Properties properties = new Properties();
    try (Connection connection = DriverManager.getConnection(args[0], properties)) {
      for (String line : Files.readAllLines(Path.of(args[1]), StandardCharsets.UTF_8)) {
        String[] parts = line.split("\t", -1);
        for (int run = Integer.parseInt(parts[0]); run > 0; run--) print(step(connection, parts));
      }
      extras(connection);
    }
  }

  static String step(Connection connection, String[] parts) {
    String sql = Pattern.compile("\\$\\d+").matcher(decode(parts[1])).replaceAll("?");
    try (PreparedStatement statement = connection.prepareStatement(sql)) {
      for (int at = 2; at + 1 < parts.length; at += 2) bind(statement, at / 2, parts[at], decode(parts[at + 1]));
      boolean hasRows = statement.execute();
      return hasRows ? rows(statement.getResultSet()) : "count " + statement.getUpdateCount();
    } catch (SQLException error) {
      return "sqlState " + error.getSQLState();
    }
  }

  static void bind(PreparedStatement statement, int index, String type, String value) throws SQLException {
    switch (type) {
      case "int" -> statement.setInt(index, Integer.parseInt(value));
      case "bigint" -> statement.setLong(index, Long.parseLong(value));
      case "bool" -> statement.setBoolean(index, Boolean.parseBoolean(value));
      case "float" -> statement.setDouble(index, Double.parseDouble(value));
      case "numeric" -> statement.setBigDecimal(index, new BigDecimal(value));
      case "date" -> statement.setDate(index, java.sql.Date.valueOf(value));
      case "bytes" -> statement.setBytes(index, HexFormat.of().parseHex(value));
      case "null" -> statement.setNull(index, Types.VARCHAR);
      default -> statement.setString(index, value);
    }
  }

  static String rows(ResultSet rows) throws SQLException {
    StringBuilder out = new StringBuilder();
    ResultSetMetaData about = rows.getMetaData();
    for (int column = 1; column <= about.getColumnCount(); column++)
      out.append(about.getColumnLabel(column)).append(':').append(about.getColumnTypeName(column)).append(':')
          .append(about.getPrecision(column)).append(':').append(about.getScale(column)).append(' ');
    while (rows.next()) {
      out.append('|');
      for (int column = 1; column <= about.getColumnCount(); column++) {
        Object value = rows.getObject(column);
        out.append(value instanceof byte[] bytes ? HexFormat.of().formatHex(bytes) : String.valueOf(value)).append(',');
      }
    }
    return out.toString();
  }

  /** What only this driver does: batches, fetch sizes, generated keys, transactions and savepoints by the connection. */
  static void extras(Connection connection) throws SQLException {
    connection.setAutoCommit(false);
    try (PreparedStatement insert = connection.prepareStatement("INSERT INTO notes VALUES (?, ?, ?)")) {
      for (int n = 0; n < 40; n++) {
        insert.setInt(1, n);
        insert.setInt(2, n);
        insert.setString(3, "batch " + n);
        insert.addBatch();
      }
      print("batch " + Arrays.toString(insert.executeBatch()));
    }
    Savepoint savepoint = connection.setSavepoint();
    try (PreparedStatement insert = connection.prepareStatement("INSERT INTO notes VALUES (?, ?, 'again')")) {
      for (int n = 60; n > 30; n--) {
        insert.setInt(1, n);
        insert.setInt(2, n);
        insert.addBatch();
      }
      print("batch " + Arrays.toString(insert.executeBatch()));
    } catch (BatchUpdateException error) {
      print("batch failed " + error.getSQLState());
    }
    connection.rollback(savepoint);
    print(query(connection, "SELECT count(*), max(note) FROM notes", 0));
    connection.rollback();
    print(query(connection, "SELECT count(*) FROM notes", 0));
    print(query(connection, "SELECT id, name FROM people WHERE tenant = 4 ORDER BY id", 7));
    print(query(connection, "SELECT id, name FROM people ORDER BY id", 30));
    connection.commit();
    connection.setAutoCommit(true);
    try (PreparedStatement insert = connection.prepareStatement("INSERT INTO notes VALUES (9, 9, 'keys')", Statement.RETURN_GENERATED_KEYS)) {
      insert.executeUpdate();
      print(rows(insert.getGeneratedKeys()));
    }
    try (Statement statement = connection.createStatement()) {
      boolean more = statement.execute("SELECT 1; DELETE FROM notes WHERE tenant = 9; SELECT count(*) FROM notes");
      while (more || statement.getUpdateCount() != -1) {
        print(more ? rows(statement.getResultSet()) : "count " + statement.getUpdateCount());
        more = statement.getMoreResults();
      }
    }
    try (ResultSet tables = connection.getMetaData().getColumns(null, "public", "people", "%")) {
      while (tables.next()) print(tables.getString("COLUMN_NAME") + " " + tables.getString("TYPE_NAME") + " " + tables.getString("IS_NULLABLE"));
    }
    try (ResultSet keys = connection.getMetaData().getPrimaryKeys(null, "public", "people")) {
      while (keys.next()) print(keys.getString("COLUMN_NAME") + " " + keys.getString("PK_NAME"));
    }
  }

  static String query(Connection connection, String sql, int fetchSize) throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement(sql)) {
      statement.setFetchSize(fetchSize);
      return rows(statement.executeQuery());
    }
  }

  static String decode(String field) {
    return new String(Base64.getDecoder().decode(field), StandardCharsets.UTF_8);
  }

  static void print(String line) {
    System.out.println(line.replace("\n", "\\n"));
  }
}
