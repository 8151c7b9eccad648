#!/usr/bin/env python3
"""Runs the fuzz targets, counts what they have run, and shows what they reach.

    fuzz.py run [--build fast|sanitized] [--jobs N] [AMOUNT] [TARGET]...
        AMOUNT: seconds for each target (60), or executions: 100000000x runs each target until it
        has had so many in all, this run and earlier ones of the same build together
    fuzz.py ledger                   executions of each target so far
    fuzz.py minimise [TARGET]...     what was found goes to tests/fuzz/corpus/, as few as reach the same
    fuzz.py coverage [--missing]     lines of the parsers that the committed inputs reach

What is found lies in .cache/fuzz/<target>/, findings in .cache/fuzz/crash-*; the ledger,
tests/fuzz/ledger.jsonl, is committed, so that executions add up. Built by ./dev, in build-fuzz
(sanitized), build-fuzz-fast and build-fuzz-coverage.
"""

import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
CORPUS = ROOT / "tests/fuzz/corpus"
CACHE = ROOT / ".cache/fuzz"
LEDGER = ROOT / "tests/fuzz/ledger.jsonl"
BUILDS = {"sanitized": "build-fuzz", "fast": "build-fuzz-fast", "coverage": "build-fuzz-coverage"}
SOURCES = ["base", "runtime", "protocol", "storage", "raft", "broker", "tools", "tests/fuzz"]

# Longest inputs: a few of whatever the format repeats. The default is 256.
LENGTHS = {
    "checkpoint": 160, "configuration": 300, "groups": 400, "handlers": 48, "log_dir": 400,
    "log_dump": 400, "meta_properties": 200, "metadata": 400, "metadata_log": 500, "properties": 120,
    "quorum_fetched": 400,
    "records": 300, "round_trip": 120, "segment": 400, "subscription": 64,
}  # fmt: skip

# What the fast build finds of these is forgotten after each slice: with a large corpus they run at a
# third of the speed.
FORGETFUL = {"handlers"}

TIMEOUT_SECONDS = 300  # of one input; by the clock, so long enough for who waits for a CPU
SLICE_SECONDS = 120  # so that an interrupted run loses little of its account

# What reads bytes that others wrote, and the functions in these files that only write or act on what
# was read: a pattern that their names match.
PARSERS = {
    "base/slice.c": "slice_to_cstr|hash_.*",
    "base/uuid.c": "(?!uuid_parse|base64url_value).*",
    "protocol/message_decode.c": "",
    "protocol/batch.c": "batch_set_.*",
    "protocol/record_frame.c": "",
    "protocol/record_iterator.c": "",
    "protocol/produce_validate.c": "",
    "protocol/compression.c": "compress|compression_name|none_compress",
    "protocol/compression_gzip.c": "isal_level|deflate_all|gzip_compress",
    "protocol/compression_lz4.c": "lz4_level|lz4_compress",
    "protocol/compression_snappy.c": "snappy_block|snappy_compress_framed",
    "protocol/compression_zstd.c": "zstd_compress",
    "runtime/uv/conn.c": "(?!receive|consume|start_frame|deliver|input_blocked).*",
    "storage/batch_cursor.c": "",
    "storage/checkpoint.c": ".*_write|clean_shutdown_remove",
    "storage/epochs.c": "epochs_(?!decode|end_of|of_offset|latest).*",
    "storage/load_check.c": "",
    "storage/load_files.c": "",
    "storage/load_recover.c": "",
    "storage/log_dir.c": "log_dir_lock",
    "storage/meta_properties.c": ".*_write",
    "storage/paths.c": "",
    "storage/producer_snapshot.c": "",
    "storage/text_lines.c": "",
    "storage/txn_index.c": "",
    "broker/config/properties.c": "",
    "broker/config/config.c": "config_(?!load|note|log_warnings|free).*",
    "broker/config/config_value.c": "",
    "broker/config/config_listener.c": "host_name",
    "broker/config/config_topic_list.c": "",
    "broker/config/config_validate.c": "config_is_.*|config_listener_key",
    "broker/quorum/fetched.c": "",
    "broker/quorum/metadata_batch.c": "add_.*|.*_build",
    "broker/quorum/metadata_snapshot.c": ".*_write|write_part|snapshot_build",
    "broker/quorum/quorum_state.c": ".*_write",
    "broker/quorum/voter_set.c": "voter_history.*|voter_set_(copy|remove|encode)|voter_endpoint",
    "broker/group/group_table.c": "",
    "broker/group/subscription.c": "",
    "broker/metadata/apply_broker.c": "",
    "broker/metadata/apply_config.c": "",
    "broker/metadata/apply_opaque.c": "",
    "broker/metadata/apply_topic.c": "",
    "broker/metadata/image_apply.c": "",
    "broker/metadata/metadata_record.c": "record_list.*|.*_record_version",
    "broker/server/request_decode.c": "",
    "tools/internal_record.c": "",
    "tools/log_dump.c": "",
}

