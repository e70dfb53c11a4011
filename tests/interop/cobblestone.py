#!/usr/bin/env python3
"""Opens and seals bodies of suite 0x0001 with pyca/cryptography, an implementation not our own.

Reads one JSON object a line from stdin, answers one a line on stdout, in order:

    {"op": "open", "data_key": hex, "stable": hex, "body": hex}      -> {"plaintext": hex}
    {"op": "seal", "data_key": hex, "stable": hex, "plaintext": hex} -> {"body": hex}
    {"op": "version"}                                                -> {"version": "50.0.2"}

What cannot be done answers {"error": text}; the text of a refused body is "InvalidTag".
An optional "piece" (bytes, at least 1) feeds the input in pieces of that size.
Needs `cryptography` 50 or later (tests/requirements.txt). For tests: it takes keys on stdin.
"""

import json
import sys

import cryptography
from cryptography.cobblestone import Cobblestone256Decryptor, Cobblestone256Encryptor
from cryptography.exceptions import InvalidTag


def run(machine, data, piece):
    """Feeds a machine and collects what it gives."""
    out = b"".join(machine.update(data[at : at + piece]) for at in range(0, len(data), piece))
    return out + machine.finalize()


def answer(request):
    op = request["op"]
    if op == "version":
        return {"version": cryptography.__version__}
    # Clause 5.4.1: the context of Cobblestone-256 is the stable part of the header.
    key, context = (bytes.fromhex(request[name]) for name in ("data_key", "stable"))
    piece = int(request.get("piece", 1 << 20))
    if piece < 1:
        raise ValueError("piece is at least 1")
    if op == "open":
        body = bytes.fromhex(request["body"])
        return {"plaintext": run(Cobblestone256Decryptor(key, context), body, piece).hex()}
    if op == "seal":
        plaintext = bytes.fromhex(request["plaintext"])
        return {"body": run(Cobblestone256Encryptor(key, context), plaintext, piece).hex()}
    raise ValueError("unknown op")


def main():
    for line in sys.stdin:
        if not line.strip():
            continue
        try:
            reply = answer(json.loads(line))
        except InvalidTag:
            reply = {"error": "InvalidTag"}
        except (ValueError, KeyError, TypeError, AttributeError) as fault:
            reply = {"error": "%s: %s" % (type(fault).__name__, fault)}
        print(json.dumps(reply), flush=True)


if __name__ == "__main__":
    main()
