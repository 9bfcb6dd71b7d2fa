"""psycopg 3, synchronous and asynchronous, over libpq 18 or newer. The address comes from the PG… variables."""

import asyncio
import datetime
import decimal
import ipaddress
import threading
import time
import uuid

import psycopg
import pytest
from psycopg import errors, sql
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb
from psycopg.types.range import Range
from psycopg_pool import ConnectionPool

VALUES = [
    (None, "text"),
    (True, "bool"),
    (-(2**15), "int2"),
    (2**31 - 1, "int4"),
    (2**63 - 1, "int8"),
    (1.5, "float8"),
    (decimal.Decimal("12345678901234567890.123456789"), "numeric"),
    ("snow ☃", "text"),
    (b"\x00\xff" * 1000, "bytea"),
    (datetime.date(2000, 2, 29), "date"),
    (datetime.time(23, 59, 59, 999999), "time"),
    (datetime.datetime(1999, 12, 31, 23, 59, 59, 1), "timestamp"),
    (datetime.datetime(1999, 12, 31, tzinfo=datetime.timezone.utc), "timestamptz"),
    (datetime.timedelta(days=3, seconds=4, microseconds=5), "interval"),
    (uuid.UUID(int=2**127), "uuid"),
    (ipaddress.ip_address("192.168.0.1"), "inet"),
    ([1, None, 3], "int4[]"),
    ([["a", "b"], ["c", "d"]], "text[]"),
    (Range(1, 5), "int4range"),
]


@pytest.fixture
def conn():
    with psycopg.connect(autocommit=True) as connection:
        yield connection


@pytest.fixture
def table(conn):
    conn.execute("drop table if exists things")
    conn.execute("create table things (n int primary key, word text)")
    return "things"


@pytest.mark.parametrize("binary", [False, True], ids=["text", "binary"])
@pytest.mark.parametrize("value,name", VALUES, ids=[f"{n}-{name}" for n, (_, name) in enumerate(VALUES)])
def test_value(conn, value, name, binary):
    cursor = conn.cursor(binary=binary)
    placeholder = "%b" if binary else "%t"
    cursor.execute(f"select {placeholder}::{name}", [value])
    assert cursor.fetchone() == (value,)


def test_json(conn):
    assert conn.execute("select %s", [Jsonb({"a": [1, None]})]).fetchone() == ({"a": [1, None]},)


def test_client_cursor(conn):
    cursor = psycopg.ClientCursor(conn)
    cursor.execute("select %s, %s; select %s", [1, "it's", 3])
    assert cursor.fetchone() == (1, "it's")
    assert cursor.nextset()
    assert cursor.fetchone() == (3,)


def test_raw_cursor(conn):
    assert psycopg.RawCursor(conn).execute("select $2::int, $1::text", ["a", 1]).fetchone() == (1, "a")


def test_prepared_after_five(conn):
    for n in range(20):
        assert conn.execute("select %s::int8 + 1", [n]).fetchone() == (n + 1,)
    assert conn.execute("select count(*) from pg_prepared_statements").fetchone()[0] >= 0


def test_prepared_at_once_and_evicted(conn):
    conn.prepared_max = 5
    for n in range(50):
        statement = sql.SQL("select {} + %s::int").format(sql.Literal(n % 10))
        assert conn.execute(statement, [1], prepare=True).fetchone() == (n % 10 + 1,)


def test_prepared_survives_deallocate_all(conn):
    for n in range(10):
        conn.execute("select %s::int", [n])
    conn.execute("deallocate all")
    assert conn.execute("select %s::int", [1]).fetchone() == (1,)


def test_prepared_survives_rollback(conn):
    conn.prepare_threshold = 0
    with pytest.raises(errors.DivisionByZero), conn.transaction():
        conn.execute("select %s::text", ["x"])
        conn.execute("select 1 / %s::int", [0])
    assert conn.execute("select %s::text", ["y"]).fetchone() == ("y",)