stopping = threading.Event()
running = set()


def fail(text):
    sys.exit(f"fuzz: {text}")


def private_copy(build, target, directory):
    """So that a build in between does not change what runs."""
    copy = pathlib.Path(directory) / f"{build}-{target}"
    shutil.copy(executable(build, target), copy)
    return copy


def executable(build, target):
    path = ROOT / BUILDS[build] / "tests/fuzz" / f"fuzz_{target}"
    if not path.exists():
        fail(f"{path} is not built: ./dev fuzz builds it")
    return path


def all_targets():
    return sorted(p.stem.removeprefix("fuzz_") for p in (ROOT / "tests/fuzz").glob("fuzz_*.c"))


def chosen_targets(names):
    known = all_targets()
    names = [name.removeprefix("fuzz_") for name in names]
    for name in names:
        if name not in known:
            fail(f"no target {name}; there are: {' '.join(known)}")
    return names or known


def git(*args):
    result = subprocess.run(["git", "-C", ROOT, *args], capture_output=True, text=True)
    return result.stdout.strip() if result.returncode == 0 else ""


def commit_of_sources():
    """The commit that the build is of; "+" for changes on top of it."""
    commit = git("rev-parse", "--short", "HEAD") or "unknown"
    return commit + ("+" if git("status", "--porcelain", "--", *SOURCES) else "")


# ---- The ledger -----------------------------------------------------------------------------------


def ledger_read():
    if not LEDGER.exists():
        return []
    return [json.loads(line) for line in LEDGER.read_text().splitlines() if line]


def ledger_add(entry):
    with LEDGER.open("a") as ledger:
        ledger.write(json.dumps(entry) + "\n")


def executions(entries, **wanted):
    return sum(
        e["executions"] for e in entries if all(e[key] == value for key, value in wanted.items())
    )


def since_finding(entries):
    """The entries of a target behind its last finding."""
    last = max((i for i, e in enumerate(entries) if e["findings"]), default=-1)
    return entries[last + 1 :]


def print_ledger(entries):
    """Executions count towards the goal since the last finding of their target."""
    print(f"{'target':20} {'sanitized':>15} {'fast':>15} {'cpu s':>8} {'findings before':>16}")
    clean = []
    for target in all_targets():
        mine = [e for e in entries if e["target"] == target]
        since = since_finding(mine)
        clean += since
        print(
            f"{target:20} {executions(since, build='sanitized'):15,}"
            f" {executions(since, build='fast'):15,} {sum(e['cpu_s'] for e in since):8.0f}"
            f" {sum(e['findings'] for e in mine):16}"
        )
    commits = {}
    for e in clean:
        commits[e["commit"]] = commits.get(e["commit"], 0) + e["executions"]
    for commit, count in commits.items():
        print(f"  of sources {commit}: {count:,}")
    print(summary(entries, clean))


def summary(entries, clean):
    return (
        f"{executions(entries):,} executions in all, {executions(clean):,} of them since the last"
        f" finding of their target, {sum(e['findings'] for e in entries)} findings before that"
    )


# ---- Running --------------------------------------------------------------------------------------


def environment():
    """malloc() keeps what is freed, as an input needs again what the one before it needed."""
    return dict(
        os.environ,
        MALLOC_TRIM_THRESHOLD_=str(256 << 20), MALLOC_TOP_PAD_=str(16 << 20),
        MALLOC_MMAP_THRESHOLD_=str(32 << 20),
        ASAN_OPTIONS="detect_stack_use_after_return=0:quarantine_size_mb=16:malloc_context_size=8",
        UBSAN_OPTIONS="halt_on_error=1:print_stacktrace=1",
    )


def number(pattern, text):
    found = re.findall(pattern, text)
    return int(found[-1]) if found else 0


def run_once(program, build, target, commit, seconds, runs):
    """One process; what it has done, noted in the ledger."""
    if build == "fast" and target in FORGETFUL:
        with tempfile.TemporaryDirectory() as found:
            return run_in(pathlib.Path(found), program, build, target, commit, seconds, runs)
    found = CACHE / target
    found.mkdir(parents=True, exist_ok=True)
    return run_in(found, program, build, target, commit, seconds, runs)


