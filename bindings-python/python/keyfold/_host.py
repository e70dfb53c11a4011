"""What the modules for other libraries share: the client and the pairs that they are given."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from importlib import import_module
from typing import Any, Union

from ._client import Client
from .exceptions import InvalidArgument

#: A client; a function that gets one, called when it is first needed; or where one of both is
#: found, as ``"package.module:name"``, which can be written in a configuration file.
AnyClient = Union[Client, Callable[[], Client], str]


def find_client(client: Any) -> Client:
    """The client that is meant.

    Raises:
        InvalidArgument: It is none.

    """
    if isinstance(client, str):
        module, colon, name = client.partition(":")
        if not colon:
            raise InvalidArgument('a client is found as "package.module:name"')
        client = getattr(import_module(module), name)
    if not isinstance(client, Client) and callable(client):
        client = client()
    if not isinstance(client, Client):
        raise InvalidArgument("a keyfold.Client is needed, or a function that gets one")
    return client


def check_extra(
    context: Mapping[str, str] | None, own: Collection[str]
) -> tuple[tuple[str, str], ...]:
    """Further pairs for the context, in an order of their own.

    Args:
        context: The pairs.
        own: The names of the pairs that the module makes itself.

    Raises:
        InvalidArgument: One of them has such a name.

    """
    extra = tuple(sorted((context or {}).items()))
    for name, _ in extra:
        if name in own:
            raise InvalidArgument(f"the context's pair {name!r} is made here")
    return extra
