"""All benchmarks one after the other, each in a process of its own so that none warms or burdens another.

``python -m benchmarks`` runs all; ``python -m benchmarks day_ahead redispatch`` runs some. The figures of each appear
when it is done; at the end stand its wall and processor time and peak memory, and the machine.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).parent
PACKAGES = ("numpy", "numba", "highspy", "power-grid-model", "mesa")


def names() -> list[str]:
    """Benchmarks there are."""
    return sorted(path.stem.removeprefix("bench_") for path in HERE.glob("bench_*.py"))


def run(name: str) -> tuple[int, float, float, float]:
    """Run one benchmark; gives its exit code, wall and processor time in seconds, and peak memory in MB."""
    begin = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", f"benchmarks.bench_{name}"], cwd=HERE.parent)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - begin
    return process.returncode, seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def main(wanted: list[str]) -> int:
    """Run the wanted benchmarks, or all; gives 1 if one failed and 2 for an unknown name."""
    known = names()
    unknown = [name for name in wanted if name not in known]
    if unknown:
        print(f"no benchmark {', '.join(unknown)}; there are {', '.join(known)}", file=sys.stderr)
        return 2
    ends = []
    for name in wanted or known:
        print(f"== {name}", flush=True)
        ends.append((name, *run(name)))
    print("\nbenchmark         exit    wall s     cpu s   peak MB")
    for name, code, wall, cpu, memory in ends:
        print(f"{name:16s} {code:5d} {wall:9.1f} {cpu:9.1f} {memory:9.0f}")
    versions = ", ".join(f"{package} {version(package)}" for package in PACKAGES)
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {versions}")
    return 1 if any(code for _, code, _, _, _ in ends) else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
