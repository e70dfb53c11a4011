"""Runs the suites of boto3; at the end, whether every operation and every error was seen."""

import sys
import unittest

import errors
from operations import OFFERED
from support import COMMON_ERRORS, RECORD

SUITES = ("test_wire", "test_kms", "test_secrets", "test_errors", "test_states")


def expected():
    """What must have been answered at least once: every operation well, and every error."""
    for service, names in OFFERED.items():
        for name in names:
            yield service, name, "ok"
    for service, operation, error, _ in errors.cases(_Anything()):
        yield service, operation, error


class _Anything:
    """Stands for the world where only names are asked."""

    message = {"SigningAlgorithm": "", "Message": b""}
    signature = blob = b"\0"
    grant = {"GrantId": ""}

    def __getattr__(self, _):
        return ""


def main():
    loader = unittest.defaultTestLoader
    suite = unittest.TestSuite(loader.loadTestsFromName(name) for name in SUITES)
    result = unittest.TextTestRunner(verbosity=1, stream=sys.stdout).run(suite)
    wanted = set(expected())
    missing = sorted(wanted - RECORD.answers.keys())
    for entry in missing:
        print("not exercised:", *entry)
    kinds = {entry for entry in RECORD.answers if entry[2] != "ok"}
    print(
        f"boto3: {len(wanted)} pairs of operation and answer wanted, {len(missing)} missing; "
        f"{sum(len(names) for names in OFFERED.values())} operations, {len(kinds)} pairs of "
        f"operation and error seen, {len({e for _, _, e in kinds} - COMMON_ERRORS)} classes of "
        f"error; {RECORD.sent} requests sent"
    )
    sys.exit(0 if result.wasSuccessful() and not missing else 1)


if __name__ == "__main__":
    main()
