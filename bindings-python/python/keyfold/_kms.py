"""The KMS of this process and those elsewhere, with the management of their keys."""

from __future__ import annotations

from . import _keyfold
from ._uri import KeyUri

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterator, Mapping
    from typing import Any, Callable, Union

    from typing_extensions import Buffer

    from . import kms
    from ._cloud import Capabilities
    from ._types import AnyAsyncKms, Path, Text

    _Token = Union[str, _keyfold.Secret]
    _Credentials = Union[_keyfold.AccessKey, str, _keyfold.Secret, None]


class KeyInfo:
    """The properties of a KMS key. What a cloud does not tell is empty.

    Attributes:
        key: The full name, as every envelope has it.
        key_id: Its id alone.
        alias: The name that people gave it, where a cloud tells it with the key.
        spec: What kind of key, such as ``"SYMMETRIC_DEFAULT"`` or ``"ECC_NIST_P256"``; a kind that
            keyfold has no name for in the cloud's own word.
        usage: ``"ENCRYPT_DECRYPT"`` or ``"SIGN_VERIFY"``.
        state: ``"Enabled"``, ``"Disabled"``, ``"PendingDeletion"``, …
        description: What people should know about it.
        created: When it was made, in seconds since 1970 UTC.
        deletion: When it will end, likewise, where that is scheduled.
        signing_algorithms: What it signs with; empty for a key that encrypts.

    """

    __slots__ = (
        "alias",
        "created",
        "deletion",
        "description",
        "key",
        "key_id",
        "signing_algorithms",
        "spec",
        "state",
        "usage",
    )

    key: KeyUri
    key_id: str
    alias: str | None
    spec: str
    usage: str
    state: str
    description: str
    created: float | None
    deletion: float | None
    signing_algorithms: tuple[str, ...]

    def __init__(self, scheme: str, metadata: Mapping[str, Any]) -> None:
        self.key = KeyUri(f"{scheme}:{metadata['Arn']}")
        self.key_id = metadata["KeyId"]
        self.alias = metadata.get("AliasName")
        self.spec = metadata.get("KeySpec", "")
        self.usage = metadata.get("KeyUsage", "")
        self.state = metadata.get("KeyState", "")
        self.description = metadata.get("Description", "")
        self.created = metadata.get("CreationDate")
        self.deletion = metadata.get("DeletionDate")
        self.signing_algorithms = tuple(metadata.get("SigningAlgorithms") or ())

    @property
    def enabled(self) -> bool:
        """Whether it can be used."""
        return self.state == "Enabled"

    def __repr__(self) -> str:
        return f"KeyInfo({self.key!r}, spec={self.spec!r}, state={self.state!r})"


def _when(answer: Mapping[str, Any]) -> float | None:
    """When something ends, where the service tells."""
    at = answer.get("DeletionDate")
    return None if at is None else float(at)


def _tags(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"TagKey": name, "TagValue": value} for name, value in tags.items()]


