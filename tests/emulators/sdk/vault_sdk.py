"""hvac, the client of Vault that everybody uses, against the emulator: every operation, then what
must be refused."""

import base64
import hashlib
import os

import hvac
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, utils
from hvac import exceptions

import emulator
from emulator import b64, unb64

BOUND = base64.b64encode(b"app=keyfold").decode()


def refused(status, text=None):
    """Expects a status, and a text among the errors."""

    def read(error):
        statuses = {
            exceptions.InvalidRequest: 400,
            exceptions.Forbidden: 403,
            exceptions.InvalidPath: 404,
            exceptions.UnexpectedError: 405,
            exceptions.RateLimitExceeded: 429,
            exceptions.InternalServerError: 500,
            exceptions.VaultDown: 503,
        }
        said = " ".join(map(str, error.errors or []))
        return statuses[type(error)], text if text is None or text in said else said

    return emulator.refused(exceptions.VaultError, (status, text), read)


def client(token=os.environ["VAULT_TOKEN"]):
    return hvac.Client(url=os.environ["VAULT_ADDR"], token=token)


def keys(vault):
    transit = vault.secrets.transit
    with refused(404):
        transit.list_keys()
    transit.create_key("docs")
    transit.create_key("docs", key_type="ed25519")  # It is there already: nothing happens.
    found = transit.read_key("docs")["data"]
    assert (found["type"], found["latest_version"]) == ("aes256-gcm96", 1)
    assert found["supports_encryption"] and not found["supports_signing"]
    before = transit.encrypt_data("docs", plaintext=b64(b"before"))["data"]["ciphertext"]
    assert before.startswith("vault:v1:")
    transit.rotate_key("docs")
    after = transit.encrypt_data("docs", plaintext=b64(b"after"))["data"]["ciphertext"]
    assert after.startswith("vault:v2:")
    assert sorted(transit.read_key("docs")["data"]["keys"]) == ["1", "2"]
    for ciphertext, text in ((before, b"before"), (after, b"after")):
        opened = transit.decrypt_data("docs", ciphertext=ciphertext)
        assert unb64(opened["data"]["plaintext"]) == text
    old = transit.encrypt_data("docs", plaintext=b64(b"old"), key_version=1)["data"]["ciphertext"]
    assert old.startswith("vault:v1:")
    new = transit.rewrap_data("docs", ciphertext=old)["data"]["ciphertext"]
    assert new.startswith("vault:v2:")
    transit.update_key_configuration("docs", min_decryption_version=2)
    # hvac (2.4.0) refuses what Vault allows: the same number for both.
    vault.adapter.post(url="/v1/transit/keys/docs/config", json={"min_encryption_version": 2})
    with refused(400, "disallowed by policy (too old)"):
        transit.decrypt_data("docs", ciphertext=before)
    with refused(400, "minimum encryption key version"):
        transit.encrypt_data("docs", plaintext=b64(b"x"), key_version=1)
    transit.trim_key("docs", min_version=2)
    assert list(transit.read_key("docs")["data"]["keys"]) == ["2"]
    transit.update_key_configuration("docs", auto_rotate_period="720h")
    assert transit.read_key("docs")["data"]["auto_rotate_period"] == 720 * 3600
    transit.create_key("other")
    assert transit.list_keys()["data"]["keys"] == ["docs", "other"]
    with refused(400, "deletion is not allowed"):
        transit.delete_key("other")
    transit.update_key_configuration("other", deletion_allowed=True)
    transit.delete_key("other")
    with refused(404):
        transit.read_key("other")
    with refused(400, "unknown key type"):
        vault.adapter.post(url="/v1/transit/keys/odd", json={"type": "sm4"})

    # OpenBao's.
    vault.adapter.delete(url="/v1/transit/keys/docs/soft-delete")
    with refused(400, "soft deleted"):
        transit.encrypt_data("docs", plaintext=b64(b"x"))
    vault.adapter.post(url="/v1/transit/keys/docs/soft-delete-restore")
    transit.encrypt_data("docs", plaintext=b64(b"x"))


