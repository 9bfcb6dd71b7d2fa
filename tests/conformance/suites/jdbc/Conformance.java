// PostgreSQL's JDBC driver over the ground that applications use. The address comes from the PG… variables; each test's
// outcome is a line in the file that the first argument names.

import java.io.FileWriter;
import java.io.PrintWriter;
import java.io.StringReader;
import java.io.StringWriter;
import java.math.BigDecimal;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Savepoint;
import java.sql.Statement;
import java.sql.Types;
import java.time.LocalDate;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Properties;
import java.util.UUID;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.postgresql.PGConnection;
import org.postgresql.PGNotification;
import org.postgresql.copy.CopyManager;

public final class Conformance {
    private interface Body {
        void run(Connection connection) throws Exception;
    }

    private final PrintWriter results;
    private String[] options = {};

    private Conformance(PrintWriter results) {
        this.results = results;
    }

    public static void main(String[] arguments) throws Exception {
        try (PrintWriter results = new PrintWriter(new FileWriter(arguments[0]), true)) {
            Conformance conformance = new Conformance(results);
            conformance.inEachQueryMode();
            conformance.once();
        }
        System.exit(0);
    }

    private static Connection connect(String... options) throws SQLException {
        Properties properties = new Properties();
        properties.setProperty("user", System.getenv("PGUSER"));
        properties.setProperty("password", System.getenv("PGPASSWORD"));
        properties.setProperty("socketTimeout", "60");
        for (int n = 0; n < options.length; n += 2) {
            properties.setProperty(options[n], options[n + 1]);
        }
        String database = properties.getProperty("database", System.getenv("PGDATABASE"));
        String address = System.getenv("PGHOST") + ":" + System.getenv("PGPORT");
        return DriverManager.getConnection("jdbc:postgresql://" + address + "/" + database, properties);
    }

    private void test(String name, Body body) {
        String outcome = "pass";
        try (Connection connection = connect(options)) {
            body.run(connection);
        } catch (Throwable problem) {
            outcome = "fail";
            System.out.println("--- " + name + Arrays.toString(options));
            problem.printStackTrace(System.out);
        }
        results.println(outcome + "\t" + (options.length > 0 ? options[1] + "::" : "") + name);
    }

    private static void same(Object expected, Object found) {
        if (!expected.equals(found)) {
            throw new AssertionError("expected " + expected + ", found " + found);
        }
    }

    private static void fails(String state, Callable<?> call) throws Exception {
        try {
            call.call();
        } catch (SQLException error) {
            same(state, error.getSQLState());
            return;
        }
        throw new AssertionError("no error " + state);
    }

    private static Object one(Connection connection, String sql) throws SQLException {
        try (Statement statement = connection.createStatement(); ResultSet rows = statement.executeQuery(sql)) {
            rows.next();
            return rows.getObject(1);
        }
    }

