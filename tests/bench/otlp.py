"""The figures of OTLP beside a real Collector, which gets the same requests: part of run.py.

Both are asked by HTTP, in protobuf with gzip, by ten connections at a time; they take turns. By
itself, `otlp.py RELEASE_DIR WORK_DIR` prints these figures alone.
"""
import concurrent.futures
import contextlib
import http.client
import json
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time

import crowd

ROUNDS = 5
# As many as the exporters of a Collector have requests under way: `num_consumers`.
CONNECTIONS = 10
# How often all requests are sent in a round.
REPEATS = 4
BUILD = pathlib.Path(__file__).resolve().parents[1] / "e2e" / "collector" / "build.sh"
PATH = "/v1development/profiles"
# Nobody is scraped; this is what the pages need.
IDLE = """
    profiles/idle: {receivers: [pprof], exporters: [parquet, ui]}
"""


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def requests(release, directory, out):
    """Sizes of OTLP, and bodies to send."""
    shutil.rmtree(out, ignore_errors=True)
    made = subprocess.run([release / "examples" / "measure", "otlp", directory, out], check=True,
                          stdout=subprocess.PIPE, text=True)
    return json.loads(made.stdout), [path.read_bytes() for path in sorted(out.iterdir())]


def profpipe(port, exporter):
    """A config: OTLP in, and this exporter out."""
    return f"""
receivers:
  otlp: {{protocols: {{http: {{endpoint: "127.0.0.1:{port}"}}}}}}
  pprof: {{interval: 600s, profiles: {{heap: {{}}}}, static_configs: [{{targets: ["127.0.0.1:9"]}}]}}
exporters:
  otlp_grpc: {exporter}
  parquet: {{}}
  ui: {{}}
service:
  pipelines:
    profiles: {{receivers: [otlp], exporters: [otlp_grpc]}}{IDLE}"""


def collector_config(port, exporter, protocol="http"):
    name, settings = exporter
    return f"""
receivers: {{otlp: {{protocols: {{{protocol}: {{endpoint: "127.0.0.1:{port}"}}}}}}}}
exporters: {{{name}: {settings}}}
service:
  telemetry: {{metrics: {{level: none}}, logs: {{level: error}}}}
  pipelines: {{profiles: {{receivers: [otlp], exporters: [{name}]}}}}
"""


