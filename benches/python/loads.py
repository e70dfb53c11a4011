"""What it costs to have a package: its import, its wheel, and what it brings with it."""

from __future__ import annotations

import re
import statistics
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from peers import NAMES, Missing, peer
from report import Floor, Row

#: Seconds of an import in a fresh interpreter.
_IMPORT = """
from time import perf_counter
begun = perf_counter()
{}
print(perf_counter() - begun)
"""


def measure(wheel: Path, wheels: Path, quick: bool, rows: list[Row], floors: list[Floor]) -> None:
    print("imports", flush=True)
    statements: dict[str, str] = {}
    for name in NAMES:
        try:
            statements[name] = peer(name).IMPORT
        except Missing:
            continue
    samples: dict[str, list[float]] = {name: [] for name in statements}
    # The first of them compiles what is not compiled yet, and does not count.
    for turn in range(4 if quick else 22):
        for name, statement in statements.items():
            seconds = _import(statement)
            if turn:
                samples[name].append(seconds)
    for name, found in samples.items():
        milliseconds = statistics.median(found) * 1e3
        rows.append(Row("import", name, 0, 1, "", "time", milliseconds, "ms"))
        if name == "keyfold":
            floors.append(Floor("import", milliseconds, 8.0, "ms", at_least=False))

    for name in NAMES:
        path = wheel if name == "keyfold" else _wheel_of(name, wheels)
        megabytes = path.stat().st_size / 1e6
        needs = _needs(name)
        rows.append(Row("wheel", name, 0, 1, "", "size", megabytes, "MB"))
        rows.append(Row("wheel", name, 0, 1, "", "dependencies", len(needs), ""))
        if name == "keyfold":
            floors.append(Floor("wheel", megabytes, 4.0, "MB", at_least=False))
            floors.append(Floor("Python dependencies", len(needs), 0, "", at_least=False))


def _import(statement: str) -> float:
    done = subprocess.run(
        [sys.executable, "-I", "-c", _IMPORT.format(statement)],
        stdout=subprocess.PIPE,
        check=True,
    )
    return float(done.stdout)


def _wheel_of(name: str, wheels: Path) -> Path:
    version = metadata.version(name)
    stem = f"{re.sub('[-_.]+', '_', name)}-{version}-"
    found = [path for path in wheels.glob("*.whl") if path.name.startswith(stem)]
    if len(found) != 1:
        raise RuntimeError(f"{len(found)} wheels of {name} {version} in {wheels}")
    return found[0]


def _needs(name: str) -> set[str]:
    """Return all the distributions that come with one, without its extras."""
    found: set[str] = set()
    open_names = [name]
    while open_names:
        for line in metadata.requires(open_names.pop()) or []:
            match = re.match(r"[A-Za-z0-9._-]+", line)
            need = re.sub("[-_.]+", "-", match[0]).lower() if match else ""
            # Where a marker leaves a requirement out, it is not installed.
            if not need or need in found or "extra ==" in line or not _installed(need):
                continue
            found.add(need)
            open_names.append(need)
    return found


def _installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True
