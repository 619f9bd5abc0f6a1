"""Runs recipes: a JSON list of {"engine", "code"} from stdin, in order; writes a JSON list of what each has printed.

Recipes of one engine share a session. Results are drawn as the engines draw them, without colour and for 120 columns.
"""

import asyncio
import collections
import contextlib
import io
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

# What the recipes for queues read from stdin, and how long a server or its messages may take, in seconds.
LINES = pathlib.Path("fleet-app1.jsonl")
PATIENCE = 30


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


class Queue:
    """A recipe that sends the lines of stdin. What the server has got has to be those lines; printed is how many go where."""

    def run(self, code):
        with open(LINES, "rb") as lines, io.TextIOWrapper(lines) as stdin:
            before, sys.stdin = sys.stdin, stdin
            try:
                exec(code, {})
            finally:
                sys.stdin = before
        sent = LINES.read_bytes().splitlines(keepends=True)
        received = self.received(len(sent))
        if sorted(line for _, line in received) != sorted(sent):
            raise ValueError(f"{len(received)} of {len(sent)} lines arrived")
        for place, count in sorted(collections.Counter(place for place, _ in received).items()):
            print(f"{place}: {count}")


class Kafka(Queue):
    def __init__(self):
        from confluent_kafka import Producer

        # The client's own mock of a cluster, for as long as this is there.
        self.cluster = Producer({"bootstrap.servers": "mock", "test.mock.num.brokers": 1, "log_level": 4})
        [broker] = self.cluster.list_topics(timeout=PATIENCE).brokers.values()
        self.address = os.environ["KAFKA"] = f"{broker.host}:{broker.port}"

    def received(self, count):
        from confluent_kafka import Consumer

        settings = {"bootstrap.servers": self.address, "group.id": "test", "auto.offset.reset": "earliest"}
        consumer, received, until = Consumer(settings), [], time.monotonic() + PATIENCE
        consumer.subscribe(["tcptrace"])
        while len(received) < count and time.monotonic() < until:
            message = consumer.poll(1)
            if message is not None and not message.error():
                received.append(((message.key() or b"no key").decode(), message.value()))
        consumer.close()
        return received


class Nats(Queue):
    def __init__(self):
        self.folder = tempfile.TemporaryDirectory()
        folder = pathlib.Path(self.folder.name)
        # A port that is free, told in a file.
        arguments = ["--addr", "127.0.0.1", "--port", "-1", "--ports_file_dir", folder, "--jetstream", "--store_dir", folder]
        self.server = subprocess.Popen([os.environ["NATS_SERVER"], *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        ports, until = folder / f"nats-server_{self.server.pid}.ports", time.monotonic() + PATIENCE
        while not (ports.exists() and ports.read_text()) and time.monotonic() < until:
            time.sleep(0.01)
        [self.address] = json.loads(ports.read_text())["nats"]
        os.environ["NATS"] = self.address
        asyncio.run(self.add_stream())

    async def add_stream(self):
        import nats

        client = await nats.connect(self.address)
        await client.jetstream().add_stream(name="tcptrace", subjects=["tcptrace.>"])
        await client.close()

    def received(self, count):
        return asyncio.run(self.receive(count))

    async def receive(self, count):
        import nats

        client = await nats.connect(self.address)
        messages = await client.jetstream().subscribe("tcptrace.>", ordered_consumer=True)
        received = [await messages.next_msg(timeout=PATIENCE) for _ in range(count)]
        await client.close()
        return [(message.subject, message.data) for message in received]

    def close(self):
        self.server.terminate()
        self.server.wait()
        self.folder.cleanup()


ENGINES = {"duckdb": DuckDb, "clickhouse": ClickHouse, "pandas": Python, "kafka": Kafka, "nats": Nats}


def main():
    started, printed = {}, []
    with contextlib.ExitStack() as servers:
        for recipe in json.load(sys.stdin):
            engine = recipe["engine"]
            if engine not in started:
                started[engine] = ENGINES[engine]()
                if hasattr(started[engine], "close"):
                    servers.callback(started[engine].close)
            # Both engines of SQL take one statement at a time.
            statements = recipe["code"].split(";\n") if engine in ("duckdb", "clickhouse") else [recipe["code"]]
            with contextlib.redirect_stdout(io.StringIO()) as text:
                for statement in filter(str.strip, statements):
                    started[engine].run(statement)
            printed.append(text.getvalue())
    json.dump(printed, sys.stdout)


main()
