"""Google Cloud's own kits against the emulator, over REST: every method, then what must be refused."""

import hashlib
import json
import os
import tempfile
from datetime import datetime, timedelta, timezone

import google.auth.compute_engine
import google.auth.exceptions
import google.auth.identity_pool
import google_crc32c
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from google.api_core import exceptions, retry
from google.auth.credentials import AnonymousCredentials, Credentials
from google.auth.transport.requests import Request
from google.cloud import kms_v1 as kms
from google.cloud import secretmanager_v1 as secretmanager
from google.cloud.kms_v1.services.key_management_service.transports import (
    KeyManagementServiceRestTransport,
)
from google.cloud.secretmanager_v1.services.secret_manager_service.transports import (
    SecretManagerServiceRestTransport,
)
from google.oauth2 import service_account

import emulator

PROJECT = os.environ["GOOGLE_CLOUD_PROJECT"]
ACCOUNT = json.loads(os.environ["EMULATOR_SERVICE_ACCOUNT"])
SCOPES = ["https://www.googleapis.com/auth/cloudkms"]
LOCATION = f"projects/{PROJECT}/locations/global"
RING = f"{LOCATION}/keyRings/ring"
BOUND = b"app=keyfold"
Purpose = kms.CryptoKey.CryptoKeyPurpose
Algorithm = kms.CryptoKeyVersion.CryptoKeyVersionAlgorithm
State = kms.CryptoKeyVersion.CryptoKeyVersionState


class Fixed(Credentials):
    """A token that somebody else has got, and nobody here can renew."""

    def __init__(self, token):
        super().__init__()
        self.token = token

    def refresh(self, request):
        pass


class Nobody(AnonymousCredentials):
    """No token at all."""

    def refresh(self, request):
        pass


def crc(data):
    return google_crc32c.value(data)


def account(**changes):
    return service_account.Credentials.from_service_account_info(ACCOUNT | changes, scopes=SCOPES)


def client(credentials, own_signature=False):
    """A client that exchanges its assertion for a token, or one whose own signature is its token."""
    transport = KeyManagementServiceRestTransport(
        host=emulator.URL, credentials=credentials, always_use_jwt_access=own_signature
    )
    return kms.KeyManagementServiceClient(transport=transport)


def refused(status, text=None):
    """Expects a status, as the body has it, and a text in the message. The kit itself looks at the
    status of HTTP only: to it FAILED_PRECONDITION is any bad request."""

    def read(caught):
        said = text if text is None or text in caught.message else caught.message
        return caught.response.json()["error"]["status"], said

    return emulator.refused(exceptions.GoogleAPICallError, (status, text), read)


