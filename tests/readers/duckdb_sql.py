"""Runs SQL in DuckDB, in the directory that holds the lake, and prints the rows of each statement
that gives some as a line of JSON."""

import json
import os
import sys

import duckdb

os.chdir(sys.argv[1])
connection = duckdb.connect()
connection.execute("SET TimeZone = 'UTC'")
for statement in duckdb.extract_statements(sys.stdin.read()):
    answer = connection.execute(statement)
    if statement.type == duckdb.StatementType.SELECT:
        print(json.dumps(answer.fetchall(), default=str))
