"""The figures of a thousand targets, of single profiles, and of an end under load: part of run.py.

Lateness comes from profpipe's own histogram, CPU time and memory from /proc. By itself,
`crowd.py RELEASE_DIR WORK_DIR` prints these figures alone.
"""
import contextlib
import json
import os
import pathlib
import re
import signal
import subprocess
import tempfile
import time
import urllib.request

TARGETS = 1_000
WARM_SECONDS = 75
SECONDS = 180
CPU_SETS = {"crowd-cpu": ["cpu", "-n", "50"], "crowd-heap": ["heap", "-n", "20", "-samples", "300"],
            "snapshot": ["heap", "-n", "1", "-samples", "3000"]}


def made(work, name):
    """A directory of profiles for the crowd."""
    directory = work / name
    if not directory.is_dir():
        subprocess.run([work / "bin" / "gen", *CPU_SETS[name], "-out", directory], check=True)
    return directory


@contextlib.contextmanager
def crowd(work):
    """Addresses of the targets."""
    command = [work / "bin" / "crowd", "-n", str(TARGETS), "-cpu", made(work, "crowd-cpu"),
               "-heap", made(work, "crowd-heap")]
    process = subprocess.Popen([str(part) for part in command], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True)
    try:
        yield list(iter(lambda: process.stdout.readline().strip(), ""))
    finally:
        process.stdin.close()
        process.wait(timeout=20)


def config(addresses):
    """Three types a minute."""
    return f"""
receivers:
  pprof:
    interval: 60s
    profiles: {{cpu: {{seconds: 10}}, heap: {{}}, goroutine: {{}}}}
    static_configs: [{{targets: [{", ".join(addresses)}], labels: {{service.name: crowd}}}}]
exporters:
  parquet: {{}}
  ui: {{}}
service: {{pipelines: {{profiles: {{receivers: [pprof], exporters: [parquet, ui]}}}}}}
"""


def metrics(port):
    """Values by name and labels."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as answer:
        lines = answer.read().decode().splitlines()
    pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    return {key: float(value) for key, value in pairs}


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


def memory(pid, name):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(rf"{name}:\s+(\d+) kB", status).group(1)) / 1024


def quantile(before, after, share):
    """The upper bound of the bucket that the share of the scrapes is within, in seconds."""
    name = r'profpipe_scrape_lateness_seconds_bucket\{.*le="([^"]+)"'
    counts = {}
    for key, value in after.items():
        found = re.match(name, key)
        if found:
            counts[float(found.group(1))] = value - before.get(key, 0)
    total = max(counts.values())
    return min(bound for bound, count in counts.items() if count >= share * total)


def scraped(values):
    """Scrapes that ended well, and others."""
    ended = {key: value for key, value in values.items() if key.startswith("profpipe_scrapes_total")}
    good = sum(value for key, value in ended.items() if 'outcome="ok"' in key)
    return good, sum(ended.values()) - good


def measure(work, scratch, running, say):
    """What 1,000 targets cost, and how long the end takes while they are scraped."""
    with crowd(work) as addresses, running(config(addresses), scratch / "crowd") as (pid, port):
        say(f"crowd: {WARM_SECONDS} seconds until all are in their rhythm, then {SECONDS}")
        time.sleep(WARM_SECONDS)
        before, used, start = metrics(port), cpu_seconds(pid), time.monotonic()
        time.sleep(SECONDS)
        after, took = metrics(port), time.monotonic() - start
        good, bad = (now - then for now, then in zip(scraped(after), scraped(before)))
        figures = {
            "cores": (cpu_seconds(pid) - used) / took,
            "rss": memory(pid, "VmRSS"),
            "peak": memory(pid, "VmHWM"),
            "p99": quantile(before, after, 0.99),
            "p50": quantile(before, after, 0.5),
            "good": good,
            "bad": bad,
            "wanted": TARGETS * 3 * took / 60,
        }
        start = time.monotonic()
        os.kill(pid, signal.SIGTERM)
        while pathlib.Path(f"/proc/{pid}/stat").exists() and state(pid) != "Z":
            time.sleep(0.01)
        figures["end"] = time.monotonic() - start
    return figures


def state(pid):
    """The state of a process, Z where it has ended and nobody asked for its code."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return "Z"


def single(work, limits):
    """A bomb, and a delta of 3,000 stacks."""
    run = lambda *args: json.loads(subprocess.run(
        [str(part) for part in (limits, *args)], check=True, stdout=subprocess.PIPE).stdout)
    snapshot = next(made(work, "snapshot").glob("*.pb.gz"))
    return {"bomb": run("bomb"), "delta": run("delta", snapshot)}


def rows(crowd, single, row):
    """Lines of the table."""
    return [
        row("1,000 targets × 3 types a minute, CPU", crowd["cores"], " core", 0.2),
        row("1,000 targets, resident memory", crowd["rss"], " MiB", 200),
        row("1,000 targets, lateness p99 at most", crowd["p99"], " s", 1),
        row("SIGTERM under that load, to the exit", crowd["end"], " s", 5),
        row("bomb refused, slowest of 5", single["bomb"]["slowest_ms"], " ms", 200),
        row("bomb, memory / cap of inflation", single["bomb"]["memory_of_cap"], "×", 2),
        row("delta of a heap profile of 3,000 stacks", single["delta"]["median_ms"], " ms", 3),
        row("state of its target", single["delta"]["state_bytes"] / 1024, " KiB", 100),
    ]


def text(crowd, single):
    """What is said below the table."""
    bomb = single["bomb"]
    return f"""* **1,000 targets** on ports of one machine, each asked once a minute for a CPU window of 10 s (25 KB gzip),
  a heap profile of 300 stacks whose counters grow, and a goroutine profile: {crowd["good"]:.0f} scrapes in {SECONDS} s
  ({crowd["wanted"]:.0f} by schedule), {crowd["bad"]:.0f} failed; peak {crowd["peak"]:.0f} MiB. Lateness is from when a
  scrape is due to its start, as the upper bound of a bucket of profpipe's histogram; the median is
  at most {crowd["p50"] * 1e3:.0f} ms. Then SIGTERM; that all it had accepted is durable is what
  `tests/process/stop.rs` shows.
* **Bomb**: {bomb["gzip_bytes"] / 1024:.0f} KiB of gzip, {bomb["inflated_bytes"] >> 20} MiB of empty samples, refused as
  `{bomb["reason"]}`; memory is the growth of the process at its peak.
* **Delta**: a snapshot of 3,000 stacks of which every counter grew, {single["delta"]["rows"]} rows.
"""


def main():
    import run  # Which reads the arguments, and imports this file.
    with tempfile.TemporaryDirectory(dir=run.WORK) as scratch:
        many = measure(run.WORK, pathlib.Path(scratch), run.running, run.say)
    alone = single(run.WORK, run.RELEASE / "examples" / "limits")
    print(run.table(rows(many, alone, run.row)), text(many, alone), sep="\n")


if __name__ == "__main__":
    main()
