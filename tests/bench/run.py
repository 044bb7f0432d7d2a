"""Measures profpipe's figures and writes docs/benchmarks.md: `run.py RELEASE_DIR WORK_DIR`.

A figure is a ratio of two CPU times of one run wherever that is possible, so that it means the same
on another machine; of several rounds the fastest counts. run.sh builds what this needs.
"""
import contextlib
import gzip
import hashlib
import http.client
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import crowd
import otlp

ROOT = pathlib.Path(__file__).resolve().parents[2]
RELEASE, WORK = (pathlib.Path(arg).resolve() for arg in sys.argv[1:3])
PROFPIPE, MEASURE = RELEASE / "profpipe", RELEASE / "examples" / "measure"
ROUNDS = 7
ASKED = 200
IDLE_SECONDS = 60
# Name of a set: what the generator makes of it.
SETS = {"cpu": ["cpu", "-n", "1000"], "fresh": ["cpu", "-n", "1000", "-fresh"],
        "heap": ["heap", "-n", "100", "-samples", "13000"]}


def say(text):
    print(text, file=sys.stderr, flush=True)


def output(*command, **options):
    """What a command prints; one that fails ends the run."""
    return subprocess.run([str(part) for part in command], check=True, text=True,
                          stdout=subprocess.PIPE, **options).stdout


def generated(kind):
    """A directory of profiles, made anew only where the generator changed."""
    sources = sorted((ROOT / "tests" / "go").rglob("*"))
    version = hashlib.sha256(b"".join(p.read_bytes() for p in sources if p.is_file()))
    directory = WORK / f"{kind}-{version.hexdigest()[:12]}"
    if not directory.is_dir():
        say(f"making {kind} profiles")
        for old in WORK.glob(f"{kind}-*"):
            shutil.rmtree(old)
        fresh = WORK / f"new-{kind}"
        output(WORK / "bin" / "gen", *SETS[kind], "-out", fresh)
        fresh.rename(directory)
    return directory, sorted(str(path) for path in directory.glob("*.pb.gz"))


