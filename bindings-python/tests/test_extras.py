"""The modules for other libraries: their types, their guide, and that nobody pays for them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs" / "python-extras.md"
LIBRARIES = ("django", "fsspec", "pandas", "pyarrow", "sqlalchemy")

CONFIG = """
[mypy]
strict = true
[mypy-fsspec.*,pandas.*,pyarrow.*]
ignore_missing_imports = true
# The objects of the example are not in a package, and Django's plugin is not asked.
[mypy-extras]
disable_error_code = misc, var-annotated
"""


def run(*command, cwd):
    done = subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, cwd=cwd, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def snippets(tmp_path):
    for library in LIBRARIES:
        pytest.importorskip(library, reason="requirements-extras.txt is not installed")
    found = re.findall(r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    assert len(found) == 6
    (tmp_path / "extras.py").write_text("\n".join(found), encoding="utf-8")
    return tmp_path


def test_the_snippets_run(snippets):
    run("extras.py", cwd=snippets)
    assert (snippets / "people.parquet").read_bytes()[:4] == b"PARE"


def test_the_snippets_have_their_types(snippets):
    (snippets / "mypy.ini").write_text(CONFIG)
    run("-m", "mypy", "extras.py", cwd=snippets)


def test_the_modules_have_their_types(snippets):
    (snippets / "mypy.ini").write_text(CONFIG)
    for module in ("django", "fsspec", "parquet", "sqlalchemy"):
        run("-m", "mypy", "-m", f"keyfold.{module}", cwd=snippets)


def test_nothing_is_imported_that_is_not_used(tmp_path):
    code = f"import sys, keyfold; print([name for name in {LIBRARIES!r} if name in sys.modules])"
    assert run("-c", code, cwd=tmp_path).strip() == "[]"