def keys(api):
    with refused("NOT_FOUND", "KeyRing"):
        make(api, "early")
    ring = api.create_key_ring(
        request={"parent": LOCATION, "key_ring_id": "ring", "key_ring": {}}
    )
    assert ring.name == RING == api.get_key_ring(request={"name": RING}).name
    with refused("ALREADY_EXISTS"):
        api.create_key_ring(request={"parent": LOCATION, "key_ring_id": "ring", "key_ring": {}})
    assert [found.name for found in api.list_key_rings(request={"parent": LOCATION})] == [RING]
    key = make(api, "docs")
    name = key.name
    assert (key.purpose, key.primary.state) == (Purpose.ENCRYPT_DECRYPT, State.ENABLED)
    assert key.primary.name == f"{name}/cryptoKeyVersions/1"
    with refused("ALREADY_EXISTS"):
        make(api, "docs")
    assert api.get_crypto_key(request={"name": name}).name == name
    soon = datetime.now(timezone.utc) + timedelta(days=1)
    changed = {
        "name": name,
        "rotation_period": {"seconds": 90 * 86400},
        "next_rotation_time": soon,
    }
    changed = api.update_crypto_key(
        request={
            "crypto_key": changed,
            "update_mask": {"paths": ["rotation_period", "next_rotation_time"]},
        }
    )
    assert changed.rotation_period.days == 90

    first = api.encrypt(request={"name": name, "plaintext": b"first"})
    version = api.create_crypto_key_version(request={"parent": name, "crypto_key_version": {}})
    assert version.name.endswith("/2")
    assert api.get_crypto_key(request={"name": name}).primary.name.endswith("/1")
    api.update_crypto_key_primary_version(request={"name": name, "crypto_key_version_id": "2"})
    second = api.encrypt(request={"name": name, "plaintext": b"second"})
    assert (first.name[-1], second.name[-1]) == ("1", "2")
    # A version may be named to encrypt, never to decrypt.
    third = api.encrypt(request={"name": f"{name}/cryptoKeyVersions/1", "plaintext": b"third"})
    assert third.name[-1] == "1"
    for sealed, text in ((first, b"first"), (second, b"second"), (third, b"third")):
        opened = api.decrypt(request={"name": name, "ciphertext": sealed.ciphertext})
        assert (opened.plaintext, opened.used_primary) == (text, sealed is second)
    listed = list(api.list_crypto_key_versions(request={"parent": name}))
    assert [found.name[-1] for found in listed] == ["1", "2"]

    def set_state(number, state):
        return api.update_crypto_key_version(
            request={
                "crypto_key_version": {
                    "name": f"{name}/cryptoKeyVersions/{number}",
                    "state": state,
                },
                "update_mask": {"paths": ["state"]},
            }
        )

    assert set_state(1, State.DISABLED).state == State.DISABLED
    with refused("FAILED_PRECONDITION", "DISABLED"):
        api.decrypt(request={"name": name, "ciphertext": first.ciphertext})
    set_state(1, State.ENABLED)
    gone = api.destroy_crypto_key_version(request={"name": listed[0].name})
    assert gone.state == State.DESTROY_SCHEDULED and gone.destroy_time
    with refused("FAILED_PRECONDITION", "DESTROY_SCHEDULED"):
        api.decrypt(request={"name": name, "ciphertext": first.ciphertext})
    back = api.restore_crypto_key_version(request={"name": listed[0].name})
    assert back.state == State.DISABLED
    assert api.get_crypto_key_version(request={"name": back.name}).state == State.DISABLED
    set_state(1, State.ENABLED)

    for number in range(5):
        make(api, f"many-{number}")
    pages = list(api.list_crypto_keys(request={"parent": RING, "page_size": 2}).pages)
    listed = [key.name for page in pages for key in page.crypto_keys]
    assert len(pages) == 3 and len(set(listed)) == 6 == pages[0].total_size
    return name


def make(api, id, purpose=Purpose.ENCRYPT_DECRYPT, algorithm=None):
    key = {"purpose": purpose}
    if algorithm:
        key["version_template"] = {"algorithm": algorithm}
    return api.create_crypto_key(
        request={"parent": RING, "crypto_key_id": id, "crypto_key": key}
    )


def encryption(api, name):
    text = b"attack at dawn"
    sealed = api.encrypt(
        request={
            "name": name,
            "plaintext": text,
            "plaintext_crc32c": crc(text),
            "additional_authenticated_data": BOUND,
            "additional_authenticated_data_crc32c": crc(BOUND),
        }
    )
    assert sealed.verified_plaintext_crc32c
    assert sealed.verified_additional_authenticated_data_crc32c
    assert sealed.ciphertext_crc32c == crc(sealed.ciphertext)
    opened = api.decrypt(
        request={
            "name": name,
            "ciphertext": sealed.ciphertext,
            "ciphertext_crc32c": crc(sealed.ciphertext),
            "additional_authenticated_data": BOUND,
        }
    )
    assert (opened.plaintext, opened.plaintext_crc32c) == (text, crc(text))
    for wrong in (b"another", b""):
        with refused("INVALID_ARGUMENT", "Decryption failed"):
            api.decrypt(
                request={
                    "name": name,
                    "ciphertext": sealed.ciphertext,
                    "additional_authenticated_data": wrong,
                }
            )
    with refused("INVALID_ARGUMENT", "Decryption failed"):
        other = f"{RING}/cryptoKeys/many-0"
        api.decrypt(
            request={
                "name": other,
                "ciphertext": sealed.ciphertext,
                "additional_authenticated_data": BOUND,
            }
        )
    with refused("INVALID_ARGUMENT", "checksum"):
        api.encrypt(request={"name": name, "plaintext": text, "plaintext_crc32c": 1})
    assert not api.encrypt(request={"name": name, "plaintext": b""}).verified_plaintext_crc32c
    long = os.urandom(64 * 1024)
    sealed = api.encrypt(request={"name": name, "plaintext": long}).ciphertext
    assert api.decrypt(request={"name": name, "ciphertext": sealed}).plaintext == long
    with refused("INVALID_ARGUMENT", "64 KiB"):
        api.encrypt(request={"name": name, "plaintext": long + b"x"})
    with refused("NOT_FOUND", "CryptoKey"):
        api.encrypt(request={"name": f"{RING}/cryptoKeys/none", "plaintext": b"x"})
    random = api.generate_random_bytes(
        request={"location": LOCATION, "length_bytes": 33, "protection_level": kms.ProtectionLevel.HSM}
    )
    assert len(random.data) == 33 and random.data_crc32c == crc(random.data)
    with refused("INVALID_ARGUMENT", "HSM"):
        api.generate_random_bytes(request={"location": LOCATION, "length_bytes": 33})


