"""Where a result comes from: versions, source digest, machine figures. Nothing here changes a result."""

from __future__ import annotations

import hashlib
import platform
import resource
import sys
from functools import cache
from importlib import metadata
from pathlib import Path

_SHOWN_ONLY = tuple(f"experiments/{room}/" for room in ("report", "cli", "scenarios", "sweeps", "claims", "hil"))
"""Rooms that read results or set runs up, but shape none."""
ROOT = Path(__file__).parent.parent
_PACKAGES = ("numpy", "numba", "scipy", "polars", "pyarrow", "mesa", "networkx", "power-grid-model", "highspy", "ray")


@cache
def versions() -> dict[str, str]:
    """Versions of this program and of the libraries that shape results; absent ones are left out."""
    found = {"flexpolder": _version("flexpolder"), **{p: _version(p) for p in _PACKAGES}}
    return {name: version for name, version in found.items() if version}


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


@cache
def source_digest() -> str:
    """Short hash of the program's own source: code and bundled data, without what only shows or sets up."""
    digest = hashlib.sha256()
    for folder in ("agents", "markets", "grid", "experiments"):
        for path in sorted((ROOT / folder).rglob("*")):
            relative = path.relative_to(ROOT).as_posix()
            is_shown_only = relative.startswith(_SHOWN_ONLY)
            if path.suffix in {".py", ".csv", ".toml", ".json"} and not is_shown_only:
                digest.update(relative.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def python_version() -> str:
    """Version of the interpreter."""
    return platform.python_version()


def peak_memory_mb() -> float:
    """Largest resident memory of this process so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak / 1e3