def encryption(vault):
    transit = vault.secrets.transit
    sealed = transit.encrypt_data("docs", plaintext=b64(b"attack"), associated_data=BOUND)
    sealed = sealed["data"]["ciphertext"]
    opened = transit.decrypt_data("docs", ciphertext=sealed, associated_data=BOUND)
    assert unb64(opened["data"]["plaintext"]) == b"attack"
    for wrong in (b64(b"another"), None):
        with refused(500, "message authentication failed"):
            transit.decrypt_data("docs", ciphertext=sealed, associated_data=wrong)
    with refused(500, "message authentication failed"):
        transit.rewrap_data("docs", ciphertext=sealed)
    with refused(400, "invalid ciphertext: no prefix"):
        transit.decrypt_data("docs", ciphertext="AAAA")
    with refused(400, "encryption key not found"):
        transit.decrypt_data("none", ciphertext=sealed)
    with refused(400, "base64-decode plaintext"):
        transit.encrypt_data("docs", plaintext="not base64!")
    long = os.urandom(100_000)
    ciphertext = transit.encrypt_data("docs", plaintext=b64(long))["data"]["ciphertext"]
    opened = transit.decrypt_data("docs", ciphertext=ciphertext)["data"]["plaintext"]
    assert unb64(opened) == long
    nothing = transit.encrypt_data("docs", plaintext="")["data"]["ciphertext"]
    assert transit.decrypt_data("docs", ciphertext=nothing)["data"]["plaintext"] == ""
    # Encrypting makes the key that is missing.
    transit.encrypt_data("upserted", plaintext=b64(b"x"))
    assert transit.read_key("upserted")["data"]["type"] == "aes256-gcm96"

    batch = [{"plaintext": b64(text)} for text in (b"one", b"two")]
    made = transit.encrypt_data("docs", batch_input=batch)["data"]["batch_results"]
    batch = [{"ciphertext": one["ciphertext"]} for one in made] + [{"ciphertext": "bad"}]
    opened = transit.decrypt_data("docs", batch_input=batch)["data"]["batch_results"]
    assert [one.get("plaintext") for one in opened] == [b64(b"one"), b64(b"two"), None]
    assert "invalid ciphertext" in opened[2]["error"]

    transit.create_key("derived", derived=True)
    with refused(400, "missing 'context'"):
        transit.encrypt_data("derived", plaintext=b64(b"x"))
    sealed = transit.encrypt_data("derived", plaintext=b64(b"x"), context=BOUND)
    sealed = sealed["data"]["ciphertext"]
    opened = transit.decrypt_data("derived", ciphertext=sealed, context=BOUND)
    assert unb64(opened["data"]["plaintext"]) == b"x"
    with refused(500, "message authentication failed"):
        transit.decrypt_data("derived", ciphertext=sealed, context=b64(b"another"))

    for bits in (128, 256, 512):
        made = transit.generate_data_key("docs", "plaintext", bits=bits)["data"]
        assert len(unb64(made["plaintext"])) == bits // 8
        opened = transit.decrypt_data("docs", ciphertext=made["ciphertext"])["data"]
        assert opened["plaintext"] == made["plaintext"]
    alone = transit.generate_data_key("docs", "wrapped")["data"]
    assert "plaintext" not in alone
    opened = transit.decrypt_data("docs", ciphertext=alone["ciphertext"])["data"]
    assert len(unb64(opened["plaintext"])) == 32
    # hvac does not know associated data for these.
    made = vault.adapter.post(
        url="/v1/transit/datakey/plaintext/docs", json={"associated_data": BOUND}
    )["data"]
    opened = transit.decrypt_data("docs", ciphertext=made["ciphertext"], associated_data=BOUND)
    assert opened["data"]["plaintext"] == made["plaintext"]
    assert len(unb64(transit.generate_random_bytes(n_bytes=33)["data"]["random_bytes"])) == 33
    hex = transit.generate_random_bytes(n_bytes=8, output_format="hex")["data"]["random_bytes"]
    assert len(bytes.fromhex(hex)) == 8