def signatures(api):
    message = b"report"
    algorithms = {
        "EC_SIGN_P256_SHA256": hashes.SHA256(),
        "EC_SIGN_P384_SHA384": hashes.SHA384(),
        "EC_SIGN_SECP256K1_SHA256": hashes.SHA256(),
        "EC_SIGN_ED25519": None,
        "RSA_SIGN_PSS_2048_SHA256": hashes.SHA256(),
        "RSA_SIGN_PKCS1_3072_SHA256": hashes.SHA256(),
        "RSA_SIGN_PKCS1_4096_SHA512": hashes.SHA512(),
    }
    for algorithm, hashed in algorithms.items():
        key = make(api, algorithm, Purpose.ASYMMETRIC_SIGN, Algorithm[algorithm])
        assert not key.primary.name
        name = f"{key.name}/cryptoKeyVersions/1"
        public = api.get_public_key(request={"name": name})
        assert public.algorithm == Algorithm[algorithm]
        assert public.pem_crc32c == crc(public.pem.encode())
        spki = serialization.load_pem_public_key(public.pem.encode())
        if hashed is None:
            asked = {"name": name, "data": message, "data_crc32c": crc(message)}
            made = api.asymmetric_sign(request=asked)
            assert made.verified_data_crc32c
            with refused("INVALID_ARGUMENT"):
                digest = hashlib.sha256(message).digest()
                api.asymmetric_sign(request={"name": name, "digest": {"sha256": digest}})
        else:
            digest = hashlib.new(hashed.name, message).digest()
            asked = {"name": name, "digest": {hashed.name: digest}, "digest_crc32c": crc(digest)}
            made = api.asymmetric_sign(request=asked)
            assert made.verified_digest_crc32c
            with refused("INVALID_ARGUMENT"):
                api.asymmetric_sign(request={"name": name, "digest": {hashed.name: b"short"}})
        signature = made.signature
        assert made.signature_crc32c == crc(signature)
        if hashed is None:
            spki.verify(signature, message)
        elif algorithm.startswith("EC"):
            spki.verify(signature, message, ec.ECDSA(hashed))
        elif "PSS" in algorithm:
            pss = padding.PSS(padding.MGF1(hashed), hashed.digest_size)
            spki.verify(signature, digest, pss, Prehashed(hashed))
        else:
            spki.verify(signature, message, padding.PKCS1v15(), hashed)
    with refused("INVALID_ARGUMENT", "purpose"):
        api.encrypt(request={"name": key.name, "plaintext": b"x"})

    for algorithm, hashed in (
        ("RSA_DECRYPT_OAEP_2048_SHA256", hashes.SHA256()),
        ("RSA_DECRYPT_OAEP_2048_SHA1", hashes.SHA1()),
    ):
        key = make(api, algorithm, Purpose.ASYMMETRIC_DECRYPT, Algorithm[algorithm])
        name = f"{key.name}/cryptoKeyVersions/1"
        pem = api.get_public_key(request={"name": name}).pem.encode()
        oaep = padding.OAEP(padding.MGF1(hashed), hashed, None)
        sealed = serialization.load_pem_public_key(pem).encrypt(b"secret", oaep)
        opened = api.asymmetric_decrypt(request={"name": name, "ciphertext": sealed})
        assert opened.plaintext == b"secret"


