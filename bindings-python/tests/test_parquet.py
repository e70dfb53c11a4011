"""keyfold.parquet: pyarrow's modular encryption under KMS keys."""

from __future__ import annotations

import base64
import io
import re

import keyfold
import pytest
from keyfold import exceptions

pa = pytest.importorskip("pyarrow", reason="requirements-extras.txt is not installed")
pq = pytest.importorskip("pyarrow.parquet", reason="requirements-extras.txt is not installed")
ds = pytest.importorskip("pyarrow.dataset", reason="requirements-extras.txt is not installed")

from keyfold.parquet import KeyfoldKmsClient, ParquetEncryption  # noqa: E402

TABLE = pa.table(
    {"id": [1, 2, 3], "name": ["Ada Lovelace", "Grace", "Edsger"], "city": ["a", "b", "c"]}
)
COLUMNS = {"footer_key": "footer", "column_keys": {"pii": ["name"]}}


class Refusing:
    """A KMS that refuses to unwrap under some keys."""

    def __init__(self, inner):
        self.inner, self.refused = inner, set()

    def call(self, request):
        if isinstance(request, keyfold.kms.Unwrap) and request.wrapped.key in self.refused:
            raise exceptions.KmsDenied("not for you")
        return self.inner.call(request)


@pytest.fixture
def keys(kms):
    return {"footer": kms.create_key("alias/footer"), "pii": kms.create_key("alias/pii")}


@pytest.fixture
def refusing(kms):
    return Refusing(kms)


@pytest.fixture
def crypt(refusing, keys):
    return ParquetEncryption(keyfold.Client(refusing, cache=None), keys, cache_lifetime=0)


def written(crypt, **options):
    out = io.BytesIO()
    properties = crypt.encryption_properties(**(options or COLUMNS))
    with pq.ParquetWriter(out, TABLE.schema, encryption_properties=properties) as writer:
        writer.write_table(TABLE)
    return out.getvalue()


def read(crypt, file, **options):
    properties = crypt.decryption_properties()
    return pq.read_table(io.BytesIO(file), decryption_properties=properties, **options)


@pytest.mark.parametrize(
    "options",
    [
        COLUMNS,
        {**COLUMNS, "plaintext_footer": True},
        {**COLUMNS, "double_wrapping": False},
        {**COLUMNS, "data_key_length_bits": 256, "encryption_algorithm": "AES_GCM_CTR_V1"},
        {"footer_key": "footer", "uniform_encryption": True},
    ],
)
def test_there_and_back(crypt, options):
    file = written(crypt, **options)
    assert read(crypt, file) == TABLE
    assert b"Ada Lovelace" not in file
    assert b"keyfold:" in _wrapped(file), "the wrapped keys are envelopes"
    if not options.get("plaintext_footer"):
        assert file[:4] == b"PARE"
        with pytest.raises(OSError, match="encrypted"):
            pq.read_table(io.BytesIO(file))


def _wrapped(file):
    """What is in Base64 in a file, decoded."""
    found = re.findall(rb"[A-Za-z0-9+/]{200,}={0,2}", file.replace(b"\\/", b"/"))
    return b"".join(base64.b64decode(part + b"==") for part in found)


def test_a_column_that_is_not_for_everybody(crypt, refusing, keys):
    file = written(crypt)
    refusing.refused.add(keys["pii"])
    assert read(crypt, file, columns=["id", "city"]) == TABLE.select(["id", "city"])
    with pytest.raises(exceptions.NoUsableKey) as refused:
        read(crypt, file)
    assert isinstance(refused.value.__cause__, exceptions.KmsDenied)
    refusing.refused.add(keys["footer"])
    # pyarrow keeps what it has unwrapped: whoever comes new.
    crypt = ParquetEncryption(keyfold.Client(refusing, cache=None), keys)
    with pytest.raises(exceptions.NoUsableKey) as refused:
        read(crypt, file, columns=["id"])
    assert isinstance(refused.value.__cause__, exceptions.KmsDenied)


