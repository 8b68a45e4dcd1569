# psycopg 3 over its ordinary paths: autocommit and blocks, text and binary, prepared, pipelined, COPY, server cursors.
# Usage: psycopg3.py PORT. Fails by an assertion.
import datetime
import decimal
import sys

import psycopg
from psycopg.types.json import Jsonb

dsn = f"host=127.0.0.1 port={sys.argv[1]} user=ann dbname=test"

with psycopg.connect(dsn, autocommit=True) as connection:
    assert connection.info.server_version == 150000
    assert connection.info.encoding == "utf-8"
    cursor = connection.cursor()
    cursor.execute("CREATE SCHEMA psycopg")
    cursor.execute(
        "CREATE TABLE psycopg.t (id int PRIMARY KEY, a text, n numeric, ts timestamptz, j jsonb, arr int[], f float8,"
        " i interval, d date, b boolean, bytes bytea, small int2, big int8)"
    )
    row = (
        1,
        "é'\\",
        decimal.Decimal("123.4500"),
        datetime.datetime(2024, 1, 2, 3, 4, 5, 6, tzinfo=datetime.timezone.utc),
        Jsonb({"a": [1, None]}),
        [1, None, 3],
        1.5,
        datetime.timedelta(days=1, seconds=3),
        datetime.date(2020, 2, 29),
        True,
        b"\x00\xff",
        -7,
        1 << 40,
    )
    cursor.execute("INSERT INTO psycopg.t VALUES (" + ", ".join(["%s"] * 13) + ")", row)
    assert cursor.rowcount == 1 and cursor.statusmessage == "INSERT 0 1"
    expected = row[:4] + ({"a": [1, None]},) + row[5:]
    for binary in (False, True):
        with connection.cursor(binary=binary) as c:
            assert c.execute("SELECT * FROM psycopg.t").fetchall() == [expected], binary
            assert c.execute("SELECT * FROM psycopg.t WHERE id = %s", (1,), prepare=True).fetchone() == expected
            nulls = c.execute("SELECT %s::int, %t::text, %b::int8", (None, None, 5)).fetchone()
            assert nulls == (None, None, 5)

    # The same statement often enough to be prepared by the driver itself.
    for n in range(12):
        found = cursor.execute("SELECT a FROM psycopg.t WHERE id = %s", (n,)).fetchall()
        assert found == ([("é'\\",)] if n == 1 else []), n

    with connection.transaction():
        cursor.execute("INSERT INTO psycopg.t (id) VALUES (2)")
        assert cursor.execute("SELECT count(*) FROM psycopg.t").fetchone() == (2,)
    try:
        with connection.transaction():
            cursor.execute("INSERT INTO psycopg.t (id) VALUES (3)")
            raise RuntimeError
    except RuntimeError:
        pass
    assert cursor.execute("SELECT max(id) FROM psycopg.t").fetchone() == (2,)

    try:
        cursor.execute("INSERT INTO psycopg.t (id) VALUES (2)")
        assert False, "a duplicate key was accepted"
    except psycopg.errors.UniqueViolation as error:
        assert error.diag.constraint_name == "t_pkey" and error.diag.table_name == "t"
    try:
        cursor.execute("SELECT 1 / (id - 1) FROM psycopg.t WHERE id = 1")
        assert False, "a division by zero was answered"
    except psycopg.errors.DivisionByZero:
        pass

    with connection.pipeline():
        for n in range(10, 20):
            cursor.execute("INSERT INTO psycopg.t (id, a) VALUES (%s, %s)", (n, f"p{n}"))
        last = connection.execute("SELECT count(*) FROM psycopg.t WHERE id >= 10")
        assert last.fetchone() == (10,)

    with cursor.copy("COPY psycopg.t (id, a) FROM STDIN") as copy:
        for n in range(100, 1100):
            copy.write_row((n, f"x\t{n}\n\\"))
    assert cursor.execute("SELECT a FROM psycopg.t WHERE id = 567").fetchone() == ("x\t567\n\\",)
    with cursor.copy("COPY (SELECT id, a FROM psycopg.t WHERE id < 102 AND id > 18 ORDER BY id) TO STDOUT") as copy:
        copy.set_types(["int4", "text"])
        assert list(copy.rows()) == [(19, "p19"), (100, "x\t100\n\\"), (101, "x\t101\n\\")]
    try:
        with cursor.copy("COPY psycopg.t (id, a) FROM STDIN (FORMAT csv)") as copy:
            copy.write("5000,ok\nzz,bad\n")
        assert False, "a bad line was accepted"
    except psycopg.errors.InvalidTextRepresentation as error:
        assert error.diag.context == 'COPY t, line 2, column id: "zz"', error.diag.context
    assert cursor.execute("SELECT count(*) FROM psycopg.t WHERE id = 5000").fetchone() == (0,)

    # The binary format, both ways, of every type that the table has.
    with connection.cursor(binary=True) as c:
        types = ["int4", "text", "numeric", "timestamptz", "jsonb", "int4[]", "float8", "interval", "date", "bool", "bytea", "int2", "int8"]
        c.execute("CREATE TABLE psycopg.copied (id int PRIMARY KEY, a text, n numeric, ts timestamptz, j jsonb, arr int[],"
                  " f float8, i interval, d date, b boolean, bytes bytea, small int2, big int8)")
        with c.copy("COPY psycopg.copied FROM STDIN (FORMAT binary)") as copy:
            copy.set_types(types)
            for n in range(1000):
                copy.write_row((n,) + row[1:] if n % 2 == 0 else (n,) + (None,) * 12)
        assert c.rowcount == 1000
        with c.copy("COPY (SELECT * FROM psycopg.copied WHERE id < 2 ORDER BY id) TO STDOUT (FORMAT binary)") as copy:
            copy.set_types(types)
            copied = list(copy.rows())
        assert copied == [(0,) + expected[1:], (1,) + (None,) * 12], copied
        try:
            with c.copy("COPY psycopg.copied (id) FROM STDIN (FORMAT binary)") as copy:
                copy.write(b"no signature at all")
            assert False, "bytes without a signature were accepted"
        except psycopg.errors.BadCopyFileFormat:
            pass
        assert c.execute("SELECT count(*) FROM psycopg.copied").fetchone() == (1000,)

    # Nested transactions are savepoints.
    with connection.transaction():
        cursor.execute("INSERT INTO psycopg.t (id) VALUES (6000)")
        try:
            with connection.transaction():
                cursor.execute("INSERT INTO psycopg.t (id) VALUES (6001)")
                cursor.execute("INSERT INTO psycopg.t (id) VALUES (6000)")
        except psycopg.errors.UniqueViolation:
            pass
        with connection.transaction():
            cursor.execute("INSERT INTO psycopg.t (id) VALUES (6002)")
    assert cursor.execute("SELECT id FROM psycopg.t WHERE id >= 6000 ORDER BY id").fetchall() == [(6000,), (6002,)]

    with connection.transaction():
        with connection.cursor(name="scrolling") as c:
            c.execute("SELECT id FROM psycopg.t ORDER BY id")
            assert c.fetchmany(2) == [(1,), (2,)] and c.fetchone() == (10,)

    connection.execute("SET application_name = 'changed'")
    assert connection.info.parameter_status("application_name") == "changed"

