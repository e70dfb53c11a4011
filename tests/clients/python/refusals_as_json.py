"""Makes the world of `errors.py` and writes its refusals, for a client in another language.

Bytes become `{"base64": …}`.
"""

import base64
import json
import sys

from errors import cases
from support import client
from world import World


def plain(value):
    if isinstance(value, bytes):
        return {"base64": base64.b64encode(value).decode()}
    raise TypeError(type(value))


if __name__ == "__main__":
    world = World(client("kms"), client("secretsmanager"))
    with open(sys.argv[1], "w", encoding="utf-8") as file:
        json.dump(list(cases(world)), file, default=plain)
