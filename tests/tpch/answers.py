"""All queries of TPC-H as materialized views, against DuckDB: as loaded, after a twentieth of the orders and of the line items
went, after they came back.

    python answers.py PORT SCALE
"""

import math
import sys
import tempfile
from decimal import Decimal
from pathlib import Path

import psycopg

from duckdb_tpch import TABLES, load, queries

# Not the line items of these orders: so there are orders without their items, and items without their order.
GOING = {
    "orders": "o_orderkey % 100 < 5",
    "lineitem": "(l_orderkey + l_linenumber) % 100 BETWEEN 50 AND 54",
}


def copy(database, client):
    """Loads each relation as a user would: from a CSV file."""
    with tempfile.TemporaryDirectory() as folder:
        for table in TABLES:
            file = Path(folder) / f"{table}.csv"
            database.execute(f"COPY {table} TO '{file}' (FORMAT csv, HEADER)")
            with client.cursor().copy(f"COPY {table} FROM STDIN (FORMAT csv, HEADER)") as lines:
                lines.write(file.read_bytes())


def order(row):
    """Rows by what is exact in them: floats differ in their last digits."""
    return [str(value) for value in row if not isinstance(value, (float, Decimal))], [
        float(value) for value in row if isinstance(value, (float, Decimal))
    ]


def same(found, expected):
    """Equal; a float is what DuckDB makes of averages and quotients, where Tidewater is exact."""
    if isinstance(found, float) or isinstance(expected, float):
        return math.isclose(float(found), float(expected), rel_tol=1e-9)
    return found == expected


def compare(what, found, expected):
    """The rows of a view and those of its query, as bags."""
    assert len(found) == len(expected), f"{what}: {len(found)} rows, {len(expected)} expected"
    for a, b in zip(sorted(found, key=order), sorted(expected, key=order)):
        assert len(a) == len(b) and all(map(same, a, b)), f"{what}: {a}, expected {b}"


def check(stage, database, client, texts):
    rows = 0
    for number, text in enumerate(texts, 1):
        expected = database.execute(text).fetchall()
        rows += len(expected)
        view = client.execute(f"SELECT * FROM q{number}").fetchall()
        compare(f"q{number}, {stage}, maintained", view, expected)
        compare(f"q{number}, {stage}, once", client.execute(text).fetchall(), expected)
    assert rows > 900, f"{stage}: {rows} rows in all show too little"


def main():
    port, scale = sys.argv[1:]
    database = load(scale)
    texts = queries(database)
    client = psycopg.connect(f"host=127.0.0.1 port={port}", autocommit=True)
    client.execute((Path(__file__).parent / "schema.sql").read_text())
    # The first half sees rows come, the others find them there.
    for number, text in enumerate(texts[:11], 1):
        client.execute(f"CREATE MATERIALIZED VIEW q{number} AS {text}")
    copy(database, client)
    for number, text in enumerate(texts[11:], 12):
        client.execute(f"CREATE MATERIALIZED VIEW q{number} AS {text}")
    check("as loaded", database, client, texts)

    for table, going in GOING.items():
        client.execute(f"CREATE TABLE gone_{table} AS SELECT * FROM {table} WHERE {going}")
        database.execute(f"CREATE TABLE gone_{table} AS SELECT * FROM {table} WHERE {going}")
        client.execute(f"DELETE FROM {table} WHERE {going}")
        database.execute(f"DELETE FROM {table} WHERE {going}")
    check("without a twentieth", database, client, texts)

    for table in GOING:
        client.execute(f"INSERT INTO {table} SELECT * FROM gone_{table}")
        database.execute(f"INSERT INTO {table} SELECT * FROM gone_{table}")
    check("with all again", database, client, texts)
    print("ok")


main()