def test_table_altered_under_a_prepared_statement(conn, table):
    conn.execute("insert into things values (1, 'a')")
    for _ in range(10):
        conn.execute("select * from things where n = %s", [1], prepare=True)
    conn.execute("alter table things add more int")
    try:
        row = conn.execute("select * from things where n = %s", [1], prepare=True).fetchone()
    except errors.FeatureNotSupported:  # what PostgreSQL itself says; a second try has to work
        row = conn.execute("select * from things where n = %s", [1], prepare=False).fetchone()
    assert row == (1, "a", None)


def test_pipeline(conn, table):
    with conn.pipeline():
        cursors = [conn.execute("insert into things values (%s, 'x') returning n", [n]) for n in range(500)]
        assert [cursor.fetchone()[0] for cursor in cursors] == list(range(500))


def test_pipeline_goes_on_after_an_error(conn):
    with conn.pipeline() as pipeline:
        conn.execute("select 1")
        failing = conn.execute("select 1/%s", [0])
        with pytest.raises(errors.DivisionByZero):
            pipeline.sync()
            failing.fetchone()
        pipeline.sync()
        assert conn.execute("select 7").fetchone() == (7,)


def test_pipeline_aborted_until_sync(conn):
    with pytest.raises(errors.DivisionByZero), conn.pipeline() as pipeline:
        conn.execute("select 1/%s", [0])
        after = conn.execute("select 1")
        pipeline.sync()
    with pytest.raises(psycopg.Error):  # it never ran, and there is no row of it
        after.fetchone()
    assert conn.execute("select 1").fetchone() == (1,)


def test_executemany(conn, table):
    with conn.cursor() as cursor:
        cursor.executemany("insert into things values (%s, %s) returning n", [(n, "x") for n in range(300)], returning=True)
        seen = [cursor.fetchone()[0]]
        while cursor.nextset():
            seen.append(cursor.fetchone()[0])
    assert seen == list(range(300))


def test_copy(conn, table):
    cursor = conn.cursor()
    with cursor.copy("copy things from stdin") as copy:
        for n in range(20_000):
            copy.write_row((n, "word"))
    with cursor.copy("copy (select * from things order by n) to stdout") as copy:
        assert sum(1 for _ in copy.rows()) == 20_000


def test_copy_binary(conn, table):
    with conn.cursor().copy("copy things from stdin (format binary)") as copy:
        copy.set_types(["int4", "text"])
        copy.write_row((1, "x"))
    assert conn.execute("select * from things").fetchall() == [(1, "x")]


def test_copy_given_up_by_the_client(conn, table):
    with pytest.raises(ZeroDivisionError), conn.cursor().copy("copy things from stdin") as copy:
        copy.write_row((1, "x"))
        raise ZeroDivisionError
    assert conn.execute("select count(*) from things").fetchone() == (0,)


def test_copy_refused_by_the_server(conn, table):
    with pytest.raises(errors.UniqueViolation), conn.cursor().copy("copy things from stdin") as copy:
        copy.write_row((1, "x"))
        copy.write_row((1, "y"))
    assert conn.execute("select 1").fetchone() == (1,)


def test_copy_out_left_early(conn):
    with pytest.raises(ZeroDivisionError), conn.cursor().copy("copy (select generate_series(1, 1000000)) to stdout") as copy:
        assert copy.read()
        raise ZeroDivisionError
    assert conn.execute("select 1").fetchone() == (1,)


def test_server_side_cursor(conn):
    with conn.transaction(), conn.cursor("named") as cursor:
        cursor.execute("select generate_series(1, 1000)")
        assert len(cursor.fetchmany(10)) == 10
        assert sum(1 for _ in cursor) == 990


def test_scrollable_cursor(conn):
    with conn.transaction(), conn.cursor("scroll", scrollable=True) as cursor:
        cursor.execute("select generate_series(1, 10)")
        cursor.scroll(5)
        assert cursor.fetchone() == (6,)
        cursor.scroll(-3)
        assert cursor.fetchone() == (4,)


def test_cursor_with_hold(conn):
    with conn.cursor("held", withhold=True) as cursor:
        cursor.execute("select generate_series(1, 100)")
        assert len(cursor.fetchall()) == 100