class KeyAdmin:
    """The life of KMS keys, at any KMS.

    A key is named by its key URI. Every method may raise the ``kms_*`` errors of
    :mod:`keyfold.exceptions`, and at clouds :class:`~keyfold.exceptions.UnsupportedOperation` for
    what they do not have, before anything is sent; they wait for the KMS, so in asyncio call them
    in a thread.
    """

    __slots__ = ()

    _scheme = "keyfold"
    #: Whether it is a cloud: keys are made with their alias there, and asked for by it.
    _cloud = False

    if TYPE_CHECKING:

        def _ask(self, operation: str, body: Buffer) -> bytes: ...

    def _perform(self, operation: str, /, **members: object) -> Any:
        import json

        body = {name: value for name, value in members.items() if value is not None}
        answer = self._ask(operation, json.dumps(body).encode())
        # An operation without an answer answers nothing.
        return json.loads(answer) if answer else {}

    def _pages(self, operation: str, /, **members: object) -> Iterator[Any]:
        while True:
            page = self._perform(operation, **members)
            yield page
            for token in ("NextMarker", "NextToken"):
                if page.get(token):
                    members["Marker" if token == "NextMarker" else token] = page[token]
                    break
            else:
                return

    def _name(self, key: str) -> str:
        """The key's name at this KMS."""
        scheme, _, name = KeyUri(key).partition(":")
        if scheme != self._scheme:
            from .exceptions import InvalidArgument

            raise InvalidArgument("the key is of another KMS than the one that is asked")
        return name

    def _id(self, key: str) -> str:
        """The key as management takes it, which is not by its alias."""
        if KeyUri(key).is_alias and not self._cloud:
            return self.describe_key(key).key.name
        return self._name(key)

    def create_key(
        self,
        alias: str | None = None,
        *,
        spec: str = "SYMMETRIC_DEFAULT",
        usage: str | None = None,
        description: str | None = None,
        tags: Mapping[str, str] | None = None,
        policy: str | None = None,
    ) -> KeyUri:
        """Make a KMS key, and a name for it; answer its full name.

        Args:
            alias: ``alias/`` and letters, digits, ``/``, ``_``, ``-``; at a cloud what it takes
                (its page in docs/providers.md), which is needed at some.
            spec: ``SYMMETRIC_DEFAULT``; ``RSA_2048`` to ``RSA_4096``, ``ECC_NIST_P256`` to
                ``P521``, ``ECC_SECG_P256K1``, ``ECC_NIST_EDWARDS25519``.
            usage: ``ENCRYPT_DECRYPT`` or ``SIGN_VERIFY``; needed for RSA only.
            description: What people should know about it.
            tags: Names and values.
            policy: The key policy, in JSON.

        Raises:
            VersionConflict: The alias names another key already; no key is made.
            InvalidArgument: A name, spec or usage of another form.

        """
        from .exceptions import InvalidArgument, KmsKeyUnavailable, VersionConflict

        if alias is not None and not self._cloud:
            if not alias.startswith("alias/"):
                raise InvalidArgument("an alias has the form alias/NAME")
            # Before the key is made: one without the alias that was asked for helps nobody.
            try:
                self.describe_key(f"{self._scheme}:{alias}")
            except KmsKeyUnavailable:
                pass
            else:
                raise VersionConflict(f"{alias} names another key already")
        if usage is None and spec.startswith("ECC_"):
            usage = "SIGN_VERIFY"
        made = self._perform(
            "CreateKey",
            KeySpec=spec,
            KeyUsage=usage,
            Description=description,
            Tags=_tags(tags or {}),
            Policy=policy,
            AliasName=alias if self._cloud else None,
        )["KeyMetadata"]
        if alias is not None and not self._cloud:
            self._perform("CreateAlias", AliasName=alias, TargetKeyId=made["KeyId"])
        return KeyInfo(self._scheme, made).key

    def describe_key(self, key: str) -> KeyInfo:
        """The properties of a key, by any of its names."""
        answer = self._perform("DescribeKey", KeyId=self._name(key))
        return KeyInfo(self._scheme, answer["KeyMetadata"])

    def list_keys(self) -> list[KeyUri]:
        """The full names of all keys."""
        return [
            KeyUri(f"{self._scheme}:{entry['KeyArn']}")
            for page in self._pages("ListKeys", Limit=1000)
            for entry in page["Keys"]
        ]

    def enable_key(self, key: str) -> None:
        """Make a disabled key usable again."""
        self._perform("EnableKey", KeyId=self._id(key))

    def disable_key(self, key: str) -> None:
        """Make a key unusable until it is enabled again."""
        self._perform("DisableKey", KeyId=self._id(key))

    def rotate_key(self, key: str) -> None:
        """Give a symmetric key a new version; what older versions encrypted still opens."""
        self._perform("RotateKeyOnDemand", KeyId=self._id(key))

    def set_rotation(self, key: str, *, days: int | None) -> None:
        """Have a symmetric key rotate by itself every so many days, or with None no more.

        keyfold's own KMS and AWS take 90 to 2560 days.
        """
        if days is None:
            self._perform("DisableKeyRotation", KeyId=self._id(key))
        else:
            self._perform("EnableKeyRotation", KeyId=self._id(key), RotationPeriodInDays=days)

    def set_description(self, key: str, description: str) -> None:
        """Replace what people should know about a key."""
        self._perform("UpdateKeyDescription", KeyId=self._id(key), Description=description)

    def schedule_key_deletion(self, key: str, *, days: int = 30) -> float | None:
        """End a key after a waiting period of 7 to 30 days; answer when, in seconds since 1970.

        When it is gone, everything encrypted under it is lost for good. Other clouds have other
        bounds (``capabilities().key_deletion_days``), and some do not tell when: None.
        """
        answer = self._perform("ScheduleKeyDeletion", KeyId=self._id(key), PendingWindowInDays=days)
        return _when(answer)

    def cancel_key_deletion(self, key: str) -> None:
        """Keep a key whose deletion is scheduled; it is disabled afterwards."""
        self._perform("CancelKeyDeletion", KeyId=self._id(key))

    def create_alias(self, alias: str, key: str) -> None:
        """Give a key another name, ``alias/NAME``."""
        self._perform("CreateAlias", AliasName=alias, TargetKeyId=self._id(key))

    def update_alias(self, alias: str, key: str) -> None:
        """Move a name to another key of the same kind."""
        self._perform("UpdateAlias", AliasName=alias, TargetKeyId=self._id(key))

    def delete_alias(self, alias: str) -> None:
        """Take a name away; its key stays."""
        self._perform("DeleteAlias", AliasName=alias)

    def list_aliases(self, key: str | None = None) -> dict[str, str]:
        """The names of one key, or all of them, each with the id of its key.

        Some clouds are asked about every key, one after the other.
        """
        key_id = None if key is None else self._id(key)
        return {
            entry["AliasName"]: entry["TargetKeyId"]
            for page in self._pages("ListAliases", KeyId=key_id, Limit=100)
            for entry in page["Aliases"]
            if entry.get("TargetKeyId")
        }

    def tag_key(self, key: str, tags: Mapping[str, str]) -> None:
        """Set tags of a key."""
        self._perform("TagResource", KeyId=self._id(key), Tags=_tags(tags))

    def untag_key(self, key: str, names: list[str]) -> None:
        """Remove tags of a key."""
        self._perform("UntagResource", KeyId=self._id(key), TagKeys=names)

    def list_tags(self, key: str) -> dict[str, str]:
        """The tags of a key."""
        return {
            tag["TagKey"]: tag["TagValue"]
            for page in self._pages("ListResourceTags", KeyId=self._id(key))
            for tag in page["Tags"]
        }

    def get_key_policy(self, key: str) -> str:
        """The policy of a key, in JSON."""
        return str(self._perform("GetKeyPolicy", KeyId=self._id(key))["Policy"])

    def put_key_policy(self, key: str, policy: str) -> None:
        """Replace the policy of a key."""
        self._perform("PutKeyPolicy", KeyId=self._id(key), Policy=policy)


