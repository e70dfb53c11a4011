#!/usr/bin/env python3
"""Makes, or checks, the test vectors of docs/spec/envelope.md.

    generate.py           writes valid.json and hostile.json beside this file
    generate.py --check   opens the committed vectors and compares every outcome; writes nothing

Everything is deterministic: bytes come from labels, keys from signing_keys.json. RSA-PSS draws a
random salt, so those signatures are made once and kept in rsa_signatures.json.
"""

import argparse
import hashlib
import json
import re
import sys

import envelope as kf
import hostile
import valid
from messages import HERE, SigningKeys, stream

SPEC = HERE.parent.parent / "docs" / "spec"


# --- Checking -------------------------------------------------------------------------------


def policy_of(row):
    signers = None
    if row.get("any_signer"):
        signers = kf.ANY
    elif "signers" in row:
        signers = [bytes.fromhex(spki) for spki in row["signers"]]
    return kf.Policy(
        context=row.get("expected_context", row["context"]),
        signers=signers,
        require_signature=row.get("require_signature", False),
        suites=row.get("accepted_suites", tuple(kf.SUITES)),
    )


def outcome(opener, row):
    """The plaintext, or the error code."""
    header, body, trailer = (bytes.fromhex(row.get(k, "")) for k in ("header", "body", "trailer"))
    detached = header if row.get("detached") else None
    data = body + trailer if row.get("detached") else header + body + trailer
    try:
        opened = opener(data, bytes.fromhex(row["data_key"]), policy_of(row), detached)
        return b"".join(opened) if not isinstance(opened, bytes) else opened
    except kf.Refused as refused:
        return refused.code


def plaintext_of(row):
    if "plaintext" in row:
        return bytes.fromhex(row["plaintext"])
    plaintext = stream(bytes.fromhex(row["plaintext_seed"]), row["plaintext_len"])
    assert hashlib.sha256(plaintext).hexdigest() == row["plaintext_sha256"], row["name"]
    return plaintext


def check_outcome(row):
    """Whole value and stream must both give what the vector says."""
    expected = row["expect"] if "expect" in row else plaintext_of(row)
    for opener in (kf.open_whole, kf.open_stream):
        got = outcome(opener, row)
        if got != expected:
            shown = got if isinstance(got, str) else "plaintext"
            yield "%s: %s gives %s" % (row["name"], opener.__name__, shown)


def check_valid(row):
    """What section 9 and 6.4 add: length, ranges, and that parse then write is the identity."""
    header_bytes, body = bytes.fromhex(row["header"]), bytes.fromhex(row["body"])
    header = kf.parse_header(header_bytes)
    data_key, plaintext = bytes.fromhex(row["data_key"]), plaintext_of(row)
    written = header.stable + kf.encode_recipients(header.recipients)
    same = (
        written == header_bytes
        and header.context == row["context"]
        and header.suite == row["suite"]
        and kf.seal_body(header.suite, data_key, body[: kf.SALT], header.stable, plaintext) == body
        and kf.verify_length(header, data_key, body) == len(plaintext)
    )
    size = len(plaintext)
    for start, end in ((0, size), (size // 3, size // 2), (16383, 16385), (size - 1, size)):
        start, end = max(0, min(start, size)), min(end, size)
        same &= kf.read_range(header, data_key, body, start, end) == plaintext[start:end]
    if not same:
        yield row["name"] + ": length, range, or rewriting differs"


def check_cobblestone(row):
    """Suite 1 is Cobblestone-256 (5.4.1): pyca/cryptography must read it, and we what it writes."""
    try:
        from cryptography.cobblestone import Cobblestone256Decryptor, Cobblestone256Encryptor
    except ImportError:
        return
    header = kf.parse_header(bytes.fromhex(row["header"]))
    data_key, plaintext = bytes.fromhex(row["data_key"]), plaintext_of(row)
    opener = Cobblestone256Decryptor(data_key, header.stable)
    if opener.update(bytes.fromhex(row["body"])) + opener.finalize() != plaintext:
        yield row["name"] + ": Cobblestone-256 gives another plaintext"
    sealer = Cobblestone256Encryptor(data_key, header.stable)
    body = sealer.update(plaintext) + sealer.finalize()
    if kf.verify_length(header, data_key, body) != len(plaintext):
        yield row["name"] + ": the body of Cobblestone-256 has another length"
    if kf.read_range(header, data_key, body, 0, len(plaintext)) != plaintext:
        yield row["name"] + ": the body of Cobblestone-256 opens differently"


def check_schema(files):
    try:
        import jsonschema
    except ImportError:
        print("skipped: the schema (install jsonschema to check it)")
        return
    schema = json.loads((HERE / "schema.json").read_text())
    for name, rows in files.items():
        shape = dict(schema, **{"$ref": "#/$defs/" + name})
        validator = jsonschema.Draft202012Validator(shape)
        for error in validator.iter_errors(rows):
            yield "%s.json %s: %s" % (name, list(error.path)[:2], error.message[:120])


def check(built):
    files = {name: json.loads((HERE / (name + ".json")).read_text()) for name in built}
    rows = files["valid"] + files["hostile"]
    faults = list(check_schema(files))
    for row in rows:
        faults += check_outcome(row)
    for row in files["valid"]:
        faults += check_valid(row)
        if row["suite"] == 1:
            faults += check_cobblestone(row)
    names = [row["name"] for row in rows]
    faults += ["name used twice: " + n for n in sorted(set(names)) if names.count(n) > 1]
    clauses = set(re.findall(r"^\*\*(\d+(?:\.\d+)+)", (SPEC / "envelope.md").read_text(), re.M))
    faults += ["%s: no clause %s" % (r["name"], r["clause"])
               for r in files["hostile"] if r["clause"] not in clauses]
    codes = set(re.findall(r"^\| `(\w+)` \|", (SPEC / "errors.md").read_text(), re.M))
    faults += ["%s: no code %s" % (r["name"], r["expect"])
               for r in files["hostile"] if r["expect"] not in codes]
    if files != built:
        faults.append("the committed files are not what this generator makes")
    for fault in faults:
        print("FAULT", fault)
    count = tuple(len(files[name]) for name in ("valid", "hostile"))
    print("%d valid and %d hostile vectors, %d faults" % (count + (len(faults),)))
    return 1 if faults else 0


def write(built):
    for name, rows in built.items():
        lines = ",\n".join(json.dumps(row, ensure_ascii=True) for row in rows)
        (HERE / (name + ".json")).write_text("[\n" + lines + "\n]\n")
        print("%s.json: %d vectors" % (name, len(rows)))


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--check", action="store_true", help="check the committed vectors")
    only_check = arguments.parse_args().check
    keys = SigningKeys(may_sign=not only_check)
    built = {"valid": valid.vectors(keys), "hostile": hostile.vectors(keys)}
    if only_check:
        return check(json.loads(json.dumps(built)))
    write(built)
    keys.save()
    return check(json.loads(json.dumps(built)))


if __name__ == "__main__":
    sys.exit(main())