def test_stream(conn):
    assert sum(n for (n,) in conn.cursor().stream("select generate_series(1, 1000)")) == 500_500


def test_nested_transactions(conn, table):
    with conn.transaction():
        conn.execute("insert into things values (1)")
        with pytest.raises(errors.UniqueViolation), conn.transaction():
            conn.execute("insert into things values (1)")
        conn.execute("insert into things values (2)")
    assert conn.execute("select count(*) from things").fetchone() == (2,)


def test_transaction_states():
    status = psycopg.pq.TransactionStatus
    with psycopg.connect() as connection:
        assert connection.info.transaction_status == status.IDLE
        connection.execute("select 1")
        assert connection.info.transaction_status == status.INTRANS
        with pytest.raises(errors.UndefinedColumn):
            connection.execute("select nope")
        assert connection.info.transaction_status == status.INERROR
        with pytest.raises(errors.InFailedSqlTransaction):
            connection.execute("select 1")
        connection.rollback()
        assert connection.info.transaction_status == status.IDLE


def test_isolation_and_read_only(conn):
    with psycopg.connect() as connection:
        connection.isolation_level = psycopg.IsolationLevel.SERIALIZABLE
        connection.read_only = True
        assert connection.execute("show transaction_isolation").fetchone() == ("serializable",)
        with pytest.raises(errors.ReadOnlySqlTransaction):
            connection.execute("create table never ()")


def test_two_phase(table):
    first = psycopg.connect()
    first.tpc_begin(first.xid(1, "global", "branch"))
    first.execute("insert into things values (9)")
    first.tpc_prepare()
    first.close()
    with psycopg.connect() as second:
        (xid,) = [xid for xid in second.tpc_recover() if xid.gtrid == "global"]
        second.rollback()
        second.tpc_commit(xid)
        assert second.execute("select count(*) from things").fetchone() == (1,)


def test_error_fields(conn, table):
    with pytest.raises(errors.UniqueViolation) as caught:
        conn.execute("insert into things values (1), (1)")
    diagnostics = caught.value.diag
    assert (diagnostics.table_name, diagnostics.constraint_name) == ("things", "things_pkey")
    assert diagnostics.severity_nonlocalized == "ERROR" and diagnostics.source_file == "nbtinsert.c"


def test_notices_in_order(conn):
    heard = []
    conn.add_notice_handler(lambda notice: heard.append(notice.message_primary))
    conn.execute("do $$ begin for i in 1..100 loop raise notice '%', i; end loop; end $$")
    assert heard == [str(n) for n in range(1, 101)]


def test_notify(conn):
    with psycopg.connect(autocommit=True) as listener:
        listener.execute("listen things")
        conn.execute("select pg_notify('things', n::text) from generate_series(1, 3) n")
        heard = [notify.payload for notify in listener.notifies(timeout=5, stop_after=3)]
    assert heard == ["1", "2", "3"]


def test_notify_while_idle(conn):
    with psycopg.connect(autocommit=True) as listener:
        listener.execute("listen later")
        timer = threading.Timer(0.5, lambda: conn.execute("notify later"))
        timer.start()
        assert len(list(listener.notifies(timeout=5, stop_after=1))) == 1
        timer.join()


@pytest.mark.parametrize("safe", [False, True])
def test_cancel(conn, safe):
    timer = threading.Timer(0.5, conn.cancel_safe if safe else conn.cancel)
    timer.start()
    began = time.monotonic()
    with pytest.raises(errors.QueryCanceled):
        conn.execute("select pg_sleep(20)")
    timer.join()
    assert time.monotonic() - began < 10
    assert conn.execute("select 1").fetchone() == (1,)


def test_late_cancel_hits_nobody(conn):
    conn.execute("select 1")
    conn.cancel_safe()
    time.sleep(0.2)
    with psycopg.connect(autocommit=True) as other:
        assert [other.execute("select 1").fetchone() for _ in range(20)] == [(1,)] * 20
    assert conn.execute("select 1").fetchone() == (1,)