class EmbeddedKms(KeyAdmin, _keyfold.EmbeddedKms):
    """A KMS in this process: no server, no account, no network.

    It lives in a folder, with a database and the file of its root key, as the command ``keyfold``
    makes them; both may use it at the same time, and so may several processes::

        kms = keyfold.EmbeddedKms("keys", create=True)
        docs = kms.create_key("alias/docs")

    Args:
        path: The folder; ``KEYFOLD_HOME`` or ``~/.keyfold`` where absent.
        passphrase: What opens the root key: text, bytes, a :class:`~keyfold.Secret`, or a
            function that gets one.
        root_key: The file of the root key; ``KEYFOLD_ROOT_FILE`` or ``root.key`` in the folder
            where absent. Keep a copy of it elsewhere: without it the database opens nothing.
        create: Make the KMS where there is none.

    Raises:
        KmsUnavailable: There is no KMS in the folder.
        KmsDenied: Nothing that was given opens the root key.

    A process that was forked opens its database anew. It is pickled by its folder; one with a
    passphrase only where that is a function.

    """

    __slots__ = ()

    def __new__(
        cls,
        path: Path | None = None,
        *,
        passphrase: Text | Callable[[], Text] | None = None,
        root_key: Path | None = None,
        create: bool = False,
    ) -> EmbeddedKms:
        """Open a KMS, or make one."""
        return super().__new__(cls, path, passphrase, root_key, create)

    @classmethod
    def in_memory(cls) -> EmbeddedKms:
        """A KMS that ends with the process, for tests and trials. It does not cross a fork."""
        return super().__new__(cls, None, None, None, False, True)

    def __reduce__(self) -> tuple[Any, ...]:
        path, passphrase, root_key = self._config()
        return (_embedded, (path, passphrase, root_key))


