"""Measuring in turns, as ``benches/src/harness.rs`` does."""

from __future__ import annotations

import gc
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import repeat
from time import perf_counter


@dataclass(frozen=True)
class Subject:
    """Something that is measured: a name and one call of it."""

    name: str
    call: Callable[[], object]
    #: The subject of the same case that this one's speed is divided by.
    compare: str | None = None


@dataclass(frozen=True)
class Effort:
    """How long to measure."""

    #: Samples of each subject.
    rounds: int
    #: Seconds that a sample lasts at least; one call may take longer.
    sample: float

    @classmethod
    def of(cls, quick: bool) -> Effort:
        return cls(3, 0.01) if quick else cls(21, 0.05)


def in_turns(subjects: Sequence[Subject], effort: Effort) -> list[float]:
    """Return the median seconds of one call of each subject.

    A round takes a sample of every subject, so that whatever slows the machine for a while slows
    all of them.
    """
    calls = [_calibrate(subject, effort) for subject in subjects]
    samples: list[list[float]] = [[] for _ in subjects]
    for _ in range(effort.rounds):
        for subject, count, into in zip(subjects, calls, samples):
            into.append(_sample(subject, count) / count)
    return [statistics.median(seconds) for seconds in samples]


def _calibrate(subject: Subject, effort: Effort) -> int:
    # Doubling also warms caches and branch predictors up.
    calls = 1
    while _sample(subject, calls) < effort.sample and calls < 1 << 24:
        calls *= 2
    return calls


def _sample(subject: Subject, calls: int) -> float:
    call = subject.call
    # What another subject left behind is not this one's to collect.
    gc.collect()
    gc.disable()
    try:
        begun = perf_counter()
        for _ in repeat(None, calls):
            call()
        return perf_counter() - begun
    finally:
        gc.enable()