# Keys that the server gives, as ORMs ask for them.
with psycopg.connect(dsn, autocommit=True) as connection:
    connection.execute("CREATE TABLE psycopg.keyed (id bigserial PRIMARY KEY, name text)")
    insert = "INSERT INTO psycopg.keyed (name) VALUES (%s), (%s) RETURNING id"
    for first in (1, 3, 5):
        assert connection.execute(insert, ("a", "b")).fetchall() == [(first,), (first + 1,)]
    (sequence,) = connection.execute("SELECT pg_get_serial_sequence(%s, %s)", ("psycopg.keyed", "id")).fetchone()
    assert sequence == "psycopg.keyed_id_seq", sequence
    assert connection.execute("SELECT nextval(%s), currval(%s), lastval()", (sequence, sequence)).fetchone() == (7, 7, 7)
    connection.execute("INSERT INTO psycopg.keyed VALUES (100, 'c')")
    reset = "SELECT setval(%s, coalesce(max(id), 1), max(id) IS NOT NULL) FROM psycopg.keyed"
    assert connection.execute(reset, (sequence,)).fetchone() == (100,)
    with connection.cursor().copy("COPY psycopg.keyed (name) FROM STDIN") as copy:
        copy.write_row(("d",))
        copy.write_row(("e",))
    copied = connection.execute("SELECT id FROM psycopg.keyed WHERE name IN ('d', 'e') ORDER BY id").fetchall()
    assert copied == [(101,), (102,)], copied

# Updates are pushed: a row inserted on one connection arrives on another.
with psycopg.connect(dsn, autocommit=True) as reader, psycopg.connect(dsn, autocommit=True) as writer:
    writer.execute("CREATE TABLE psycopg.pushed (id int PRIMARY KEY, v int)")
    rows = reader.cursor().stream("SUBSCRIBE psycopg.pushed")
    writer.execute("INSERT INTO psycopg.pushed VALUES (1, 10)")
    first = next(rows)
    assert first[1:] == (1, 1, 10), first
    writer.execute("UPDATE psycopg.pushed SET v = 11")
    changes = sorted([next(rows), next(rows)], key=lambda row: row[1])
    assert [row[1:] for row in changes] == [(-1, 1, 10), (1, 1, 11)] and changes[0][0] == changes[1][0]
    assert changes[0][0] > first[0]
    reader.cancel()
    try:
        next(rows)
        assert False, "a cancelled subscription went on"
    except psycopg.errors.QueryCanceled:
        pass
    assert reader.execute("SELECT count(*) FROM psycopg.pushed").fetchone() == (1,)

print("ok")