def _embedded(path: Path, passphrase: Callable[[], Text] | None, root_key: Path) -> EmbeddedKms:
    return EmbeddedKms(path, passphrase=passphrase, root_key=root_key)


class RemoteKms(KeyAdmin, _keyfold.RemoteKms):
    """A KMS at the other end of a network: keyfold's own server, AWS, or any other cloud.

    Args:
        url: ``keyfold://HOST[:PORT]`` over TLS, ``keyfold+http://127.0.0.1:PORT`` on this machine
            only, ``aws://REGION``, or ``SCHEME://PLACE`` of another cloud, such as
            ``tencent://ap-guangzhou`` or ``azure://VAULT``; docs/providers.md lists them.
        token: A bearer token, or a function that gets one for each request.
        credentials: An :class:`~keyfold.AccessKey`, or a function that gets one or a token; at
            clouds also the vendor's own variables with their values, in place of those of the
            process: ``{"AZURE_TENANT_ID": …, "AZURE_CLIENT_ID": …, "AZURE_CLIENT_SECRET": …}``.
            Without either: ``KEYFOLD_TOKEN``, ``KEYFOLD_TOKEN_FILE``, ``KEYFOLD_ACCESS_KEY_ID``;
            for AWS whatever the AWS tools find; for clouds the vendor's own variables, then its
            file, then, at Google and Azure, the machine (docs/providers.md).
        timeout: For one call with all its repetitions, in seconds.
        retries: How often a call that failed for a while is repeated.
        transport: A network of your own: see :mod:`keyfold.kms`.
        region: The region that requests are signed for, where it is not that of the URL.
        profile: The profile of the AWS tools whose credentials count.
        ca: Certificate authorities in PEM that are trusted beside those of the platform.
        client_certificate: A certificate with its private key in PEM.
        proxy: ``http://HOST:PORT``; ``""`` for none; the environment decides where absent.
        places: Where clouds are that are no region of the vendor's own, by ``SCHEME://PLACE``:
            ``{"tencent://office": {"region": "ap-guangzhou", "keys": "https://kms.example.com"}}``
            with ``region``, ``keys`` (the KMS's address), ``secrets`` (the safe's), and the
            settings of docs/providers.md. Only this says where requests go, never an envelope.
        credentials_file: At clouds: the file with the credentials, instead of the vendor's own.
            It passes over the variables.
        credentials_profile: At clouds: the profile, or section, in that file. Likewise.
        seal: At keyfold's own server: lets the clouds behind it seal data keys to a key pair of
            this process, so that the server does not see them. Where a cloud cannot, its keys
            make and open none.

    Raises:
        KmsDenied: There are no credentials where they were looked for.
        InvalidArgument: Something is of another form, half of a pair, or does not count here.

    Nothing is sent until it is used. One thread of its own does the network, unless there is a
    ``transport``. A process that was forked connects anew. It is pickled by these arguments,
    unless they hold a secret themselves.

    """

    __slots__ = ("_cloud", "_scheme")

    _scheme: str
    _cloud: bool

    def __new__(
        cls,
        url: str,
        *,
        token: _Token | Callable[[], _Token | Awaitable[_Token]] | None = None,
        credentials: _keyfold.AccessKey
        | Mapping[str, Text]
        | Callable[[], _Credentials | Awaitable[_Credentials]]
        | None = None,
        timeout: float = 60.0,
        retries: int = 3,
        transport: kms.Transport | kms.AsyncTransport | None = None,
        region: str | None = None,
        profile: str | None = None,
        ca: bytes | None = None,
        client_certificate: Text | None = None,
        proxy: str | None = None,
        places: Mapping[str, Mapping[str, str]] | None = None,
        credentials_file: Path | None = None,
        credentials_profile: str | None = None,
        seal: bool = False,
    ) -> RemoteKms:
        """Make ready to reach a KMS."""
        self = super().__new__(
            cls,
            url,
            token=token,
            credentials=credentials,
            timeout=timeout,
            retries=retries,
            transport=transport,
            region=region,
            profile=profile,
            ca=ca,
            client_certificate=client_certificate,
            proxy=proxy,
            places={name: dict(place) for name, place in (places or {}).items()},
            credentials_file=credentials_file,
            credentials_profile=credentials_profile,
            seal=seal,
        )
        scheme = url.partition("://")[0]
        self._cloud = self._capabilities() is not None
        self._scheme = "keyfold" if scheme == "keyfold+http" else scheme
        return self

    def capabilities(self) -> Capabilities | None:
        """What the cloud can, and within which limits, without asking it.

        None at keyfold's own server and at AWS, which can whatever there is a method for.
        """
        from ._cloud import Capabilities

        table = self._capabilities()
        return None if table is None else Capabilities(table)

    def __reduce__(self) -> tuple[Any, ...]:
        return (_remote, (self._config(),))


