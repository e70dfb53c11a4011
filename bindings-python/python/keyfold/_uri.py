"""Names of KMS keys."""

from __future__ import annotations

from . import _keyfold


class KeyUri(str):
    """The name of a KMS key: ``scheme:name``, in printable ASCII, at most 2048 bytes.

    A ``str`` that is checked when it is made, and knows its parts::

        key = keyfold.KeyUri("keyfold:alias/docs")
        assert (key.scheme, key.name, key.is_alias) == ("keyfold", "alias/docs", True)

    Raises :class:`keyfold.exceptions.InvalidArgument` or
    :class:`~keyfold.exceptions.LimitExceeded` for a name of another form. Wherever a key is
    named, a plain ``str`` of this form is as good.
    """

    __slots__ = ()

    def __new__(cls, uri: str) -> KeyUri:
        """Check a name."""
        _keyfold.parse_key_uri(uri)
        return super().__new__(cls, uri)

    @property
    def scheme(self) -> str:
        """The KMS, such as ``"keyfold"`` or ``"aws"``."""
        return self.partition(":")[0]

    @property
    def name(self) -> str:
        """The key's name in its KMS: an ARN, an id, or an alias."""
        return self.partition(":")[2]

    @property
    def is_alias(self) -> bool:
        """Whether it is a name that may be moved to another key."""
        return _keyfold.parse_key_uri(self)[1]

    def __repr__(self) -> str:
        return f"KeyUri({str(self)!r})"
