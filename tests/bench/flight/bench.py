#!/usr/bin/env python3
"""Rows as columns against rows as rows: Flight SQL by the real ADBC driver, beside psycopg.

Reads the same table in alternating rounds and prints the median of each. Makes a virtual environment of its own with
the drivers in it on the first run, under target/. Ends with status 1 where Flight SQL is not twice as fast as the
fastest psycopg.

    tests/bench/flight/bench.py --gateway grpc://127.0.0.1:7001 --postgres postgresql://postgres@127.0.0.1:5432/postgres \
        [--pgbouncer postgresql://postgres@127.0.0.1:6433/postgres] [--rows 1000000] [--rounds 5]
"""

import argparse
import os
import pathlib
import statistics
import subprocess
import sys
import time
import venv

DRIVERS = ["adbc-driver-flightsql", "pyarrow", "psycopg[binary]"]
TABLE = "weir_bench_flight"
SELECT = f"select a, b, c, d, e from {TABLE}"
WANTED = 2.0


def with_drivers():
    """Goes on in the environment that has the drivers."""
    try:
        import adbc_driver_flightsql  # noqa: F401
        import psycopg  # noqa: F401
        import pyarrow  # noqa: F401
    except ImportError:
        home = pathlib.Path(__file__).resolve().parents[3] / "target" / "bench-flight"
        python = home / "bin" / "python"
        if pathlib.Path(sys.prefix) == home:
            raise
        if not python.exists():
            venv.create(home, with_pip=True)
            subprocess.run([python, "-m", "pip", "install", "--quiet", *DRIVERS], check=True)
        os.execv(python, [str(python), *sys.argv])


def prepare(url, rows):
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        known = connection.execute("select to_regclass(%s) is not null", [TABLE]).fetchone()[0]
        if known and connection.execute(f"select count(*) from {TABLE}").fetchone()[0] == rows:
            return
        connection.execute(f"drop table if exists {TABLE}")
        connection.execute(
            f"create table {TABLE} as select a::int4 as a, a::int8 * 1000003 as b, 'row number ' || a as c,"
            " a / 7.0::float8 as d, timestamptz '2024-01-01 00:00+00' + a * interval '1 second' as e"
            f" from generate_series(1, {int(rows)}) a"
        )
        connection.execute(f"vacuum analyze {TABLE}")


def by_psycopg(url):
    import psycopg

    with psycopg.connect(url, prepare_threshold=None) as connection:

        def read():
            rows = connection.execute(SELECT).fetchall()
            return len(rows), rows[-1][0]

        yield read


def by_flight(uri):
    import adbc_driver_flightsql.dbapi as flight

    with flight.connect(uri, autocommit=True) as connection:

        def read():
            with connection.cursor() as cursor:
                cursor.execute(SELECT)
                table = cursor.fetch_arrow_table()
                return table.num_rows, table.column(0)[-1].as_py()

        yield read


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gateway", required=True, help="grpc://host:port")
    parser.add_argument("--postgres", required=True, help="the server itself")
    parser.add_argument("--pgbouncer", help="the same through PgBouncer")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    prepare(arguments.postgres, arguments.rows)
    readers = {"psycopg, direct": by_psycopg(arguments.postgres), "flight sql, weir": by_flight(arguments.gateway)}
    if arguments.pgbouncer:
        readers["psycopg, pgbouncer"] = by_psycopg(arguments.pgbouncer)
    reads = {name: next(reader) for name, reader in readers.items()}
    took = {name: [] for name in reads}
    # The first round warms up.
    for number in range(arguments.rounds + 1):
        for name, read in reads.items():
            begun = time.perf_counter()
            found = read()
            elapsed = time.perf_counter() - begun
            assert found[0] == arguments.rows, f"{name} read {found[0]} rows"
            if number:
                took[name].append(elapsed)
    medians = {name: statistics.median(times) for name, times in took.items()}
    for name, median in medians.items():
        spread = f"{min(took[name]):.2f} to {max(took[name]):.2f}"
        print(f"{name:20} {median:6.2f} s ({spread})  {arguments.rows / median / 1e6:5.2f} M rows/s")
    ratio = min(median for name, median in medians.items() if "psycopg" in name) / medians["flight sql, weir"]
    print(f"flight sql reads at {ratio:.1f} times the speed of the fastest psycopg")
    return 0 if ratio >= WANTED else 1


if __name__ == "__main__":
    with_drivers()
    sys.exit(main())