def run_in(found, program, build, target, commit, seconds, runs):
    inputs = [found] + ([CORPUS / target] if (CORPUS / target).is_dir() else [])
    command = [
        program, f"-max_total_time={seconds}", f"-runs={runs}",
        f"-max_len={LENGTHS.get(target, 256)}", f"-timeout={TIMEOUT_SECONDS}", "-rss_limit_mb=2048",
        "-print_final_stats=1", "-reload=0", f"-artifact_prefix={CACHE}/crash-{target}-", *inputs,
    ]  # fmt: skip
    if build == "fast":
        command += ["-entropic=0", "-detect_leaks=0", "-reduce_inputs=0"]
    with tempfile.TemporaryFile("w+", errors="replace") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=subprocess.STDOUT, env=environment(),
            preexec_fn=lambda: os.nice(19), start_new_session=True,
        )  # fmt: skip
        running.add(process)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        running.discard(process)
        log.seek(0)
        output = log.read()
    history = CACHE / f"crash-{target}-history-{process.pid}"  # fuzz_handlers.c
    interrupted = stopping.is_set() or "run interrupted" in output
    entry = {
        "target": target,
        "build": build,
        "commit": commit,
        "executions": number(r"number_of_executed_units:\s*(\d+)", output),
        "cpu_s": round(usage.ru_utime + usage.ru_stime, 1),
        "cov": number(r"\bcov: (\d+)", output),
        "findings": int(process.returncode != 0 and not interrupted),
        "at": int(time.time()),
    }
    ledger_add(entry)
    if not entry["findings"]:
        history.unlink(missing_ok=True)
    if entry["findings"]:
        sys.stderr.write(output[-6000:])
    return entry


def run_target(program, build, target, commit, seconds, total):
    """Slices until the time is up or the target has had its executions; the sum of them."""
    begin = time.monotonic()
    mine = since_finding([e for e in ledger_read() if e["target"] == target])
    before = executions(mine, build=build) if total else 0
    done = {"target": target, "executions": 0, "cpu_s": 0.0, "cov": 0, "findings": 0}
    while not stopping.is_set() and not done["findings"]:
        left_runs = total - before - done["executions"] if total else -1
        left_seconds = SLICE_SECONDS
        if total and left_runs <= 0:
            break
        if seconds:
            left_seconds = min(SLICE_SECONDS, int(seconds - (time.monotonic() - begin)))
            if left_seconds <= 0:
                break
        entry = run_once(program, build, target, commit, left_seconds, left_runs)
        for key in ("executions", "cpu_s", "findings"):
            done[key] += entry[key]
        done["cov"] = max(done["cov"], entry["cov"])
    print(
        f"{target:20} {done['executions']:14,} executions  "
        f"{done['executions'] / max(done['cpu_s'], 0.1):11,.0f} a cpu second  "
        f"cov {done['cov']:6}  findings {done['findings']}",
        flush=True,
    )
    return done


def stop(signum, frame):
    stopping.set()
    for process in list(running):
        process.send_signal(signal.SIGINT)


def parse_amount(text):
    found = re.fullmatch(r"(\d+)(x?)", text)
    if not found:
        fail(f"{text}: a number of seconds, or of executions as in 1000000x")
    amount = int(found[1])
    return (0, amount) if found[2] else (amount, 0)


def command_run(args):
    words = list(args.words)
    seconds, total = parse_amount(words.pop(0)) if words and words[0][0].isdigit() else (60, 0)
    targets = chosen_targets(words)
    CACHE.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    commit = commit_of_sources()
    with (
        tempfile.TemporaryDirectory() as directory,
        concurrent.futures.ThreadPoolExecutor(args.jobs) as pool,
    ):
        programs = {t: private_copy(args.build, t, directory) for t in targets}
        results = list(
            pool.map(
                lambda t: run_target(programs[t], args.build, t, commit, seconds, total), targets
            )
        )
    findings = sum(r["findings"] for r in results)
    print(f"this run ({args.build}): {sum(r['executions'] for r in results):,} executions,"
          f" {findings} findings")  # fmt: skip
    entries = ledger_read()
    clean = []
    for target in all_targets():
        clean += since_finding([e for e in entries if e["target"] == target])
    print(summary(entries, clean))
    return 1 if findings else 0


def command_ledger(args):
    print_ledger(ledger_read())
    return 0


# ---- Corpora --------------------------------------------------------------------------------------


def command_minimise(args):
    """Edges only, not how often: what is committed is to reach every line, and stay small."""
    for target in chosen_targets(args.words):
        with tempfile.TemporaryDirectory() as merged:
            inputs = [d for d in (CORPUS / target, CACHE / target) if d.is_dir()]
            subprocess.run(
                [executable("fast", target), "-merge=1", "-use_counters=0", "-verbosity=0",
                 "-timeout=10", merged, *inputs],
                env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                check=True, preexec_fn=lambda: os.nice(19),
            )  # fmt: skip
            kept = list(pathlib.Path(merged).iterdir())
            # What somebody named stays, as it once failed or shows a format.
            for old in (CORPUS / target).glob("*"):
                if re.fullmatch(r"[0-9a-f]{40}", old.name):
                    old.unlink()
            (CORPUS / target).mkdir(parents=True, exist_ok=True)
            for path in kept:
                shutil.copyfile(path, CORPUS / target / path.name)
            size = sum(p.stat().st_size for p in kept)
            print(f"{target:20} {len(kept):5} inputs {size:8} bytes", flush=True)
    return 0