    private static void run(Connection connection, String... statements) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            for (String sql : statements) {
                statement.execute(sql);
            }
        }
    }

    private void inEachQueryMode() {
        for (String mode : List.of("simple", "extended", "extendedForPrepared", "extendedCacheEverything")) {
            options = new String[] {"preferQueryMode", mode};
            test("select", connection -> same(1, one(connection, "select 1")));
            test("types", Conformance::types);
            test("prepared statement used often", Conformance::preparedOften);
            test("more statements than are kept", Conformance::manyStatements);
            test("batch", Conformance::batch);
            test("generated keys", Conformance::generatedKeys);
            test("transaction", Conformance::transaction);
            test("savepoint", Conformance::savepoint);
            test("rows in portions", Conformance::fetchSize);
            test("table altered under a statement", Conformance::altered);
            test("several statements at once", Conformance::several);
            test("error and on", connection -> {
                fails("22012", () -> one(connection, "select 1/0"));
                same(1, one(connection, "select 1"));
            });
        }
        options = new String[] {};
    }

    private static void types(Connection connection) throws SQLException {
        String types = "int4 int8 text numeric bool date timestamptz uuid int4[] text";
        String sql = "select " + types.replaceAll("(\\S+)( ?)", "cast(? as $1),").replaceAll(",$", "");
        UUID uuid = UUID.randomUUID();
        OffsetDateTime moment = OffsetDateTime.parse("2001-02-03T04:05:06.789Z");
        try (PreparedStatement statement = connection.prepareStatement(sql)) {
            for (int round = 0; round < 8; round++) {
                statement.setInt(1, round);
                statement.setLong(2, Long.MAX_VALUE);
                statement.setString(3, "snow \u2603");
                statement.setBigDecimal(4, new BigDecimal("1234567890.0987654321"));
                statement.setBoolean(5, true);
                statement.setObject(6, LocalDate.of(2000, 2, 29));
                statement.setObject(7, moment);
                statement.setObject(8, uuid);
                statement.setArray(9, connection.createArrayOf("int4", new Integer[] {1, null, 3}));
                statement.setNull(10, Types.VARCHAR);
                try (ResultSet row = statement.executeQuery()) {
                    row.next();
                    same(round, row.getInt(1));
                    same(Long.MAX_VALUE, row.getLong(2));
                    same("snow \u2603", row.getString(3));
                    same(new BigDecimal("1234567890.0987654321"), row.getBigDecimal(4));
                    same(true, row.getBoolean(5));
                    same(LocalDate.of(2000, 2, 29), row.getObject(6, LocalDate.class));
                    same(moment.toInstant(), row.getObject(7, OffsetDateTime.class).toInstant());
                    same(uuid, row.getObject(8, UUID.class));
                    same(Arrays.asList(1, null, 3), Arrays.asList((Object[]) row.getArray(9).getArray()));
                    same(true, row.getString(10) == null);
                }
            }
        }
    }

    private static void preparedOften(Connection connection) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement("select ?::int * 2")) {
            for (int n = 0; n < 50; n++) {
                statement.setInt(1, n);
                try (ResultSet row = statement.executeQuery()) {
                    row.next();
                    same(n * 2, row.getInt(1));
                }
            }
        }
    }

    private static void manyStatements(Connection connection) throws SQLException {
        for (int n = 0; n < 600; n++) {
            try (PreparedStatement statement = connection.prepareStatement("select " + n % 300 + " + ?::int")) {
                ((org.postgresql.PGStatement) statement).setPrepareThreshold(1);
                statement.setInt(1, 1);
                try (ResultSet row = statement.executeQuery()) {
                    row.next();
                    same(n % 300 + 1, row.getInt(1));
                }
            }
        }
    }

    private static void batch(Connection connection) throws SQLException {
        run(connection, "drop table if exists batched", "create table batched (n int, word text)");
        try (PreparedStatement statement = connection.prepareStatement("insert into batched values (?, ?)")) {
            for (int n = 0; n < 2000; n++) {
                statement.setInt(1, n);
                statement.setString(2, "word");
                statement.addBatch();
            }
            same(2000, statement.executeBatch().length);
        }
        same(2000L, one(connection, "select count(*) from batched"));
    }

    private static void generatedKeys(Connection connection) throws SQLException {
        run(connection, "drop table if exists keyed", "create table keyed (id serial primary key, word text)");
        String sql = "insert into keyed (word) values (?)";
        try (PreparedStatement statement = connection.prepareStatement(sql, Statement.RETURN_GENERATED_KEYS)) {
            statement.setString(1, "word");
            statement.executeUpdate();
            try (ResultSet keys = statement.getGeneratedKeys()) {
                keys.next();
                same(1, keys.getInt(1));
            }
        }
    }

    private static void transaction(Connection connection) throws Exception {
        run(connection, "drop table if exists ledger", "create table ledger (n int)");
        connection.setAutoCommit(false);
        run(connection, "insert into ledger values (1)");
        connection.rollback();
        run(connection, "insert into ledger values (2)");
        connection.commit();
        fails("22012", () -> one(connection, "select 1/0"));
        fails("25P02", () -> one(connection, "select 1"));
        connection.rollback();
        same(2, one(connection, "select n from ledger"));
        connection.rollback();
        connection.setTransactionIsolation(Connection.TRANSACTION_REPEATABLE_READ);
        same("repeatable read", one(connection, "show transaction_isolation"));
        connection.rollback();
    }

    private static void savepoint(Connection connection) throws Exception {
        connection.setAutoCommit(false);
        Savepoint savepoint = connection.setSavepoint();
        fails("22012", () -> one(connection, "select 1/0"));
        connection.rollback(savepoint);
        same(5, one(connection, "select 5"));
        connection.commit();
    }

    private static void fetchSize(Connection connection) throws SQLException {
        connection.setAutoCommit(false);
        try (Statement statement = connection.createStatement()) {
            statement.setFetchSize(100);
            int count = 0;
            try (ResultSet rows = statement.executeQuery("select generate_series(1, 5000)")) {
                while (rows.next()) {
                    count++;
                }
            }
            same(5000, count);
        }
        connection.commit();
    }

    // The driver prepares anew by itself outside of a transaction.
    private static void altered(Connection connection) throws SQLException {
        run(connection, "drop table if exists altered", "create table altered (a int)", "insert into altered values (1)");
        try (PreparedStatement statement = connection.prepareStatement("select * from altered where a = ?")) {
            for (int n = 0; n < 12; n++) {
                if (n == 8) {
                    run(connection, "alter table altered add b int default 2");
                }
                statement.setInt(1, 1);
                try (ResultSet row = statement.executeQuery()) {
                    row.next();
                    same(n < 8 ? 1 : 2, row.getMetaData().getColumnCount());
                }
            }
        }
    }

    private static void several(Connection connection) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            same(true, statement.execute("select 1; select 2"));
            same(true, statement.getMoreResults());
            try (ResultSet row = statement.getResultSet()) {
                row.next();
                same(2, row.getInt(1));
            }
        }
    }

    private void once() {
        test("cancel", connection -> {
            try (Statement statement = connection.createStatement()) {
                Thread canceller = new Thread(() -> {
                    try {
                        Thread.sleep(500);
                        statement.cancel();
                    } catch (Exception problem) {
                        problem.printStackTrace(System.out);
                    }
                });
                canceller.start();
                fails("57014", () -> statement.executeQuery("select pg_sleep(20)"));
                canceller.join();
            }
            same(1, one(connection, "select 1"));
        });
        test("query time-out", connection -> {
            try (Statement statement = connection.createStatement()) {
                statement.setQueryTimeout(1);
                fails("57014", () -> statement.executeQuery("select pg_sleep(20)"));
            }
        });
        // The driver cannot send them in its simple mode.
        test("bytes", connection -> {
            byte[] bytes = new byte[100_000];
            Arrays.fill(bytes, (byte) -1);
            try (PreparedStatement statement = connection.prepareStatement("select ?::bytea")) {
                statement.setBytes(1, bytes);
                try (ResultSet row = statement.executeQuery()) {
                    row.next();
                    same(true, Arrays.equals(bytes, row.getBytes(1)));
                }
            }
        });
        test("copy in and out", connection -> {
            run(connection, "create table copied (n int, word text)");
            CopyManager copy = connection.unwrap(PGConnection.class).getCopyAPI();
            String lines = String.join("", Collections.nCopies(5000, "1\tword\n"));
            same(5000L, copy.copyIn("copy copied from stdin", new StringReader(lines)));
            StringWriter out = new StringWriter();
            same(5000L, copy.copyOut("copy copied to stdout", out));
            same(lines, out.toString());
        });
        test("listen and notify", connection -> {
            run(connection, "listen news", "notify news, 'payload'");
            PGNotification[] heard = connection.unwrap(PGConnection.class).getNotifications(5000);
            same("payload", heard == null || heard.length == 0 ? "nothing" : heard[0].getParameter());
        });
        test("metadata", connection -> {
            run(connection, "create table described (n int primary key)");
            try (ResultSet keys = connection.getMetaData().getPrimaryKeys(null, "public", "described")) {
                keys.next();
                same("n", keys.getString("COLUMN_NAME"));
            }
            same(one(connection, "show server_version"), connection.getMetaData().getDatabaseProductVersion());
        });
        test("warning", connection -> {
            try (Statement statement = connection.createStatement()) {
                statement.execute("do $$ begin raise warning 'hear'; end $$");
                same("hear", statement.getWarnings().getMessage());
            }
        });
        test("large object", connection -> {
            connection.setAutoCommit(false);
            var objects = connection.unwrap(PGConnection.class).getLargeObjectAPI();
            long oid = objects.createLO();
            try (var object = objects.open(oid)) {
                object.write(new byte[1_000_000]);
                object.seek(0);
                same(1_000_000, object.read(2_000_000).length);
            }
            connection.commit();
        });
        test("read only", connection -> {
            connection.setReadOnly(true);
            connection.setAutoCommit(false);
            fails("25006", () -> {
                run(connection, "create table never ()");
                return null;
            });
            connection.rollback();
        });
        test("schema and application name", connection -> {
            connection.setSchema("pg_catalog");
            connection.setClientInfo("ApplicationName", "conformance");
            same("pg_catalog", one(connection, "show search_path"));
            same("conformance", one(connection, "show application_name"));
        });
        test("startup options", connection -> {
            try (Connection other = connect("options", "-c statement_timeout=4321", "ApplicationName", "mine")) {
                same("4321ms", one(other, "show statement_timeout"));
                same("mine", one(other, "show application_name"));
            }
        });
        test("wrong password", connection -> fails("28P01", () -> connect("password", "wrong")));
        test("database that does not exist", connection -> fails("3D000", () -> connect("database", "nowhere")));
        test("many clients at once", Conformance::manyClients);
    }

    private static void manyClients(Connection unused) throws Exception {
        ExecutorService threads = Executors.newFixedThreadPool(10);
        List<Future<?>> workers = new ArrayList<>();
        for (int worker = 0; worker < 10; worker++) {
            int number = worker;
            workers.add(threads.submit(() -> {
                try (Connection connection = connect();
                        PreparedStatement statement = connection.prepareStatement("select ?::int, ?::int")) {
                    for (int n = 0; n < 200; n++) {
                        statement.setInt(1, number);
                        statement.setInt(2, n);
                        try (ResultSet row = statement.executeQuery()) {
                            row.next();
                            same(number, row.getInt(1));
                            same(n, row.getInt(2));
                        }
                    }
                }
                return null;
            }));
        }
        for (Future<?> worker : workers) {
            worker.get();
        }
        threads.shutdown();
    }
}
