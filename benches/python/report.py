"""What the suite found out, in the rows of ``benches/src/report.rs``, and its floors."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Row:
    """One figure."""

    #: What was done, such as ``bytes``.
    case: str
    #: Who did it, such as ``tink``.
    subject: str
    #: Bytes of plaintext; 0 where there is none.
    size: int
    threads: int
    direction: str
    #: ``throughput``, ``calls``, ``peak memory``, ``time`` or ``size``.
    metric: str
    #: A median, or the most of all runs where it is memory.
    value: float
    unit: str
    #: How many times as fast as ``ratio_to`` in the same run.
    ratio: float | None = None
    ratio_to: str | None = None


@dataclass(frozen=True)
class Floor:
    """What keyfold has to reach."""

    what: str
    value: float
    limit: float
    unit: str
    at_least: bool = True

    def met(self) -> bool:
        return self.value >= self.limit if self.at_least else self.value <= self.limit


def publish(
    rows: Sequence[Row], floors: Sequence[Floor], notes: Sequence[str], folder: Path
) -> None:
    """Print the table and write ``python.json`` to a folder."""
    print(
        f"\n{'case':<8} {'direction':<9} {'size':>8} {'subject':<22} {'metric':<12} "
        f"{'median':>10} {'':<8} {'ratio':>6}  to"
    )
    for row in rows:
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
        print(
            f"{row.case:<8} {row.direction:<9} {human(row.size):>8} {row.subject:<22} "
            f"{row.metric:<12} {figure(row.value):>10} {row.unit:<8} {ratio:>6}  "
            f"{row.ratio_to or ''}".rstrip()
        )
    print()
    for floor in floors:
        word = "met   " if floor.met() else "MISSED"
        relation = "at least" if floor.at_least else "at most"
        limit = f"{relation} {figure(floor.limit)} {floor.unit}".rstrip()
        print(f"{word}  {floor.what}: {figure(floor.value)} {floor.unit}".rstrip() + f", {limit}")
    for note in notes:
        print(f"note: {note}")

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "python.json"
    found = {
        "rows": [asdict(row) for row in rows],
        "floors": [{**asdict(floor), "met": floor.met()} for floor in floors],
        "notes": list(notes),
    }
    path.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    print(f"\nwritten: {path}")


def human(size: int) -> str:
    """Return ``64 MiB`` for 67108864."""
    for shift, unit in ((30, "GiB"), (20, "MiB"), (10, "KiB")):
        if size and size % (1 << shift) == 0:
            return f"{size >> shift} {unit}"
    return f"{size} B" if size else ""


def figure(value: float) -> str:
    """Return a number with three digits that count, and thousands set apart."""
    places = 2 if value < 10 else 1 if value < 100 else 0
    return f"{value:,.{places}f}"