def imports(api):
    key = make(api, "external").name
    Method = kms.ImportJob.ImportMethod
    job = api.create_import_job(
        request={
            "parent": RING,
            "import_job_id": "job",
            "import_job": {
                "import_method": Method.RSA_OAEP_3072_SHA256,
                "protection_level": kms.ProtectionLevel.SOFTWARE,
            },
        }
    )
    found = api.get_import_job(request={"name": job.name})
    assert (found.state, found.import_method) == (
        kms.ImportJob.ImportJobState.ACTIVE,
        Method.RSA_OAEP_3072_SHA256,
    )
    public = serialization.load_pem_public_key(found.public_key.pem.encode())
    oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)

    def give(material):
        return api.import_crypto_key_version(
            request={
                "parent": key,
                "algorithm": Algorithm.GOOGLE_SYMMETRIC_ENCRYPTION,
                "import_job": job.name,
                "wrapped_key": public.encrypt(material, oaep),
            }
        )

    made = give(b"m" * 32)
    assert made.name == f"{key}/cryptoKeyVersions/2" and made.import_job == job.name
    api.update_crypto_key_primary_version(request={"name": key, "crypto_key_version_id": "2"})
    sealed = api.encrypt(request={"name": key, "plaintext": b"x"})
    assert sealed.name == made.name
    with refused("INVALID_ARGUMENT", "wrapped"):
        give(b"short")


def secrets(credentials):
    transport = SecretManagerServiceRestTransport(host=emulator.URL, credentials=credentials)
    api = secretmanager.SecretManagerServiceClient(transport=transport)
    parent = f"projects/{PROJECT}"
    automatic = {"replication": {"automatic": {}}}

    def create(id):
        return api.create_secret(
            request={"parent": parent, "secret_id": id, "secret": automatic}
        )

    name = create("db").name
    with refused("ALREADY_EXISTS"):
        create("db")
    assert api.get_secret(request={"name": name}).name == name
    for value in (b"correct horse", b"\0\xff"):
        payload = {"data": value, "data_crc32c": crc(value)}
        version = api.add_secret_version(request={"parent": name, "payload": payload})
    assert version.name == f"{name}/versions/2"
    latest = api.access_secret_version(request={"name": f"{name}/versions/latest"})
    assert (latest.name, latest.payload.data) == (version.name, b"\0\xff")
    assert latest.payload.data_crc32c == crc(latest.payload.data)
    first = f"{name}/versions/1"
    assert api.access_secret_version(request={"name": first}).payload.data == b"correct horse"
    states = secretmanager.SecretVersion.State
    assert api.disable_secret_version(request={"name": first}).state == states.DISABLED
    with refused("FAILED_PRECONDITION", "DISABLED"):
        api.access_secret_version(request={"name": first})
    assert api.enable_secret_version(request={"name": first}).state == states.ENABLED
    assert api.destroy_secret_version(request={"name": first}).state == states.DESTROYED
    with refused("FAILED_PRECONDITION", "DESTROYED"):
        api.enable_secret_version(request={"name": first})
    assert api.get_secret_version(request={"name": first}).state == states.DESTROYED
    listed = list(api.list_secret_versions(request={"parent": name}))
    assert [found.name[-1] for found in listed] == ["2", "1"]
    for number in range(4):
        create(f"s-{number}")
    pages = list(api.list_secrets(request={"parent": parent, "page_size": 2}).pages)
    assert len(pages) == 3 and pages[0].total_size == 5
    api.delete_secret(request={"name": name})
    with refused("NOT_FOUND", "Secret"):
        api.access_secret_version(request={"name": f"{name}/versions/latest"})