def cpu_seconds(command):
    """User and system time of a process, those of its threads included."""
    process = subprocess.Popen([str(part) for part in command], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{command[0]} {command[1]} ended with {process.returncode}")
    return usage.ru_utime + usage.ru_stime


def ingest(kind, lake):
    """CPU seconds of gunzip, import and google/pprof, in turns; the lake of the last import stays."""
    directory, files = generated(kind)
    seconds = {"gunzip": [], "import": [], "parse": [], "wall": []}
    for number in range(ROUNDS):
        say(f"{kind}: round {number + 1} of {ROUNDS}")
        bare = json.loads(output(MEASURE, "gunzip", directory, 3))
        seconds["gunzip"].append(bare["cpu_s"])
        shutil.rmtree(lake, ignore_errors=True)
        start = time.monotonic()
        command = [PROFPIPE, "import", "--service", "bench", "--lake", lake, *files]
        seconds["import"].append(cpu_seconds(command))
        seconds["wall"].append(time.monotonic() - start)
        parsed = output(WORK / "bin" / "oracle", "parse", *files,
                        env={**os.environ, "GOMAXPROCS": "1"})
        seconds["parse"].append(json.loads(parsed)["cpu_seconds"])
    sizes = {table: sum(path.stat().st_size for path in (lake / table).rglob("*.parquet"))
             for table in ["samples", "profiles", "functions"]}
    return {name: min(times) for name, times in seconds.items()} | {"sizes": sizes, **bare}


@contextlib.contextmanager
def running(config, data):
    """A `profpipe run` with this config, and the port of its pages."""
    path = data.parent / "config.yaml"
    path.write_text(config)
    command = [PROFPIPE, "run", "--config", path, "--data-dir", data, "--web-port", "0",
               "--log-level", "error"]
    process = subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline()
        found = re.search(r"http://[^:]+:(\d+)", line)
        if not found:
            sys.exit(f"profpipe did not start: {line}")
        yield process.pid, int(found.group(1))
    finally:
        process.terminate()
        process.wait(timeout=20)


@contextlib.contextmanager
def target():
    """The address of a Go program with net/http/pprof."""
    command = [str(WORK / "bin" / "hold")]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield process.stdout.readline().strip()
    finally:
        process.stdin.close()
        process.wait(timeout=20)


def flame_by_http(lake, scratch):
    """Milliseconds of /api/v1/flame as a browser asks for it: median, and bytes of the answer."""
    data = scratch / "http"
    data.mkdir()
    lake.rename(data / "lake")
    nobody = "monitors: [{name: nobody, endpoint: 'http://127.0.0.1:9', heap: {seconds: 600}}]"
    with running(nobody, data) as (_, port):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        question = "/api/v1/flame?service=bench&type=cpu:cpu&from=1760000000&to=1760020000&width=1440"
        times = []
        for _ in range(ASKED):
            start = time.perf_counter()
            connection.request("GET", question, headers={"Accept-Encoding": "gzip"})
            answer = connection.getresponse()
            body = answer.read()
            times.append((time.perf_counter() - start) * 1e3)
            if answer.status != 200:
                sys.exit(f"the flame graph failed: {answer.status} {body[:200]}")
        frames = len(json.loads(gzip.decompress(body))["level"])
        return {"ms": statistics.median(times[10:]), "bytes": len(body), "frames": frames}


def idle_memory(scratch):
    """MiB of a process that scrapes one target for a minute: now, and at its peak."""
    with target() as address:
        config = f"""
monitors:
  - name: hold
    endpoint: http://{address}
    profile: {{seconds: 5}}
    heap: {{seconds: 10}}
    goroutine: {{seconds: 10}}
"""
        with running(config, scratch / "idle") as (pid, _):
            say(f"idle: {IDLE_SECONDS} seconds")
            time.sleep(IDLE_SECONDS)
            status = pathlib.Path(f"/proc/{pid}/status").read_text()
    field = lambda name: int(re.search(rf"{name}:\s+(\d+) kB", status).group(1)) / 1024
    return {"now": field("VmRSS"), "peak": field("VmHWM")}


def row(figure, measured, unit, limit, goal=None, least=False):
    """A line of the table; `least` where more is better."""
    passed = measured >= limit if least else measured <= limit
    reached = goal is not None and (measured >= goal if least else measured <= goal)
    sign = "≥" if least else "≤"
    target_text = f"{sign} {limit}{unit}" + (f", goal {goal}{unit}" if goal is not None else "")
    verdict = "goal" if reached else "pass" if passed else "**fail**"
    digits = 3 if measured < 0.2 else 1 if measured >= 10 else 2
    ratio = limit / measured if least else measured / limit
    return [figure, f"{measured:.{digits}f}{unit}", target_text, f"{ratio:.2f}", verdict]


def table(rows):
    head = ["figure", "measured", "target", "of target", "verdict"]
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def machine():
    model = re.search(r"model name\s*:\s*(.+)", pathlib.Path("/proc/cpuinfo").read_text())
    name = model.group(1).strip() if model else os.uname().machine
    return f"{name}, {os.cpu_count()} threads, {os.uname().sysname} {os.uname().machine}"


PAGE = """# Benchmarks

`make bench` measures these figures and writes this page: about fifteen minutes once the release build
is there. It needs Linux, Go and Python.

{table}

On {date}, commit {commit}, {machine}, load {load}.

## What is measured

CPU is user and system time of the whole process, start, `fsync` and all threads included; of {rounds} rounds
the fastest counts, and the programs take turns, so that a busy machine slows all of them down.

* **CPU profiles**: 1,000 profiles of five Go programs, recorded and varied: a window of each recording, of
  which every profile leaves out 8 % of the stacks and redraws the counts of the others; {cpu_gzip:.1f} MB gzip, {cpu_raw:.1f} MB inflated, imported
  100 a file: inflate {cpu_gunzip:.0f} ms, `profpipe import` {cpu_import:.0f} ms ({cpu_wall:.0f} ms on the clock),
  google/pprof's `profile.Parse` alone {cpu_parse:.0f} ms.
* **Fresh CPU profiles**: a harder set, without a target: every profile is a window of its own, drawn from the
  whole recording, so that a file holds nearly three times as many stacks. Import {fresh_ratio:.2f}× gunzip,
  Parquet / pprof.gz {fresh_size:.3f}.
* **Heap profiles**: 100 Go profiles of 13,000 samples, {heap_gzip:.1f} MB gzip, {heap_raw:.1f} MB inflated: inflate
  {heap_gunzip:.0f} ms, import {heap_import:.0f} ms ({heap_wall:.0f} ms on the clock), google/pprof {heap_parse:.0f} ms.
* **gunzip** is libdeflate, one call a file, from memory to memory.
* **Parquet / pprof.gz**: bytes of all three tables as they are at flush, before anything is compacted.
  CPU profiles: samples {cpu_samples:.0f} KB, functions {cpu_functions:.0f} KB, profiles {cpu_profiles:.0f} KB.
  Heap profiles, whose counters move as those of Go's runtime do: {heap_size:.3f}.
* **Flame graph**: all 1,000 CPU profiles, {nodes} nodes. Through HTTP it is pruned to {frames} frames
  ({answer:.0f} KB gzip), the median of {asked} questions on one connection; the scan is the fastest of 100, its
  median {kept_median:.1f} ms with and {fresh_median:.1f} ms without what a running process keeps.
* **Idle**: resident memory of `profpipe run` after {idle_seconds} s of scraping one Go program, CPU and heap and
  goroutines, without `self_telemetry`, whose sampler keeps a table of about 120 MiB; the peak was {peak:.1f} MiB.
{crowd}
The profiles are made by `tests/go/cmd/gen`, the same bytes each time.
"""


def main():
    WORK.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=WORK) as scratch:
        scratch = pathlib.Path(scratch)
        sets = {kind: ingest(kind, scratch / f"lake-{kind}") for kind in SETS}
        cpu, heap = sets["cpu"], sets["heap"]
        lake = scratch / "lake-cpu"
        scan = json.loads(output(MEASURE, "flame", lake, 100))
        by_http = flame_by_http(lake, scratch)
        memory = idle_memory(scratch)
        many = crowd.measure(WORK, scratch, running, say)
        beside = otlp.measure(RELEASE, generated("cpu")[0], scratch, running, say)
        single = crowd.single(WORK, RELEASE / "examples" / "limits")
    size = {name: sum(of["sizes"].values()) / of["gzip_bytes"] for name, of in sets.items()}
    rows = [
        row("import of CPU profiles / gunzip, CPU", cpu["import"] / cpu["gunzip"], "×", 3.5, 2.5),
        row("google/pprof parse / import of CPU profiles, CPU",
            cpu["parse"] / cpu["import"], "×", 2, 3, least=True),
        row("import of heap profiles / gunzip, CPU", heap["import"] / heap["gunzip"], "×", 6, 4),
        row("Parquet / pprof.gz, all tables", size["cpu"], "", 0.08),
        row("Parquet / pprof.gz, samples alone",
            cpu["sizes"]["samples"] / cpu["gzip_bytes"], "", 0.08),
        row("flame graph, scan, kept tries", scan["kept_ms"]["min"], " ms", 3),
        row("flame graph, scan, nothing kept", scan["fresh_ms"]["min"], " ms", 10),
        row("flame graph through HTTP", by_http["ms"], " ms", 15),
        row("idle `profpipe run`, one target", memory["now"], " MiB", 40),
        *crowd.rows(many, single, row),
        *otlp.rows(beside, row),
    ]
    numbers = {f"{kind}_{name}": of[name] * 1e3
               for kind, of in sets.items() for name in ["gunzip", "import", "parse", "wall"]}
    for kind, of in sets.items():
        numbers[f"{kind}_gzip"], numbers[f"{kind}_raw"] = of["gzip_bytes"] / 1e6, of["raw_bytes"] / 1e6
    numbers |= {f"cpu_{name}": of / 1e3 for name, of in cpu["sizes"].items()}
    page = PAGE.format(
        table=table(rows), date=time.strftime("%Y-%m-%d", time.gmtime()), machine=machine(),
        commit=output("git", "-C", ROOT, "rev-parse", "--short", "HEAD").strip(),
        load=f"{os.getloadavg()[1]:.1f}", rounds=ROUNDS, asked=ASKED, idle_seconds=IDLE_SECONDS,
        nodes=scan["nodes"], frames=by_http["frames"], answer=by_http["bytes"] / 1e3,
        kept_median=scan["kept_ms"]["median"], fresh_median=scan["fresh_ms"]["median"],
        peak=memory["peak"], heap_size=size["heap"], fresh_size=size["fresh"],
        fresh_ratio=sets["fresh"]["import"] / sets["fresh"]["gunzip"],
        crowd=crowd.text(many, single) + otlp.text(beside), **numbers)
    (ROOT / "docs" / "benchmarks.md").write_text(page)
    print(table(rows))
    sys.exit(any("fail" in line[-1] for line in rows))


if __name__ == "__main__":
    main()
