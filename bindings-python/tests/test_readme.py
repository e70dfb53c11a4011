"""Every snippet of the README: executed one after the other, and checked for its types."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

README = Path(__file__).resolve().parents[1] / "README.md"
SNIPPETS = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


def run(*command, cwd):
    done = subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, cwd=cwd, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_snippets_run(tmp_path):
    assert len(SNIPPETS) >= 9
    (tmp_path / "readme.py").write_text("\n".join(SNIPPETS), encoding="utf-8")
    run("readme.py", cwd=tmp_path)
    assert (tmp_path / "log.kf").exists()


def test_the_snippets_have_their_types(tmp_path):
    (tmp_path / "readme.py").write_text("\n".join(SNIPPETS), encoding="utf-8")
    run("-m", "mypy", "--strict", "readme.py", cwd=tmp_path)
    run("-m", "pyright", "--pythonpath", sys.executable, "readme.py", cwd=tmp_path)