def _remote(arguments: dict[str, Any]) -> RemoteKms:
    return RemoteKms(**arguments)


class RouterKms(_keyfold.RouterKms):
    """Several KMSs behind one: a client may then use keys of all of them, also in one envelope.

    ::

        kms = keyfold.RouterKms({
            "tencent://ap-guangzhou/": keyfold.RemoteKms("tencent://ap-guangzhou"),
            "huawei://cn-north-4/": keyfold.RemoteKms("huawei://cn-north-4"),
        })
        client = keyfold.Client(kms, keys=[
            "tencent://ap-guangzhou/23e80852-1e38-11e9-b129-5cb9019b4b01",
            "huawei://cn-north-4/0d0466b0-e727-4d9c-b35d-f84bb474a37f",
        ])

    An envelope under such keys is wrapped by all of their KMSs at once, and opened by any one of
    them while the others are down. Only what is named here is ever asked: a key in an envelope
    chooses among these, and brings in no other.

    Args:
        routes: KMSs by how the URIs of their keys begin; of several that fit the longest counts.
        otherwise: The KMS of all other keys, and of secrets. Without it both are refused.

    It is pickled by its KMSs. Keys are managed at each KMS itself.

    """

    __slots__ = ()

    def __new__(
        cls, routes: Mapping[str, AnyAsyncKms], *, otherwise: AnyAsyncKms | None = None
    ) -> RouterKms:
        """Put several KMSs behind one."""
        return super().__new__(cls, routes, otherwise=otherwise)

    def __reduce__(self) -> tuple[Any, ...]:
        return (_router, self._config())


def _router(routes: dict[str, AnyAsyncKms], otherwise: AnyAsyncKms | None) -> RouterKms:
    return RouterKms(routes, otherwise=otherwise)
