"""The password safe."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from builtins import list as _List
    from collections.abc import Iterator
    from typing import Any, Protocol

    from . import _client
    from ._keyfold import Secret
    from ._types import Text

    class _Asks(Protocol):
        def _pages(self, operation: str, /, **members: object) -> Iterator[Any]: ...

        def _perform(self, operation: str, /, **members: object) -> Any: ...


class SecretInfo:
    """A secret in the safe, without its value.

    Attributes:
        name: Its name.
        description: What people should know about it.
        deletion: When it will end, in seconds since 1970 UTC, where that is scheduled.

    """

    __slots__ = ("deletion", "description", "name")

    name: str
    description: str
    deletion: float | None

    def __init__(self, entry: dict[str, Any]) -> None:
        self.name = entry["Name"]
        self.description = entry.get("Description") or ""
        self.deletion = entry.get("DeletedDate")

    def __repr__(self) -> str:
        return f"SecretInfo({self.name!r})"


class SecretVersion:
    """A version of a secret.

    Attributes:
        id: Its id.
        stages: Its stages, such as ``"AWSCURRENT"``.
        created: When it was stored, in seconds since 1970 UTC, where the service tells.

    """

    __slots__ = ("created", "id", "stages")

    id: str
    stages: tuple[str, ...]
    created: float | None

    def __init__(self, entry: dict[str, Any]) -> None:
        self.id = entry["VersionId"]
        self.stages = tuple(entry.get("VersionStages") or ())
        self.created = entry.get("CreatedDate")

    def __repr__(self) -> str:
        return f"SecretVersion({self.id!r}, stages={self.stages!r})"


class Secrets:
    """The secrets that the KMS of a client keeps, by names of 1 to 512 characters.

    ::

        client.secrets.put("db/password", "correct horse")
        with client.secrets.get("db/password") as password:
            connect(password.expose_text())
    """

    __slots__ = ("_client",)

    def __init__(self, client: _client.Client) -> None:
        self._client = client

    def put(self, name: str, value: Text, *, key: str | None = None) -> str:
        """Store a value of 1 to 65536 bytes, as a new version where the secret exists.

        Args:
            name: The secret.
            value: Text goes as UTF-8.
            key: The KMS key that protects a new secret; the safe's own where absent.

        Returns:
            The version's id.

        """
        return self._client._put_secret(name, value, key)

    def get(self, name: str) -> Secret:
        """Read the current value.

        Raises:
            SecretNotFound: There is no such secret, or it waits for its deletion.

        """
        return self._client._get_secret(name, None, None)

    def get_version(
        self, name: str, version: str | None = None, *, stage: str | None = None
    ) -> Secret:
        """Read one version, named by its id, by its stage, or both.

        Raises:
            SecretNotFound: There is no such secret, version or stage.

        """
        return self._client._get_secret(name, version, stage)

    def list(self, *, all: bool = False) -> _List[SecretInfo]:
        """The secrets, by name; with ``all`` also those that wait for their deletion."""
        pages = self._kms._pages("ListSecrets", IncludePlannedDeletion=all)
        found = [SecretInfo(entry) for page in pages for entry in page["SecretList"]]
        return sorted(found, key=lambda secret: secret.name)

    def versions(self, name: str, *, all: bool = False) -> _List[SecretVersion]:
        """The versions of a secret; with ``all`` also those that no stage names any more."""
        pages = self._kms._pages("ListSecretVersionIds", SecretId=name, IncludeDeprecated=all)
        return [SecretVersion(entry) for page in pages for entry in page["Versions"]]

    def delete(self, name: str, *, days: int | None = None, now: bool = False) -> float | None:
        """End a secret after a recovery window; answer when, in seconds since 1970 UTC.

        Some clouds do not tell when: None.

        Args:
            name: The secret.
            days: The window, 7 to 30; 30 where absent. Clouds have other bounds.
            now: End it at once and for good.

        """
        answer = self._kms._perform(
            "DeleteSecret",
            SecretId=name,
            RecoveryWindowInDays=days,
            ForceDeleteWithoutRecovery=True if now else None,
        )
        at = answer.get("DeletionDate")
        return None if at is None else float(at)

    def restore(self, name: str) -> None:
        """Call off the deletion of a secret."""
        self._kms._perform("RestoreSecret", SecretId=name)

    @property
    def _kms(self) -> _Asks:
        kms: Any = self._client.kms
        if not hasattr(kms, "_perform"):
            from .exceptions import InvalidArgument

            raise InvalidArgument(
                "secrets are managed at a keyfold.EmbeddedKms or a keyfold.RemoteKms itself"
            )
        return kms  # type: ignore[no-any-return]
