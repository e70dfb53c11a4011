"""Parquet files whose columns are encrypted under KMS keys, each under its own.

Install it with ``pip install keyfold[parquet]``. It is the key management of Parquet's modular
encryption in pyarrow: the files are standard ones, which anybody opens who unwraps their keys as
this module does::

    crypt = keyfold.parquet.ParquetEncryption(client, {"footer": docs, "pii": pii})

    pq.write_table(table, "people.parquet", encryption_properties=crypt.encryption_properties(
        footer_key="footer", column_keys={"pii": ["name", "birthday"]}
    ))
    pq.read_table("people.parquet", decryption_properties=crypt.decryption_properties())

Files hold the short names (``footer``, ``pii``) and the wrapped keys, never a key URI to be
followed: a name in a file means what the reader's ``keys`` say. Each key of a file is wrapped as an
envelope, whose context says what it is for and by which name, so it opens nothing else.

Who may not use a column's KMS key reads the other columns, where pyarrow asks for their keys only:
26 does, up to 24 it asks for the keys of all. After a rotation of a KMS key its older
files open as before. To replace one by another, let the new one wrap and the old one unwrap::

    {"pii": keyfold.Keyring(new, also_unwrap=[old])}

pyarrow keeps unwrapped keys in memory for ``cache_lifetime`` (10 minutes), beside the cache of the
client: access that was withdrawn ends when both have ended.
"""

from __future__ import annotations

import base64
import binascii
import datetime
from typing import TYPE_CHECKING, Any

from pyarrow.parquet.encryption import (
    CryptoFactory,
    DecryptionConfiguration,
    EncryptionConfiguration,
    KmsClient,
    KmsConnectionConfig,
)

from ._host import check_extra, find_client
from .exceptions import InvalidArgument, MalformedEnvelope, NoUsableKey

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ._host import AnyClient
    from ._types import Keys

__all__ = ["KeyfoldKmsClient", "ParquetEncryption"]

#: The pairs that are made here, and the value of the first.
_USE, _KEY = "use", "parquet-key"
_PARQUET = "parquet-modular-encryption"