def listens(port, process):
    for _ in range(300):
        if process.poll() is not None:
            sys.exit(f"the Collector ended with {process.returncode}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.1)
    sys.exit("the Collector does not listen")


@contextlib.contextmanager
def collector(program, scratch, port, config):
    """A running Collector, by its pid."""
    file = scratch / f"collector-{port}.yaml"
    file.write_text(config)
    command = [program, "--config", file, "--feature-gates=service.profilesSupport"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        listens(port, process)
        yield process.pid
    finally:
        process.terminate()
        process.wait(timeout=30)


def send(port, bodies):
    """Posts all bodies; who is full is asked again."""
    def some(start):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        for body in bodies[start::CONNECTIONS]:
            for _ in range(100):
                connection.request("POST", PATH, body, {"Content-Type": "application/x-protobuf",
                                                        "Content-Encoding": "gzip"})
                answer = connection.getresponse()
                said = answer.read()
                if answer.status != 503:
                    break
                time.sleep(0.05)
            if answer.status != 200:
                sys.exit(f"a request failed: {answer.status} {said[:200]}")
    with concurrent.futures.ThreadPoolExecutor(CONNECTIONS) as pool:
        list(pool.map(some, range(CONNECTIONS)))


def settled(pid):
    """CPU time of a process when it has nothing to do any more."""
    used, since = crowd.cpu_seconds(pid), time.monotonic()
    while time.monotonic() - since < 1.5:
        time.sleep(0.1)
        now = crowd.cpu_seconds(pid)
        if now - used > 0.03:
            used, since = now, time.monotonic()
    return crowd.cpu_seconds(pid)


def cpu(pid, port, bodies):
    """CPU seconds for all bodies, once a process is warm."""
    send(port, bodies)
    before = settled(pid)
    for _ in range(REPEATS):
        send(port, bodies)
    return (settled(pid) - before) / REPEATS


def of_profpipe(running, scratch, bodies, exporter, delivered):
    """CPU of profpipe; all must be in the spool, and out of it again where `delivered`."""
    port = free_port()
    # A folder of its own, which stays: ext4 searches long for a number of a file after many were removed.
    with running(profpipe(port, exporter), scratch / f"spool-{port}") as (pid, pages):
        used = cpu(pid, port, bodies)
        values = crowd.metrics(pages)
        of = lambda what: sum(value for key, value in values.items() if "otlp_grpc" in key
                              and key.startswith(f"profpipe_exporter_{what}_profiles"))
        accepted, out, waits = of("accepted"), of("delivered"), of("pending")
        if not accepted or (accepted != out if delivered else waits != accepted):
            sys.exit(f"accepted {accepted}, delivered {out}, pending {waits}")
    return used


def of_collector(program, scratch, bodies, exporter):
    port = free_port()
    with collector(program, scratch, port, collector_config(port, exporter)) as pid:
        return cpu(pid, port, bodies)


def measure(release, directory, scratch, running, say):
    """Sizes, and CPU seconds of both, receiving and forwarding."""
    program = subprocess.run([BUILD], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    sizes, bodies = requests(release, directory, scratch / "requests")
    # What waits for this exporter stays in the spool: nobody listens, and it hardly asks.
    nobody = ('{endpoint: "127.0.0.1:9", tls: {insecure: true}, '
              'retry_on_failure: {initial_interval: 600s, max_interval: 600s}}')
    seconds = {"receive": [], "receive_collector": [], "forward": [], "forward_collector": []}
    sink = free_port()
    with collector(program, scratch, sink, collector_config(sink, ("nop", "{}"), "grpc")):
        to_sink = f'{{endpoint: "127.0.0.1:{sink}", tls: {{insecure: true}}}}'
        for number in range(ROUNDS):
            say(f"OTLP: into the spool, round {number + 1} of {ROUNDS}")
            to_file = ("file", f"{{path: {scratch / f'collector-{number}.pb'}, format: proto}}")
            seconds["receive"].append(of_profpipe(running, scratch, bodies, nobody, False))
            seconds["receive_collector"].append(of_collector(program, scratch, bodies, to_file))
        for number in range(ROUNDS):
            say(f"OTLP: forwarded, round {number + 1} of {ROUNDS}")
            seconds["forward"].append(of_profpipe(running, scratch, bodies, to_sink, True))
            seconds["forward_collector"].append(
                of_collector(program, scratch, bodies, ("otlp_grpc", to_sink)))
    return sizes | {name: min(times) for name, times in seconds.items()}


def rows(found, row):
    """Lines of the table."""
    return [
        row("Collector / OTLP receive into the spool, CPU",
            found["receive_collector"] / found["receive"], "×", 5, least=True),
        row("OTLP forward through the spool / Collector from memory, CPU",
            found["forward"] / found["forward_collector"], "×", 0.5),
        row("OTLP of one profile, gzip / pprof.gz",
            found["alone_bytes"] / found["pprof_bytes"], "×", 1.1),
    ]


def text(found):
    """What is said below the table."""
    ms = {name: found[name] * 1e3 for name in found
          if name.startswith(("receive", "forward"))}
    return f"""* **OTLP**: the {found["profiles"]} CPU profiles as {found["requests"]} requests of ten profiles each, by HTTP in
  protobuf with gzip ({found["together_bytes"] / 1e6:.1f} MB), {CONNECTIONS} at a time as a Collector sends them,
  to profpipe and to an OpenTelemetry Collector 0.159; of {ROUNDS} rounds the least. Where fewer come at a time each costs
  more here, because a segment of the spool and its `fsync` are for fewer.
  Into the durable spool {ms["receive"]:.0f} ms of CPU, the Collector's `otlp` receiver to its `file` exporter {ms["receive_collector"]:.0f} ms.
  Through the durable spool to the exporter `otlp_grpc` {ms["forward"]:.0f} ms, the Collector from `otlp` to `otlp_grpc` with its
  queue in memory {ms["forward_collector"]:.0f} ms; both send to a third process.
* **OTLP of one profile** is a message for each pprof file, with resource and dictionary of its own, at the level
  of gzip that the exporters use: {found["alone_bytes"] / 1e6:.1f} MB of {found["alone_raw_bytes"] / 1e6:.1f} MB; pprof.gz {found["pprof_bytes"] / 1e6:.1f} MB.
"""


def main():
    import run  # Which reads the arguments, and imports this file.
    with tempfile.TemporaryDirectory(dir=run.WORK) as scratch:
        directory, _ = run.generated("cpu")
        found = measure(run.RELEASE, directory, pathlib.Path(scratch), run.running, run.say)
    print(run.table(rows(found, run.row)), text(found), sep="\n")


if __name__ == "__main__":
    main()