def signatures(vault):
    transit = vault.secrets.transit
    message = b"report" * 10_000
    kinds = {
        "ecdsa-p256": ("sha2-256", hashes.SHA256()),
        "ecdsa-p384": ("sha2-384", hashes.SHA384()),
        "ecdsa-p521": ("sha2-512", hashes.SHA512()),
        "ed25519": ("sha2-256", None),
        "rsa-2048": ("sha2-256", hashes.SHA256()),
        "rsa-3072": ("sha2-512", hashes.SHA512()),
    }
    for kind, (hash, hashed) in kinds.items():
        transit.create_key(kind, key_type=kind)
        described = transit.read_key(kind)["data"]
        exported = vault.adapter.get(url=f"/v1/transit/export/public-key/{kind}/1")
        pem = exported["data"]["keys"]["1"]
        spki = serialization.load_pem_public_key(pem.encode())
        public = described["keys"]["1"]["public_key"]
        if kind == "ed25519":
            assert unb64(public) == spki.public_bytes_raw()
        else:
            assert public == pem
        text = message[:4000] if kind == "ed25519" else message
        forms = [{}]
        if kind.startswith("rsa"):
            forms = [
                {"signature_algorithm": "pss", "salt_length": "hash"},
                {"signature_algorithm": "pkcs1v15"},
            ]
            with refused(400, "salt_length"):
                transit.sign_data(kind, hash_input=b64(text), hash_algorithm=hash)
        elif kind.startswith("ecdsa"):
            forms = [{"marshaling_algorithm": "asn1"}, {"marshaling_algorithm": "jws"}]
        for form in forms:
            form = {"hash_algorithm": hash, **form}
            made = transit.sign_data(kind, hash_input=b64(text), **form)["data"]["signature"]
            prefix, version, signature = made.split(":")
            assert (prefix, version) == ("vault", "v1")
            checked = {"signature": made, **form}
            assert transit.verify_signed_data(kind, b64(text), **checked)["data"]["valid"]
            assert not transit.verify_signed_data(kind, b64(text + b"."), **checked)["data"]["valid"]
            if hashed:
                digest = hashlib.new(hashed.name, text).digest()
                again = {"prehashed": True, **checked}
                assert transit.verify_signed_data(kind, b64(digest), **again)["data"]["valid"]
                made = transit.sign_data(kind, hash_input=b64(digest), prehashed=True, **form)
                assert made["data"]["signature"]
            if kind == "ed25519":
                spki.verify(unb64(signature), text)
            elif form.get("marshaling_algorithm") == "jws":
                raw = base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4))
                r, s = raw[: len(raw) // 2], raw[len(raw) // 2 :]
                der = utils.encode_dss_signature(int.from_bytes(r, "big"), int.from_bytes(s, "big"))
                spki.verify(der, text, ec.ECDSA(hashed))
            elif kind.startswith("ecdsa"):
                spki.verify(unb64(signature), text, ec.ECDSA(hashed))
            elif form["signature_algorithm"] == "pss":
                pss = padding.PSS(padding.MGF1(hashed), hashed.digest_size)
                spki.verify(unb64(signature), text, pss, hashed)
            else:
                spki.verify(unb64(signature), text, padding.PKCS1v15(), hashed)
                try:
                    spki.verify(unb64(signature), b"another", padding.PKCS1v15(), hashed)
                    raise AssertionError("it verified another message")
                except InvalidSignature:
                    pass
    with refused(400, "does not support signing"):
        transit.sign_data("docs", hash_input=b64(b"x"))

    # A key of RSA decrypts too.
    oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
    pem = transit.read_key("rsa-2048")["data"]["keys"]["1"]["public_key"]
    sealed = serialization.load_pem_public_key(pem.encode()).encrypt(b"secret", oaep)
    for ciphertext in (
        f"vault:v1:{b64(sealed)}",
        transit.encrypt_data("rsa-2048", plaintext=b64(b"secret"))["data"]["ciphertext"],
    ):
        opened = transit.decrypt_data("rsa-2048", ciphertext=ciphertext)["data"]["plaintext"]
        assert unb64(opened) == b"secret"


def secrets(vault):
    kv = vault.secrets.kv.v2
    assert kv.create_or_update_secret("prod/db", {"password": "correct horse"})["data"]["version"] == 1
    with refused(400, "check-and-set"):
        kv.create_or_update_secret("prod/db", {"password": "x"}, cas=0)
    second = {"password": "battery staple", "user": "app"}
    assert kv.create_or_update_secret("prod/db", second, cas=1)["data"]["version"] == 2
    read = kv.read_secret_version("prod/db", raise_on_deleted_version=True)["data"]
    assert (read["data"], read["metadata"]["version"]) == (second, 2)
    old = kv.read_secret_version("prod/db", version=1, raise_on_deleted_version=True)["data"]
    assert old["data"] == {"password": "correct horse"}
    kv.patch("prod/db", {"user": "root"})
    read = kv.read_secret_version("prod/db", raise_on_deleted_version=True)["data"]["data"]
    assert read == {"password": "battery staple", "user": "root"}
    # hvac reads and writes; Vault can do it at once.
    merge = {"Content-Type": "application/merge-patch+json"}
    vault.adapter.request(
        "patch", "/v1/secret/data/prod/db", json={"data": {"user": None}}, headers=merge
    )
    read = kv.read_secret_version("prod/db", raise_on_deleted_version=True)["data"]
    assert read["data"] == {"password": "battery staple"}
    kv.delete_latest_version_of_secret("prod/db")
    with refused(404):
        kv.read_secret_version("prod/db", raise_on_deleted_version=True)
    kv.undelete_secret_versions("prod/db", [4])
    kv.read_secret_version("prod/db", version=4, raise_on_deleted_version=True)
    kv.delete_secret_versions("prod/db", [2])
    kv.destroy_secret_versions("prod/db", [1])
    versions = kv.read_secret_metadata("prod/db")["data"]["versions"]
    assert versions["1"]["destroyed"] and versions["2"]["deletion_time"]
    assert not versions["4"]["deletion_time"]
    kv.undelete_secret_versions("prod/db", [1])
    with refused(404):
        kv.read_secret_version("prod/db", version=1, raise_on_deleted_version=True)
    kv.create_or_update_secret("top", {"x": "y"})
    assert kv.list_secrets("")["data"]["keys"] == ["prod/", "top"]
    kv.delete_metadata_and_all_versions("top")
    with refused(404):
        kv.read_secret_version("top", raise_on_deleted_version=True)


def logins():
    anonymous = client(token="")
    role, secret = os.environ["EMULATOR_ROLE_ID"], os.environ["EMULATOR_SECRET_ID"]
    with refused(400, "invalid role or secret ID"):
        anonymous.auth.approle.login(role, emulator.WRONG)
    given = anonymous.auth.approle.login(role, secret)["auth"]
    assert given["lease_duration"] > 0 and given["renewable"]
    assert anonymous.is_authenticated()
    by_role = client(token=given["client_token"])
    by_role.secrets.transit.list_keys()
    by_role.auth.token.renew_self()

    kubernetes = client(token="")
    named, jwt = os.environ["EMULATOR_KUBERNETES_ROLE"], os.environ["EMULATOR_KUBERNETES_JWT"]
    with refused(403, "permission denied"):
        kubernetes.auth.kubernetes.login(named, "another")
    kubernetes.auth.kubernetes.login(named, jwt)
    kubernetes.secrets.transit.list_keys()
    kubernetes.auth.token.revoke_self()
    with refused(403, "invalid token"):
        kubernetes.secrets.transit.list_keys()

    # Its time is over, by the clock and on demand.
    with emulator.clock(3600), refused(403, "invalid token"):
        by_role.secrets.transit.list_keys()
    by_role.secrets.transit.list_keys()
    emulator.expire_tokens()
    with refused(403, "invalid token"):
        by_role.secrets.transit.list_keys()
    with refused(403, "permission denied"):
        client(token="").secrets.transit.list_keys()


def refusals(vault):
    with refused(403, "invalid token"):
        client(token="hvs.nobody").secrets.transit.list_keys()
    with refused(404, "no handler for route"):
        vault.adapter.get(url="/v1/elsewhere/x")
    with refused(405):
        vault.adapter.post(url="/v1/transit/nothing")
    assert vault.sys.read_health_status(method="GET")["initialized"]
    emulator.throttle(1)
    with refused(429):
        vault.secrets.transit.read_key("docs")
    before = emulator.calls("transit/keys:read")
    emulator.throttle(2)
    for _ in range(3):
        try:
            found = vault.secrets.transit.read_key("docs")
        except exceptions.RateLimitExceeded:
            pass
    assert found["data"]["name"] == "docs"
    assert emulator.calls("transit/keys:read") == before + 3
    emulator.fault("unavailable")
    with refused(503, "sealed"):
        vault.secrets.transit.read_key("docs")


def main():
    vault = client()
    keys(vault)
    encryption(vault)
    signatures(vault)
    secrets(vault)
    logins()
    refusals(vault)


if __name__ == "__main__":
    main()
