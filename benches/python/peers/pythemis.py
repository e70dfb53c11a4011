"""pythemis: secure cells under one key. It has no streams: a cell is in memory whole."""

from __future__ import annotations

import warnings
from functools import partial
from os import urandom

from . import Messages, Missing

IMPORT = "from pythemis import scell"

try:
    with warnings.catch_warnings():
        # It warns before it fails; and a library in the system's own folder is welcome.
        warnings.simplefilter("ignore")
        from pythemis.scell import SCellSeal
except (OSError, RuntimeError) as error:
    raise Missing(
        "pythemis needs the C library libthemis 0.15, which is not here: it comes from "
        "https://docs.cossacklabs.com/themis/installation/ and from no package index"
    ) from error


def messages(size: int) -> Messages:
    cell = SCellSeal(key=urandom(32))
    plain = urandom(size)
    sealed = cell.encrypt(plain)
    return Messages(partial(cell.encrypt, plain), partial(cell.decrypt, sealed))