def test_another_key(crypt, kms, keys):
    file = written(crypt)
    client = keyfold.Client(kms)
    swapped = ParquetEncryption(client, {"footer": keys["pii"], "pii": keys["footer"]})
    with pytest.raises(exceptions.NoUsableKey):
        read(swapped, file)
    with pytest.raises(exceptions.NoUsableKey, match="pii"):
        read(ParquetEncryption(client, {"footer": keys["footer"]}), file)
    with pytest.raises(exceptions.ContextMismatch):
        read(ParquetEncryption(client, keys, context={"tenant": "acme"}), file)
    with pytest.raises(exceptions.InvalidArgument, match="nothing"):
        crypt.encryption_properties(footer_key="nothing", uniform_encryption=True)
    with pytest.raises(exceptions.InvalidArgument):
        ParquetEncryption(client, keys, context={"use": "other"})


def test_a_kms_key_is_rotated(crypt, kms, keys):
    file = written(crypt)
    for key in keys.values():
        kms.rotate_key(key)
    assert read(crypt, file) == TABLE
    assert read(crypt, written(crypt)) == TABLE


def test_a_kms_key_is_replaced(crypt, kms, keys):
    file = written(crypt)
    new = kms.create_key("alias/new")
    both = keyfold.Keyring(new, also_unwrap=[keys["pii"]])
    later = ParquetEncryption(keyfold.Client(kms), {**keys, "pii": both})
    assert read(later, file) == TABLE
    kms.disable_key(keys["pii"])
    assert read(later, written(later)) == TABLE
    with pytest.raises(exceptions.NoUsableKey):
        read(crypt, file)


def test_a_wrapped_key_is_for_its_name_only(kms, keys):
    client = KeyfoldKmsClient(keyfold.Client(kms), {"one": keys["pii"], "two": keys["pii"]})
    wrapped = client.wrap_key(b"0123456789abcdef", "one")
    assert client.unwrap_key(wrapped, "one") == b"0123456789abcdef"
    with pytest.raises(exceptions.ContextMismatch):
        client.unwrap_key(wrapped, "two")
    with pytest.raises(exceptions.MalformedEnvelope):
        client.unwrap_key("no base64!", "one")
    with pytest.raises(exceptions.ContextMismatch):
        keyfold.Client(kms, keys=keys["pii"]).decrypt(base64.b64decode(wrapped))


def test_few_calls_of_the_kms(counting, keys):
    crypt = ParquetEncryption(keyfold.Client(counting), keys)
    files = [written(crypt) for _ in range(5)]
    assert counting.calls == ["GenerateDataKey"] * 2
    for file in files:
        assert read(crypt, file) == TABLE
    assert len(counting.calls) <= 4


def test_a_dataset(crypt, tmp_path):
    form = ds.ParquetFileFormat()
    options = form.make_write_options(encryption_config=crypt.dataset_encryption(**COLUMNS))
    ds.write_dataset(TABLE, tmp_path, format=form, file_options=options, partitioning=["city"])
    scan = ds.ParquetFragmentScanOptions(decryption_config=crypt.dataset_decryption())
    form = ds.ParquetFileFormat(default_fragment_scan_options=scan)
    back = ds.dataset(tmp_path, format=form, partitioning=["city"]).to_table().sort_by("id")
    assert back.select(TABLE.column_names) == TABLE
    assert len(list(tmp_path.rglob("*.parquet"))) == 3


def test_over_encrypted_storage(crypt, kms, keys):
    fsspec = pytest.importorskip("fsspec", reason="requirements-extras.txt is not installed")
    inner = fsspec.filesystem("memory", skip_instance_cache=True)
    options = {"fs": inner, "client": keyfold.Client(kms, keys=keys["footer"])}
    fs = fsspec.filesystem("keyfold", **options)
    properties = crypt.encryption_properties(**COLUMNS)
    with fs.open("/t.parquet", "wb") as file:
        pq.write_table(TABLE, file, encryption_properties=properties)
    with fs.open("/t.parquet") as file:
        properties = crypt.decryption_properties()
        assert pq.read_table(file, decryption_properties=properties) == TABLE
