"""Whole messages in memory, under a data key that is cached where the library can do that."""

from __future__ import annotations

from harness import Effort, Subject, in_turns
from peers import NAMES, Messages, Missing, peer
from report import Floor, Row, human

_CIPHER = "cryptography"


def measure(effort: Effort, rows: list[Row], floors: list[Floor], notes: list[str]) -> None:
    for size in (1 << 10, 1 << 16, 1 << 20):
        print(f"messages of {human(size)}", flush=True)
        known: dict[str, Messages] = {}
        for name in NAMES:
            try:
                known[name] = peer(name).messages(size)
            except Missing as missing:
                if str(missing) not in notes:
                    notes.append(str(missing))
        for case, suffix in (("bytes", ""), ("into", "_into")):
            for direction in ("encrypt", "decrypt"):
                rows.extend(_in_turns(known, effort, size, case, direction, suffix))
    floors.extend(_floors(rows))


def _in_turns(
    known: dict[str, Messages], effort: Effort, size: int, case: str, direction: str, suffix: str
) -> list[Row]:
    calls = {name: getattr(messages, direction + suffix) for name, messages in known.items()}
    subjects = [
        Subject(name, call, _CIPHER if name == "keyfold" else "keyfold")
        for name, call in calls.items()
        if call is not None
    ]
    seconds = dict(zip((s.name for s in subjects), in_turns(subjects, effort)))
    rows = []
    for subject in subjects:
        own, to = seconds[subject.name], subject.compare
        ratio = seconds[to] / own if to is not None else None
        common = (case, subject.name, size, 1, direction)
        rows.append(Row(*common, "calls", 1 / own, "/s", ratio, to))
        if size > 1 << 10:
            rows.append(Row(*common, "throughput", size / own / 1e9, "GB/s", ratio, to))
    return rows


def _floors(rows: list[Row]) -> list[Floor]:
    found = {(r.case, r.subject, r.size, r.direction, r.metric): r.value for r in rows}
    floors = []
    for direction in ("encrypt", "decrypt"):

        def value(case: str, subject: str, size: int, metric: str, to: str = direction) -> float:
            return found[case, subject, size, to, metric]

        floors += [
            Floor(f"1 KiB {direction}", value("bytes", "keyfold", 1 << 10, "calls"), 2e5, "/s"),
            Floor(
                f"64 KiB {direction}, to tink",
                value("bytes", "keyfold", 1 << 16, "calls")
                / value("bytes", "tink", 1 << 16, "calls"),
                1.0,
                "",
            ),
            Floor(
                f"1 MiB {direction}, to bytes",
                value("bytes", "keyfold", 1 << 20, "throughput"),
                6.0,
                "GB/s",
            ),
            Floor(
                f"1 MiB {direction} into a buffer, to {_CIPHER}",
                value("into", "keyfold", 1 << 20, "calls")
                / value("into", _CIPHER, 1 << 20, "calls"),
                0.85,
                "",
            ),
        ]
    return floors