# ---- Coverage -------------------------------------------------------------------------------------


def tool(name):
    for candidate in (name, name + "-14", name + "-18"):
        if shutil.which(candidate):
            return candidate
    return fail(f"{name} is not installed")


def profile(targets, directory):
    """Runs the committed inputs; one profile of them all."""
    raw = []
    for target in targets:
        out = directory / f"{target}.profraw"
        inputs = [CORPUS / target] if (CORPUS / target).is_dir() else []
        subprocess.run(
            [executable("coverage", target), "-runs=0", *inputs],
            env=dict(os.environ, LLVM_PROFILE_FILE=str(out)), check=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        raw.append(out)
    merged = directory / "all.profdata"
    subprocess.run([tool("llvm-profdata"), "merge", "-o", merged, *raw], check=True)
    return merged


def export_lines(targets, profdata):
    """File -> ({line: count}, [(first line, function)]), of all targets together."""
    files = {}
    for target in targets:
        lcov = subprocess.run(
            [tool("llvm-cov"), "export", "-format=lcov", f"-instr-profile={profdata}",
             executable("coverage", target)],
            capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        lines, functions = {}, {}
        for row in lcov.splitlines():
            kind, _, rest = row.partition(":")
            if kind == "SF":
                path = os.path.relpath(os.path.realpath(ROOT / BUILDS["coverage"] / rest), ROOT)
                lines, functions = files.setdefault(path, ({}, {}))
            elif kind == "FN":
                line, name = rest.split(",", 1)
                functions[int(line)] = name.rpartition(":")[2]
            elif kind == "DA":
                line, count = rest.split(",")[:2]
                lines[int(line)] = max(lines.get(int(line), 0), int(count))
    return files


def parser_lines(path, lines, functions):
    """The lines that belong to functions that count."""
    leave_out = re.compile(PARSERS[path])
    starts = sorted(functions)
    counted = {}
    for line, count in lines.items():
        before = [start for start in starts if start <= line]
        name = functions[before[-1]] if before else ""
        if not PARSERS[path] or not leave_out.fullmatch(name):
            counted[line] = count
    return counted


def ranges(numbers):
    """1 2 3 7 as "1-3 7"."""
    texts = []
    for n in sorted(numbers):
        if texts and texts[-1][1] == n - 1:
            texts[-1][1] = n
        else:
            texts.append([n, n])
    return " ".join(str(a) if a == b else f"{a}-{b}" for a, b in texts)


def command_coverage(args):
    targets = all_targets()
    with tempfile.TemporaryDirectory() as directory:
        profdata = profile(targets, pathlib.Path(directory))
        files = export_lines(targets, profdata)
    reached_all = lines_all = 0
    for path in PARSERS:
        if path not in files:
            fail(f"{path} is in no target")
        counted = parser_lines(path, *files[path])
        missing = [line for line, count in counted.items() if count == 0]
        reached = len(counted) - len(missing)
        reached_all += reached
        lines_all += len(counted)
        shown = f"   not: {ranges(missing)}" if args.missing and missing else ""
        print(f"{path:42} {reached:5} of {len(counted):5} {100 * reached / len(counted):6.1f}%{shown}")
    percent = 100 * reached_all / lines_all
    print(f"{'parsers in all':42} {reached_all:5} of {lines_all:5} {percent:6.1f}%")
    return 0 if percent >= args.least else 1


def main():
    parser = argparse.ArgumentParser(description="see the head of this file")
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run")
    run.add_argument("--build", choices=["sanitized", "fast"], default="sanitized")
    run.add_argument("--jobs", type=int, default=1)
    run.add_argument("words", nargs="*")
    run.set_defaults(function=command_run)
    commands.add_parser("ledger").set_defaults(function=command_ledger)
    minimise = commands.add_parser("minimise")
    minimise.add_argument("words", nargs="*")
    minimise.set_defaults(function=command_minimise)
    coverage = commands.add_parser("coverage")
    coverage.add_argument("--missing", action="store_true", help="the lines that are not reached")
    coverage.add_argument("--least", type=float, default=0, help="fail below so many percent")
    coverage.set_defaults(function=command_coverage)
    args = parser.parse_args()
    sys.exit(args.function(args))


if __name__ == "__main__":
    main()
