"""From file to file: whole processes, beside the command line."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from peers import NAMES
from report import Floor, Row, human

#: Who works in memory that does not grow with the file.
STREAMS = ("keyfold", "cryptography", "tink", "aws-encryption-sdk", "pyrage")

_COMMAND = "keyfold (command line)"

#: Runs a command and prints its seconds and its peak memory in bytes. A process of its own,
#: because Linux counts to a process's peak what its parent had in memory when it was started:
#: this one is small.
_MEASURE = """
import os, sys, time
begun = time.perf_counter()
child = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
_, status, usage = os.wait4(child, 0)
seconds = time.perf_counter() - begun
unit = 1 if sys.platform == "darwin" else 1024
print(f'{{"seconds": {seconds}, "peak": {usage.ru_maxrss * unit}}}')
sys.exit(os.waitstatus_to_exitcode(status) if hasattr(os, "waitstatus_to_exitcode") else status)
"""

#: What a program in Python does with a file.
_WORK = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from importlib import import_module
peer = import_module("peers." + sys.argv[2])
call = getattr(peer, sys.argv[3] + "_file")
call(*map(Path, sys.argv[4:7]))
"""


@dataclass(frozen=True)
class _Cost:
    seconds: float
    peak: int


def measure(command: Path, quick: bool, rows: list[Row], floors: list[Floor]) -> None:
    size, rounds = (64 << 20, 1) if quick else (1 << 30, 7)
    with tempfile.TemporaryDirectory(prefix="keyfold-bench-", dir=_place(size)) as name:
        folder = Path(name)
        print(f"making {human(size)} in {folder}", flush=True)
        plain = folder / "plain"
        _make_file(plain, size)
        _make_secrets(command, folder)
        for direction in ("encrypt", "decrypt"):
            for subject in (_COMMAND, *STREAMS):
                if direction == "decrypt":
                    sealed = folder / f"{subject}.sealed"
                    _run(_line(command, "encrypt", subject, plain, sealed, folder), folder)
            costs = _in_turns(command, direction, size, rounds, folder)
            rows.extend(_rows(costs, direction, size))
    floors.extend(_floors(rows, size))


def _in_turns(
    command: Path, direction: str, size: int, rounds: int, folder: Path
) -> dict[str, list[_Cost]]:
    out = folder / "out"
    costs: dict[str, list[_Cost]] = {subject: [] for subject in (_COMMAND, *STREAMS)}
    for _ in range(rounds):
        for subject, into in costs.items():
            source = folder / ("plain" if direction == "encrypt" else f"{subject}.sealed")
            out.unlink(missing_ok=True)
            into.append(_run(_line(command, direction, subject, source, out, folder), folder))
            if direction == "decrypt" and out.stat().st_size != size:
                raise RuntimeError(f"{subject} has not given the file back")
    out.unlink()
    return costs


def _line(
    command: Path, direction: str, subject: str, source: Path, target: Path, folder: Path
) -> list[str]:
    if subject == _COMMAND:
        words = [str(command), direction, "--threads", "1"]
        if direction == "encrypt":
            words += ["--key", "alias/bench"]
        return [*words, str(source), "-o", str(target)]
    here = str(Path(__file__).parent)
    work = [here, NAMES[subject], direction, str(source), str(target), str(folder)]
    return [sys.executable, "-c", _WORK, *work]


def _run(line: list[str], folder: Path) -> _Cost:
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", _MEASURE, *line],
        env={**os.environ, "KEYFOLD_HOME": str(folder / "store")},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        check=True,
    )
    # The last line: what the command itself has to say comes before.
    return _Cost(**json.loads(done.stdout.splitlines()[-1]))


def _rows(costs: dict[str, list[_Cost]], direction: str, size: int) -> list[Row]:
    seconds = {
        subject: statistics.median(cost.seconds for cost in costs)
        for subject, costs in costs.items()
    }
    rows = []
    for subject, own in seconds.items():
        to: str | None = None
        if subject != _COMMAND:
            to = _COMMAND if subject == "keyfold" else "keyfold"
        ratio = None if to is None else seconds[to] / own
        rows.append(
            Row("file", subject, size, 1, direction, "throughput", size / own / 1e9, "GB/s",
                ratio, to)
        )  # fmt: skip
    for subject, runs in costs.items():
        # The most of all runs: a limit holds for each.
        peak = max(cost.peak for cost in runs) / (1 << 20)
        rows.append(Row("file", subject, size, 1, direction, "peak memory", peak, "MiB"))
    return rows


def _floors(rows: list[Row], size: int) -> list[Floor]:
    floors = []
    for row in rows:
        if row.case != "file" or row.subject != "keyfold":
            continue
        what = f"{human(size)} {row.direction}, file to file"
        if row.metric == "throughput":
            floors.append(Floor(f"{what}, to the command line", row.ratio or 0.0, 0.9, ""))
        else:
            floors.append(Floor(f"{what}, peak memory", row.value, 40.0, "MiB", at_least=False))
    return floors


def _make_secrets(command: Path, folder: Path) -> None:
    environment = {**os.environ, "KEYFOLD_HOME": str(folder / "store")}
    for words in (["init"], ["key", "create", "--alias", "alias/bench"]):
        subprocess.run([str(command), *words], env=environment, capture_output=True, check=True)
    from peers import peer

    for subject in STREAMS:
        peer(subject).make_secrets(folder)


def _place(size: int) -> str:
    """Return a file system in memory with enough room: a disk would be what is measured."""
    needed = size * (len(STREAMS) + 4)
    memory = Path("/dev/shm")
    if memory.is_dir() and min(shutil.disk_usage(memory).free, _free_memory()) > needed:
        return str(memory)
    print(f"no {human(needed)} in /dev/shm here: these figures contain the disk's speed")
    return tempfile.gettempdir()


def _free_memory() -> int:
    for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0


def _make_file(path: Path, size: int) -> None:
    piece = bytes(range(256)) * 4096
    with path.open("wb") as file:
        for _ in range(size >> 20):
            file.write(piece)
