"""keyfold's Python package beside its peers from PyPI: ``cargo xtask bench python``.

Everything that is compared is measured in turns in one run, as in the suites in Rust.
"""

from __future__ import annotations

import argparse
import os
import platform
from pathlib import Path

import files
import loads
import messages
from harness import Effort
from report import Floor, Row, publish


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench python")
    parser.add_argument("--keyfold", type=Path, required=True, help="the command line, release")
    parser.add_argument("--wheel", type=Path, required=True, help="keyfold's wheel")
    parser.add_argument("--wheels", type=Path, required=True, help="the folder of the peers'")
    parser.add_argument("--out", type=Path, required=True, help="where python.json goes")
    parser.add_argument("--quick", action="store_true", help="measure for a moment only")
    args = parser.parse_args()

    print(f"Python {platform.python_version()}, {os.cpu_count()} processors, {os.uname().machine}")
    rows: list[Row] = []
    floors: list[Floor] = []
    notes: list[str] = []
    messages.measure(Effort.of(args.quick), rows, floors, notes)
    files.measure(args.keyfold, args.quick, rows, floors)
    loads.measure(args.wheel, args.wheels, args.quick, rows, floors)
    if args.quick:
        notes.append("measured for a moment only: no figures to quote")
    publish(rows, floors, notes, args.out)


if __name__ == "__main__":
    main()