def credentials(name):
    """Every way to a token, and what each must refuse."""
    asked = {"name": name}
    # In exchange for a signed assertion.
    client(account()).get_crypto_key(request=asked)
    assert emulator.calls("token") >= 1
    # Its own signature is the token.
    before = emulator.calls("token")
    client(account(), own_signature=True).get_crypto_key(request=asked)
    assert emulator.calls("token") == before

    another = ec_free_key()
    refusals = {
        "Invalid JWT Signature": account(private_key=another),
        "account not found": account(client_email="nobody@example-project.iam.gserviceaccount.com"),
    }
    for text, who in refusals.items():
        try:
            client(who).get_crypto_key(request=asked, retry=None)
            raise AssertionError("not refused")
        except google.auth.exceptions.RefreshError as error:
            assert text in str(error), error
    for offset in (4000, -4000):
        with emulator.clock(offset):
            try:
                client(account()).get_crypto_key(request=asked, retry=None)
                raise AssertionError("not refused")
            except google.auth.exceptions.RefreshError as error:
                assert "reasonable timeframe" in str(error), error
    with emulator.clock(4000), refused("UNAUTHENTICATED"):
        client(account(), own_signature=True).get_crypto_key(request=asked)
    with refused("UNAUTHENTICATED"):
        client(account(private_key=another), own_signature=True).get_crypto_key(request=asked)
    with refused("UNAUTHENTICATED"):
        client(Fixed("ya29.nobody")).get_crypto_key(request=asked)
    with refused("UNAUTHENTICATED", "missing"):
        client(Nobody()).get_crypto_key(request=asked)

    # Of the machine.
    machine = google.auth.compute_engine.Credentials(scopes=SCOPES)
    client(machine).get_crypto_key(request=asked)
    assert emulator.calls("metadata") >= 1

    # Of a workload that another identity provider vouches for.
    def workload(token):
        with tempfile.NamedTemporaryFile("w", delete=False) as file:
            file.write(token)
        return google.auth.identity_pool.Credentials(
            audience="//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q",
            subject_token_type="urn:ietf:params:oauth:token-type:jwt",
            token_url=f"{emulator.URL}/v1/token",
            credential_source={"file": file.name},
            scopes=SCOPES,
        )

    client(workload(os.environ["EMULATOR_SUBJECT_TOKEN"])).get_crypto_key(request=asked)
    try:
        workload("another").refresh(Request())
        raise AssertionError("not refused")
    except google.auth.exceptions.GoogleAuthError as error:
        assert "invalid_grant" in str(error), error


def ec_free_key():
    """A private key of RSA that is nobody's."""
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(65537, 2048)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def refusals(api, name):
    asked = {"name": name}
    with refused("PERMISSION_DENIED"):
        api.get_crypto_key(request={"name": name.replace(PROJECT, "another")})
    counted = "locations/keyRings/cryptoKeys/*:GET"
    emulator.throttle(1)
    with refused("RESOURCE_EXHAUSTED"):
        api.get_crypto_key(request=asked, retry=None)
    before = emulator.calls(counted)
    emulator.throttle(2)
    patient = retry.Retry(
        predicate=retry.if_exception_type(exceptions.TooManyRequests), initial=0.01, maximum=0.02
    )
    assert api.get_crypto_key(request=asked, retry=patient).name == name
    assert emulator.calls(counted) == before + 3
    emulator.fault("unavailable")
    with refused("UNAVAILABLE"):
        api.get_crypto_key(request=asked, retry=None)
    exchanged = account()
    exchanged.refresh(Request())
    kept = client(Fixed(exchanged.token))
    kept.get_crypto_key(request=asked)
    emulator.expire_tokens()
    with refused("UNAUTHENTICATED"):
        kept.get_crypto_key(request=asked)


def main():
    who = account()
    api = client(who)
    name = keys(api)
    encryption(api, name)
    signatures(api)
    imports(api)
    secrets(who.with_scopes(["https://www.googleapis.com/auth/cloud-platform"]))
    credentials(name)
    refusals(api, name)


if __name__ == "__main__":
    main()
