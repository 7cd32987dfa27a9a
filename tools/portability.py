"""The tests as other processors would run them: python tools/portability.py [--only MEMBER] [--
PYTEST ARGUMENTS].

Each member limits what the libraries and the compiled kernels may use of this processor, runs as
another user, or has other versions (tools/versions.py). Its counts are kept in
``_build/portability/<member>.json``, so an interrupted matrix goes on with the members that are
missing; ``--again`` forgets them. ``--record`` puts those that are there into the package, where
the book's page on robustness finds them, each with the tests that it ran and the code that it ran
on; what was recorded of the other members on the same machine stays.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path

import versions

ROOT = Path(__file__).resolve().parents[1]
RESOURCE = ROOT / "avmc_core" / "resources" / "portability.json"
AVX2 = {
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
}
SSE4 = {
    "ATEN_CPU_CAPABILITY": "default",
    "ONEDNN_MAX_CPU_ISA": "SSE41",
    "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
}
PLAIN = {"AVMC_COMPILE": "0"}
MEMBERS: dict[str, dict[str, str]] = {
    "native": {},
    "native-plain": PLAIN,
    "avx2": AVX2 | {"AVMC_CFLAGS": "-O3 -march=x86-64-v3"},
    "avx2-plain": AVX2 | PLAIN,
    "sse4": SSE4 | {"AVMC_CFLAGS": "-O3 -march=x86-64-v2"},
    "sse4-plain": SSE4 | PLAIN,
    "baseline-kernels": {"AVMC_CFLAGS": "-O3 -march=x86-64"},
    "one-core": {},
    "long-tmpdir": {},
    "not-root": {},
    **{name: {} for name in versions.MEMBERS},
}
NOBODY = 65534
AS_NOBODY = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
WORDS = {
    "native": "nothing",
    "native-plain": "no compiled code of ours",
    "avx2": "AVX2 and nothing newer",
    "avx2-plain": "AVX2, and no compiled code of ours",
    "sse4": "SSE4 and nothing newer",
    "sse4-plain": "SSE4, and no compiled code of ours",
    "baseline-kernels": "our compiled code built for any x86-64 processor",
    "one-core": "one core",
    "long-tmpdir": "a temporary folder whose path has 150 characters",
    "not-root": "a user who is not root and may write into one folder only",
    "python-3.12": "Python 3.12",
    "python-3.13": "Python 3.13",
    "oldest-libraries": "the oldest libraries that are admitted",
    "newest-libraries": "the newest libraries that are admitted",
}
COUNT = re.compile(r"(\d+) (passed|failed|skipped|error)")


def command(member: str, words: list[str], folder: Path) -> list[str]:
    """pytest with its arguments; on the first core alone, as another user, or in another
    environment, for the members of those names."""
    before = {"one-core": ["taskset", "-c", "0"], "not-root": AS_NOBODY}.get(member, [])
    other = member in versions.MEMBERS
    python = str(versions.python_of(member, folder)) if other else sys.executable
    return [*before, python, "-m", "pytest", "-p", "no:cacheprovider", *words]


def run(member: str, words: list[str], folder: Path) -> dict[str, object]:
    """Counts of one member: exit status, seconds, what pytest counted, names of what failed."""
    from avmc_core.runs.surroundings import commit

    environment = os.environ | MEMBERS[member]
    if member == "long-tmpdir":
        place = folder / ("x" * max(1, 149 - len(str(folder))))  # 150 characters in all
        place.mkdir(parents=True, exist_ok=True)
        environment["TMPDIR"] = str(place)
    if member == "not-root":  # who may write nowhere but there
        place = tempfile.mkdtemp()
        os.chown(place, NOBODY, NOBODY)
        environment |= dict.fromkeys(("TMPDIR", "HOME", "AVMC_HOME"), place)
    words_of_member = command(member, words, folder)
    start = time.monotonic()
    done = subprocess.run(
        words_of_member,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    (folder / f"{member}.log").write_text(done.stdout, encoding="utf-8")
    counts = {
        name: int(number) for number, name in COUNT.findall(done.stdout.strip().rpartition("\n")[2])
    }
    failed = re.findall(r"^(?:FAILED|ERROR) (\S+)", done.stdout, re.MULTILINE)
    seconds = round(time.monotonic() - start)
    return {
        "status": done.returncode,
        "seconds": seconds,
        "arguments": words,
        "commit": commit(),
        "failed_tests": failed,
        **counts,
    }


def possible(member: str) -> bool:
    """Whether this machine can run a member: the limits are those of x86-64."""
    if member in versions.MEMBERS:
        return versions.available(member)
    if member == "one-core":
        return shutil.which("taskset") is not None
    if member == "not-root":  # root, with a Python that others may execute
        # twice: the first may be found by who the process was before
        again = "import subprocess, sys; subprocess.run([sys.executable, '-c', ''], check=True)"
        python = [*AS_NOBODY, sys.executable, "-c", again]
        return (
            os.geteuid() == 0
            and shutil.which("setpriv") is not None
            and subprocess.run(python, capture_output=True).returncode == 0
        )
    anywhere = ("native", "native-plain", "long-tmpdir")
    return member in anywhere or platform.machine() in ("x86_64", "AMD64")


def record(folder: Path) -> None:
    """Puts the counts of all members that were run into the package, beside what it has of the
    others."""
    from avmc_core.speed.bench import processor

    provenance = {
        "data": "made-up files, no result about CH-SIMS",
        "command": "python tools/portability.py",
        "machine": f"{processor()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        "torch": metadata.version("torch"),
        "numpy": metadata.version("numpy"),
    }
    before = json.loads(RESOURCE.read_text(encoding="utf-8"))
    # what another machine counted must not stand under the name of this one
    alike = before["provenance"] == provenance
    recorded = {row["limit"]: row for row in before["data"]["members"] if alike}
    rows, missing = [], []
    for member, limit in WORDS.items():
        path = folder / f"{member}.json"
        if not path.exists():
            if limit in recorded:
                rows.append(recorded[limit])
            else:
                missing.append(limit)
            continue
        kept = json.loads(path.read_text(encoding="utf-8"))
        counts = {name: kept.get(name, 0) for name in ("passed", "failed", "skipped", "seconds")}
        tests = ", ".join(Path(word).stem.removeprefix("test_") for word in kept["arguments"])
        date = time.strftime("%Y-%m-%d", time.gmtime(path.stat().st_mtime))
        row = {"limit": limit, "tests": tests or "all", **counts}
        rows.append(row | {"date": date, "code": kept["commit"]})
    data = {
        "members": rows,
        "run": len(rows),
        "failed": sum(row["failed"] for row in rows),
        "missing": "; ".join(missing) or "none",
    }
    RESOURCE.write_text(
        json.dumps({"provenance": provenance, "data": data}, indent=1) + "\n", encoding="utf-8"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--only", action="append", choices=MEMBERS, help="A member; may be given several times."
    )
    parser.add_argument("--again", action="store_true", help="Forget the counts of earlier calls.")
    parser.add_argument("--record", action="store_true", help="Record counts that are there.")
    parser.add_argument(
        "tests", nargs="*", help="Arguments for pytest; without any, the whole suite."
    )
    options = parser.parse_args()
    folder = ROOT / "_build" / "portability"
    folder.mkdir(parents=True, exist_ok=True)
    if options.record:
        record(folder)
        return 0
    worst = 0
    print(f"{'member':<18}{'passed':>8}{'failed':>8}{'skipped':>8}{'seconds':>9}")
    for member in options.only or MEMBERS:
        if not possible(member):
            print(f"{member:<18}not possible on this machine")
            continue
        path = folder / f"{member}.json"
        kept = (
            json.loads(path.read_text(encoding="utf-8"))
            if path.exists() and not options.again
            else None
        )
        if kept is None or kept["arguments"] != options.tests or kept["status"] != 0:
            kept = run(member, options.tests, folder)
            path.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
        counts = [kept.get(name, 0) for name in ("passed", "failed", "skipped", "seconds")]
        print(
            f"{member:<18}{counts[0]:>8}{counts[1]:>8}{counts[2]:>8}{counts[3]:>9}",
            *kept["failed_tests"],
            flush=True,
        )
        worst = max(worst, kept["status"])
    return worst


if __name__ == "__main__":
    sys.exit(main())