def test_session_settings_stay(conn):
    conn.execute("set statement_timeout = '1234ms'")
    conn.execute("set search_path = pg_catalog, public")
    with psycopg.connect(autocommit=True) as other:
        assert other.execute("show statement_timeout").fetchone() == ("0",)
    assert conn.execute("show statement_timeout").fetchone() == ("1234ms",)
    assert conn.execute("show search_path").fetchone() == ("pg_catalog, public",)


def test_settings_that_the_driver_follows(conn):
    conn.execute("set timezone = 'Asia/Tokyo'")
    assert conn.info.parameter_status("TimeZone") == "Asia/Tokyo"
    conn.execute("set client_encoding = 'latin1'")
    assert conn.info.encoding == "iso8859-1"
    assert conn.execute("select chr(233)").fetchone() == ("é",)


def test_startup_parameters():
    options = "-c statement_timeout=4321 -c search_path=pg_catalog"
    with psycopg.connect(options=options, application_name="conformance") as connection:
        row = connection.execute("select current_setting('statement_timeout'), current_setting('search_path'), current_setting('application_name')")
        assert row.fetchone() == ("4321ms", "pg_catalog", "conformance")


def test_temporary_table(conn):
    conn.execute("create temporary table of_session (n int)")
    conn.execute("insert into of_session values (1)")
    assert conn.execute("select * from of_session").fetchall() == [(1,)]


def test_advisory_lock_of_the_session(conn):
    conn.execute("select pg_advisory_lock(4711)")
    with psycopg.connect(autocommit=True) as other:
        assert other.execute("select pg_try_advisory_lock(4711)").fetchone() == (False,)
    assert conn.execute("select pg_advisory_unlock(4711)").fetchone() == (True,)


def test_locks_do_not_outlive_their_client():
    with psycopg.connect(autocommit=True) as first:
        first.execute("select pg_advisory_lock(4712)")
    deadline = time.monotonic() + 5
    with psycopg.connect(autocommit=True) as second:
        while not second.execute("select pg_try_advisory_lock(4712)").fetchone()[0]:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        second.execute("select pg_advisory_unlock(4712)")


def test_open_transaction_of_a_client_that_left(conn, table):
    leaver = psycopg.connect()
    leaver.execute("insert into things values (1)")
    leaver.pgconn.finish()
    deadline = time.monotonic() + 5
    conn.execute("set lock_timeout = '5s'")
    conn.execute("insert into things values (1)")
    assert time.monotonic() < deadline


def test_big_values(conn):
    big = "x" * 20_000_000
    assert conn.execute("select %s::text", [big]).fetchone() == (big,)


def test_many_parameters(conn):
    numbers = list(range(65_535))
    text = sql.SQL("select array[{}]").format(sql.SQL(",").join([sql.SQL("%s::int4")] * len(numbers)))
    assert conn.execute(text, numbers).fetchone() == (numbers,)


def test_dict_rows(conn):
    assert conn.cursor(row_factory=dict_row).execute("select 1 as a").fetchone() == {"a": 1}


def test_pool():
    with ConnectionPool(min_size=2, max_size=10, kwargs={"autocommit": True}) as pool:
        wrong = []

        def work(worker):
            for n in range(100):
                with pool.connection() as connection:
                    row = connection.execute("select %s::int, %s::int", [worker, n]).fetchone()
                    if row != (worker, n):
                        wrong.append(row)

        threads = [threading.Thread(target=work, args=[worker]) for worker in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not wrong


def test_asynchronous_connections():
    async def ask(n):
        async with await psycopg.AsyncConnection.connect(autocommit=True) as connection:
            async with connection.pipeline():
                cursors = [await connection.execute("select %s::int", [n + k]) for k in range(20)]
                return [(await cursor.fetchone())[0] for cursor in cursors]

    async def main():
        return await asyncio.gather(*(ask(n) for n in range(20)))

    assert asyncio.run(main()) == [[n + k for k in range(20)] for n in range(20)]


def test_wrong_password():
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(password="wrong")


def test_database_that_does_not_exist():
    with pytest.raises(psycopg.OperationalError, match='database "nowhere" does not exist'):
        psycopg.connect(dbname="nowhere")
