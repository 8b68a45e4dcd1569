"""TPC-H as DuckDB has it: its data, its 22 queries, and its answers over whatever rows there are.

DuckDB's extension is a package of its own (`duckdb-extension-tpch`), loaded by its path: nothing is downloaded.
"""

import glob

import duckdb
import duckdb_extension_tpch

TABLES = "region nation part supplier partsupp customer orders lineitem".split()


def load(scale):
    """A database with the relations at this scale."""
    database = duckdb.connect()
    folder = list(duckdb_extension_tpch.__path__)[0]
    database.execute(f"LOAD '{glob.glob(folder + '/extensions/*/tpch.duckdb_extension')[0]}'")
    database.execute(f"CALL dbgen(sf = {scale})")
    return database


def queries(database):
    """The texts of the queries, q1 first, without semicolons."""
    texts = database.execute("SELECT query FROM tpch_queries() ORDER BY query_nr").fetchall()
    return [text.strip().rstrip(";") for (text,) in texts]


if __name__ == "__main__":
    import json

    print(json.dumps(queries(load(0))))