class KeyfoldKmsClient(KmsClient):  # type: ignore[misc]
    """pyarrow's ``KmsClient`` on keyfold; :class:`ParquetEncryption` makes them.

    Args:
        client: A :class:`keyfold.Client`, a function that gets one, or where one of both is found,
            as ``"package.module:name"``.
        keys: The KMS keys behind the names that files have for their keys.
        context: Further pairs for the encryption context.

    """

    def __init__(
        self,
        client: AnyClient,
        keys: Mapping[str, Keys],
        *,
        context: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__()
        self._client, self._keys = find_client(client), dict(keys)
        self._extra = dict(check_extra(context, own=(_USE, _KEY)))

    def _context(self, name: str) -> dict[str, str]:
        return {**self._extra, _USE: _PARQUET, _KEY: name}

    def wrap_key(self, key_bytes: bytes, master_key_identifier: str) -> str:
        """Wrap a key of a file.

        Args:
            key_bytes: The key.
            master_key_identifier: One of the names.

        Returns:
            An envelope in Base64.

        Raises:
            InvalidArgument: The name is none.
            KeyfoldError: As for :meth:`keyfold.Client.encrypt`.

        """
        name = master_key_identifier
        if name not in self._keys:
            raise InvalidArgument(f"there is no KMS key for the name {name!r}")
        sealed = self._client.encrypt(key_bytes, keys=self._keys[name], context=self._context(name))
        return base64.b64encode(sealed).decode()

    def unwrap_key(self, wrapped_key: str, master_key_identifier: str) -> bytes:
        """Unwrap a key of a file.

        Args:
            wrapped_key: What :meth:`wrap_key` answered.
            master_key_identifier: The name under which it was wrapped.

        Returns:
            The key.

        Raises:
            NoUsableKey: The name is none of those, or its KMS keys do not open it; what the KMS
                said is the ``__cause__``.
            KeyfoldError: As for :meth:`keyfold.Client.decrypt`.

        """
        name = master_key_identifier
        if name not in self._keys:
            raise NoUsableKey(f"the file names a key for which there is no KMS key: {name!r}")
        try:
            sealed = base64.b64decode(wrapped_key, validate=True)
        except (binascii.Error, ValueError):
            raise MalformedEnvelope("the wrapped key of a Parquet file is not Base64") from None
        return self._client.decrypt(sealed, keys=self._keys[name], context=self._context(name))


class ParquetEncryption:
    """Encrypts Parquet files under KMS keys, and opens them.

    Args:
        client: A :class:`keyfold.Client`, a function that gets one, or where one of both is found,
            as ``"package.module:name"``.
        keys: The KMS keys behind the names that files have for their keys: for each name a key
            URI, several, or a :class:`keyfold.Keyring`.
        context: Further pairs for the encryption context; they are needed again to open a file.
        cache_lifetime: How long pyarrow keeps unwrapped keys, in seconds.

    Errors of keyfold are raised by pyarrow as they are: for keys that are wrapped when the
    properties are made, for keys that are unwrapped when a file is opened or read.

    """

    def __init__(
        self,
        client: AnyClient,
        keys: Mapping[str, Keys],
        *,
        context: Mapping[str, str] | None = None,
        cache_lifetime: float = 600.0,
    ) -> None:
        kms = KeyfoldKmsClient(client, keys, context=context)
        #: pyarrow's ``CryptoFactory``, for what takes one.
        self.factory = CryptoFactory(lambda _config: kms)
        #: Its ``KmsConnectionConfig``, which holds nothing here.
        self.connection = KmsConnectionConfig()
        self._lifetime = datetime.timedelta(seconds=cache_lifetime)

    def encryption_configuration(
        self,
        *,
        footer_key: str,
        column_keys: Mapping[str, Sequence[str]] | None = None,
        **options: Any,
    ) -> EncryptionConfiguration:
        """Which key is for what, as pyarrow has it.

        Args:
            footer_key: The name of the key of the footer, and with ``uniform_encryption`` of all.
            column_keys: For each name the columns that it encrypts; the others are plaintext.
            **options: ``uniform_encryption``, ``plaintext_footer``, ``double_wrapping``,
                ``data_key_length_bits``, ``encryption_algorithm``: see pyarrow.

        """
        columns = {name: list(of) for name, of in (column_keys or {}).items()}
        if columns:
            options["column_keys"] = columns
        return EncryptionConfiguration(
            footer_key=footer_key, cache_lifetime=self._lifetime, **options
        )

    def encryption_properties(
        self,
        *,
        footer_key: str,
        column_keys: Mapping[str, Sequence[str]] | None = None,
        **options: Any,
    ) -> Any:
        """For ``encryption_properties`` of a writer of one file; wraps its keys.

        The arguments are those of :meth:`encryption_configuration`.

        Raises:
            InvalidArgument: There is no KMS key for a name.
            KeyfoldError: As for :meth:`keyfold.Client.encrypt`.

        """
        configuration = self.encryption_configuration(
            footer_key=footer_key, column_keys=column_keys, **options
        )
        return self.factory.file_encryption_properties(self.connection, configuration)

    def decryption_properties(self) -> Any:
        """For ``decryption_properties`` of a reader, which unwraps the keys that it needs.

        It then raises :class:`~keyfold.exceptions.NoUsableKey` where it may not, with what the KMS
        said as the ``__cause__``; without any properties pyarrow raises ``OSError``.
        """
        configuration = DecryptionConfiguration(cache_lifetime=self._lifetime)
        return self.factory.file_decryption_properties(self.connection, configuration)

    def dataset_encryption(self, **options: Any) -> Any:
        """For ``encryption_config`` of the file options of ``pyarrow.dataset.write_dataset``.

        The arguments are those of :meth:`encryption_configuration`; every file gets its own keys.
        """
        from pyarrow.dataset import ParquetEncryptionConfig

        configuration = self.encryption_configuration(**options)
        return ParquetEncryptionConfig(self.factory, self.connection, configuration)

    def dataset_decryption(self) -> Any:
        """For ``decryption_config`` of ``pyarrow.dataset.ParquetFragmentScanOptions``."""
        from pyarrow.dataset import ParquetDecryptionConfig

        configuration = DecryptionConfiguration(cache_lifetime=self._lifetime)
        return ParquetDecryptionConfig(self.factory, self.connection, configuration)
