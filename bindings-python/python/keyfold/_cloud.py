"""What clouds can."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal


class Capabilities:
    """What a cloud can, and within which limits.

    Attributes:
        scheme: How the URIs of its keys begin, such as ``"tencent"``.
        title: The service's name, for people.
        operations: Every operation, such as ``"generate data key"`` or ``"sign a message"``, with
            ``"native"`` where the service has it, ``"composed"`` where keyfold makes it of what the
            service has, and ``"absent"`` where it is refused and nothing is sent.
        context: How the service binds the encryption context, beside the envelope, which binds it
            in any case: as ``"pairs"``, ``"text"``, ``"bytes"`` or ``"never"``.
        max_context: For text: from how many bytes on a digest of it is bound; otherwise None.
        max_plaintext: The longest small data, in bytes.
        max_secret: The longest value of a secret, in bytes; 0 where there is no safe.
        key_deletion_days: The bounds of the waiting period before a key is gone.
        alias_is_a_name: Whether a key can be asked for by its alias.
        calls_to_seal: Calls for one new envelope, without a cache of data keys.
        calls_to_open: Calls for opening one.

    """

    __slots__ = (
        "alias_is_a_name",
        "calls_to_open",
        "calls_to_seal",
        "context",
        "key_deletion_days",
        "max_context",
        "max_plaintext",
        "max_secret",
        "operations",
        "scheme",
        "title",
    )

    scheme: str
    title: str
    operations: dict[str, Literal["native", "composed", "absent"]]
    context: Literal["pairs", "text", "bytes", "never"]
    max_context: int | None
    max_plaintext: int
    max_secret: int
    key_deletion_days: tuple[int, int]
    alias_is_a_name: bool
    calls_to_seal: int
    calls_to_open: int

    def __init__(self, table: str) -> None:
        import json

        told = json.loads(table)
        self.scheme = told["scheme"]
        self.title = told["title"]
        self.operations = told["operations"]
        self.context = told["context"]["form"]
        self.max_context = told["context"]["max"]
        self.max_plaintext = told["max_plaintext"]
        self.max_secret = told["max_secret"]
        least, most = told["key_deletion_days"]
        self.key_deletion_days = (least, most)
        self.alias_is_a_name = told["alias_is_a_name"]
        self.calls_to_seal = told["calls"]["seal"]
        self.calls_to_open = told["calls"]["open"]

    def supports(self, operation: str) -> bool:
        """Whether an operation, by its name in ``operations``, is there.

        Raises:
            KeyError: There is no operation of this name.

        """
        return self.operations[operation] != "absent"

    def __repr__(self) -> str:
        return f"Capabilities({self.scheme!r})"
