"""Every snippet of the READMEs: executed one after the other, and checked for its types."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1]
# The package's own, and the project's.
READMES = [PACKAGE / "README.md", PACKAGE.parent / "README.md"]


@pytest.fixture(params=READMES, ids=["package", "project"])
def snippets(request, tmp_path):
    found = re.findall(r"```python\n(.*?)```", request.param.read_text(encoding="utf-8"), re.DOTALL)
    assert found
    (tmp_path / "readme.py").write_text("\n".join(found), encoding="utf-8")
    return tmp_path


def run(*command, cwd):
    done = subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, cwd=cwd, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_snippets_run(snippets):
    run("readme.py", cwd=snippets)
    assert list(snippets.glob("*.kf"))


def test_the_snippets_have_their_types(snippets):
    run("-m", "mypy", "--strict", "readme.py", cwd=snippets)
    run("-m", "pyright", "--pythonpath", sys.executable, "readme.py", cwd=snippets)
