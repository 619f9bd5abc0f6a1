"""Runs recipes: a JSON list of {"engine", "code"} from stdin, in order; writes a JSON list of what each has printed.

Recipes of one engine share a session. Results are drawn as the engines draw them, without colour and for 120 columns.
"""

import contextlib
import io
import json
import sys


class DuckDb:
    def __init__(self):
        import duckdb

        self.connection = duckdb.connect()

    def run(self, code):
        relation = self.connection.sql(code)
        # COPY tells how many rows it has written, CREATE an empty table.
        if relation is not None and relation.columns != ["Count"]:
            relation.show(max_width=120)


class ClickHouse:
    def __init__(self):
        from chdb import session

        self.session = session.Session()
        self.session.query("SET output_format_pretty_color = 0, output_format_pretty_row_numbers = 0")
        self.session.query("SET output_format_pretty_single_large_number_tip_threshold = 0")

    def run(self, code):
        print(self.session.query(code, "PrettyCompactMonoBlock"), end="")


class Python:
    def __init__(self):
        self.names = {}

    def run(self, code):
        exec(code, self.names)


ENGINES = {"duckdb": DuckDb, "clickhouse": ClickHouse, "pandas": Python}


def main():
    started, printed = {}, []
    for recipe in json.load(sys.stdin):
        engine = recipe["engine"]
        if engine not in started:
            started[engine] = ENGINES[engine]()
        # Both engines take one statement at a time.
        statements = [recipe["code"]] if engine == "pandas" else recipe["code"].split(";\n")
        with contextlib.redirect_stdout(io.StringIO()) as text:
            for statement in filter(str.strip, statements):
                started[engine].run(statement)
        printed.append(text.getvalue())
    json.dump(printed, sys.stdout)


main()
