"""The command line, its folder and its server, for tests of what they share with Python."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import threading

import keyfold
import pytest

COMMAND = os.environ.get("KEYFOLD_COMMAND")

needs_command = pytest.mark.skipif(
    not COMMAND, reason="KEYFOLD_COMMAND does not name the command keyfold"
)


class Home:
    """A folder of the command line's, and the variables that count beside it."""

    def __init__(self, folder, variables=()):
        self.folder = folder
        self.environment = {**os.environ, **dict(variables), "KEYFOLD_HOME": str(folder)}

    def configure(self, places):
        """Says where clouds are."""
        self.folder.mkdir(exist_ok=True)
        lines = []
        for name, place in places.items():
            lines += [f'[places."{name}"]', *(f'{key} = "{word}"' for key, word in place.items())]
        (self.folder / "config.toml").write_text("\n".join(lines))

    def run(self, *words):
        done = subprocess.run(
            [COMMAND, *words, "--json"],
            env=self.environment,
            capture_output=True,
            check=True,
            stdin=subprocess.DEVNULL,
        )
        return json.loads(done.stdout)

    def access_key(self, *options):
        made = self.run("access-key", "create", *options)
        return keyfold.AccessKey(made["access_key_id"], made["secret_access_key"])

    @contextlib.contextmanager
    def serve(self, *options):
        """A server over it; answers its URL, and ends it well."""
        process = subprocess.Popen(
            [COMMAND, "serve", "--listen", "127.0.0.1:0", *options],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        try:
            line = process.stdout.readline()
            assert line.startswith("listening on http://127.0.0.1:"), line
            threading.Thread(target=process.stdout.read, daemon=True).start()
            yield line.strip().removeprefix("listening on ").replace("http://", "keyfold+http://")
        finally:
            process.terminate()
            ended = process.wait(60)
        assert ended == 0
