"""Azure's own kits against the emulator, over TLS: every operation, then what must be refused."""

import hashlib
import os

# Trusted by every request of this program, those for tokens among them.
os.environ["REQUESTS_CA_BUNDLE"] = os.environ["EMULATOR_CERTIFICATE"]

from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError
from azure.identity import (
    CertificateCredential,
    ClientSecretCredential,
    ManagedIdentityCredential,
)
from azure.keyvault.keys import ApiVersion, JsonWebKey, KeyClient, KeyCurveName, KeyRotationPolicy
from azure.keyvault.keys.crypto import (
    CryptographyClient,
    EncryptionAlgorithm,
    KeyWrapAlgorithm,
    SignatureAlgorithm,
)
from azure.keyvault.keys.crypto._providers import NoLocalCryptography
from azure.keyvault.secrets import SecretClient
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils

import emulator

VAULT = os.environ["EMULATOR_VAULT_URL"]
TENANT, CLIENT = os.environ["AZURE_TENANT_ID"], os.environ["AZURE_CLIENT_ID"]
AUTHORITY = {"authority": os.environ["AZURE_AUTHORITY_HOST"], "disable_instance_discovery": True}
HERE = {"vault_url": VAULT, "verify_challenge_resource": False, "retry_total": 0}
DIGESTS = {256: hashes.SHA256(), 384: hashes.SHA384(), 512: hashes.SHA512()}


def secret_of(secret=os.environ["AZURE_CLIENT_SECRET"], tenant=TENANT, client=CLIENT):
    return ClientSecretCredential(tenant, client, secret, **AUTHORITY)


def certificate_of(name):
    data = os.environ[name].encode()
    return CertificateCredential(TENANT, CLIENT, certificate_data=data, **AUTHORITY)


def keys_of(credential, **settings):
    return KeyClient(credential=credential, **(HERE | settings))


def refused(status, code, inner=None):
    def read(error):
        said = error.response.json()["error"]
        return error.status_code, said["code"], said.get("innererror", {}).get("code")

    return emulator.refused(HttpResponseError, (status, code, inner), read)


def using(client, key, **settings):
    """What a key does, as the vault does it: the kit itself would do whatever it can with the public
    half alone, and never ask."""
    made = client.get_cryptography_client(key.name, key_version=key.properties.version)
    made._local_provider, made._initialized = NoLocalCryptography(), True
    return made


def keys(client):
    made = client.create_rsa_key("docs", size=2048, tags={"of": "documents"})
    assert made.key_type == "RSA" and made.properties.enabled and made.properties.tags
    assert made.id == f"{VAULT}/keys/docs/{made.properties.version}"
    assert client.get_key("docs").id == made.id
    assert client.get_key("docs", made.properties.version).key.n == made.key.n
    second = client.rotate_key("docs")
    assert second.key.n != made.key.n and client.get_key("docs").id == second.id
    third = client.create_rsa_key("docs", size=2048)
    versions = list(client.list_properties_of_key_versions("docs"))
    assert [found.version for found in versions] == [
        key.properties.version for key in (made, second, third)
    ]
    changed = client.update_key_properties("docs", tags={"of": "papers"})
    assert changed.properties.tags == {"of": "papers"}
    policy = KeyRotationPolicy(expires_in="P90D")
    client.update_key_rotation_policy("docs", policy)
    assert client.get_key_rotation_policy("docs").expires_in == "P90D"
    with refused(404, "KeyNotFound"):
        client.get_key("none")

    # A disabled key still encrypts, wraps and verifies.
    wrapped = using(client, third).wrap_key(KeyWrapAlgorithm.rsa_oaep_256, b"k" * 32)
    client.update_key_properties("docs", third.properties.version, enabled=False)
    assert not client.get_key("docs").properties.enabled
    again = using(client, third).wrap_key(KeyWrapAlgorithm.rsa_oaep_256, b"k" * 32)
    with refused(403, "Forbidden", "KeyDisabled"):
        using(client, third).unwrap_key(KeyWrapAlgorithm.rsa_oaep_256, wrapped.encrypted_key)
    client.update_key_properties("docs", third.properties.version, enabled=True)
    for one in (wrapped, again):
        opened = using(client, third).unwrap_key(KeyWrapAlgorithm.rsa_oaep_256, one.encrypted_key)
        assert opened.key == b"k" * 32

    only = client.create_rsa_key("only", key_operations=["sign", "verify"])
    with refused(403, "Forbidden", "KeyOperationForbidden"):
        using(client, only).wrap_key(KeyWrapAlgorithm.rsa_oaep_256, b"k" * 32)
    saved = client.backup_key("only")
    gone = client.begin_delete_key("only").result()
    assert gone.recovery_id and gone.scheduled_purge_date
    with refused(404, "KeyNotFound"):
        client.get_key("only")
    with refused(409, "Conflict", "ObjectIsDeletedButRecoverable"):
        client.create_rsa_key("only")
    assert client.get_deleted_key("only").name == "only"
    assert [found.name for found in client.list_deleted_keys()] == ["only"]
    assert client.begin_recover_deleted_key("only").result().id == only.id
    client.begin_delete_key("only").result()
    client.purge_deleted_key("only")
    assert client.restore_key_backup(saved).id == only.id

    for number in range(30):
        client.create_ec_key(f"many-{number}")
    listed = [found.name for found in client.list_properties_of_keys()]
    assert len(listed) == len(set(listed)) == 32
    assert emulator.calls("GET keys") == 2


def encryption(client):
    key = client.get_key("docs")
    crypto = using(client, key)
    public = rsa.RSAPublicNumbers(
        int.from_bytes(key.key.e, "big"), int.from_bytes(key.key.n, "big")
    ).public_key()
    algorithms = {
        "rsa_oaep": padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None),
        "rsa_oaep_256": padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None),
    }
    for name, form in algorithms.items():
        algorithm = getattr(EncryptionAlgorithm, name)
        for sealed in (
            crypto.encrypt(algorithm, b"secret").ciphertext,
            public.encrypt(b"secret", form),
        ):
            assert crypto.decrypt(algorithm, sealed).plaintext == b"secret"
        wrapping = getattr(KeyWrapAlgorithm, name)
        wrapped = crypto.wrap_key(wrapping, b"k" * 32)
        assert wrapped.key_id == key.id
        assert crypto.unwrap_key(wrapping, wrapped.encrypted_key).key == b"k" * 32
        with refused(400, "BadParameter"):
            crypto.unwrap_key(wrapping, bytes(256))
    # The kit with its own cryptography opens and makes the same.
    local = CryptographyClient(key, secret_of(), **{k: v for k, v in HERE.items() if k != "vault_url"})
    sealed = local.encrypt(EncryptionAlgorithm.rsa_oaep_256, b"secret").ciphertext
    assert crypto.decrypt(EncryptionAlgorithm.rsa_oaep_256, sealed).plaintext == b"secret"

    # Of a Managed HSM.
    key = client.create_oct_key("symmetric", size=256, hardware_protected=True)
    crypto = using(client, key)
    sealed = crypto.encrypt(
        EncryptionAlgorithm.a256_gcm, b"secret", additional_authenticated_data=b"app=keyfold"
    )
    rest = {
        "iv": sealed.iv,
        "authentication_tag": sealed.tag,
        "additional_authenticated_data": b"app=keyfold",
    }
    opened = crypto.decrypt(EncryptionAlgorithm.a256_gcm, sealed.ciphertext, **rest)
    assert opened.plaintext == b"secret"
    for wrong in (
        {"additional_authenticated_data": b"another"},
        {"iv": bytes(12)},
        {"authentication_tag": bytes(16)},
    ):
        with refused(400, "BadParameter"):
            crypto.decrypt(EncryptionAlgorithm.a256_gcm, sealed.ciphertext, **(rest | wrong))
    wrapped = crypto.wrap_key(KeyWrapAlgorithm.aes_256, b"k" * 32).encrypted_key
    assert crypto.unwrap_key(KeyWrapAlgorithm.aes_256, wrapped).key == b"k" * 32
    assert len(client.get_random_bytes(33)) == 33
    with refused(400, "BadParameter"):
        client.get_random_bytes(129)


def verified(key, algorithm, signature, message, hashed):
    """Whether a signature holds, for somebody who has the public half only."""
    number = lambda data: int.from_bytes(data, "big")
    if algorithm.startswith("ES"):
        curves = {"P-256": ec.SECP256R1(), "P-384": ec.SECP384R1(), "P-521": ec.SECP521R1()}
        curve = curves.get(key.key.crv, ec.SECP256K1())
        public = ec.EllipticCurvePublicNumbers(number(key.key.x), number(key.key.y), curve)
        half = len(signature) // 2
        r, s = number(signature[:half]), number(signature[half:])
        der = utils.encode_dss_signature(r, s)
        public.public_key().verify(der, message, ec.ECDSA(hashed))
        return
    public = rsa.RSAPublicNumbers(number(key.key.e), number(key.key.n)).public_key()
    if algorithm.startswith("PS"):
        form = padding.PSS(padding.MGF1(hashed), hashed.digest_size)
    else:
        form = padding.PKCS1v15()
    public.verify(signature, message, form, hashed)


def signatures(client):
    message = b"report"
    curves = {
        "ES256": KeyCurveName.p_256,
        "ES384": KeyCurveName.p_384,
        "ES512": KeyCurveName.p_521,
        "ES256K": KeyCurveName.p_256_k,
    }
    made = {name: client.create_ec_key(name, curve=curve) for name, curve in curves.items()}
    shared = client.create_rsa_key("signs", size=3072)
    made |= {f"{kind}{bits}": shared for kind in ("RS", "PS") for bits in DIGESTS}
    for name, key in made.items():
        hashed = DIGESTS[int(name.strip("RSPEK"))]
        digest = hashlib.new(hashed.name, message).digest()
        crypto, algorithm = using(client, key), SignatureAlgorithm(name)
        signature = crypto.sign(algorithm, digest).signature
        verified(key, name, signature, message, hashed)
        assert crypto.verify(algorithm, digest, signature).is_valid
        assert not crypto.verify(algorithm, digest[::-1], signature).is_valid
        assert not crypto.verify(algorithm, digest, signature[:-1] + b"\0").is_valid or (
            signature[-1] == 0
        )
        with refused(400, "BadParameter"):
            crypto.sign(algorithm, b"short")
    with refused(400, "BadParameter"):
        using(client, made["ES256"]).sign(SignatureAlgorithm.es384, bytes(48))

    # Made elsewhere.
    own = rsa.generate_private_key(65537, 2048)
    numbers = own.private_numbers()
    data = lambda number: number.to_bytes((number.bit_length() + 7) // 8, "big")
    imported = client.import_key(
        "own",
        JsonWebKey(
            kty="RSA",
            n=data(numbers.public_numbers.n),
            e=data(numbers.public_numbers.e),
            d=data(numbers.d),
            p=data(numbers.p),
            q=data(numbers.q),
            dp=data(numbers.dmp1),
            dq=data(numbers.dmq1),
            qi=data(numbers.iqmp),
        ),
    )
    digest = hashlib.sha256(message).digest()
    signature = using(client, imported).sign(SignatureAlgorithm.rs256, digest).signature
    own.public_key().verify(signature, message, padding.PKCS1v15(), hashes.SHA256())


def secrets(credential):
    client = SecretClient(credential=credential, **HERE)
    first = client.set_secret("db", "correct horse", content_type="text/plain", tags={"a": "b"})
    assert first.id == f"{VAULT}/secrets/db/{first.properties.version}"
    second = client.set_secret("db", "battery staple")
    assert client.get_secret("db").value == "battery staple"
    assert client.get_secret("db", first.properties.version).value == "correct horse"
    listed = [found.version for found in client.list_properties_of_secret_versions("db")]
    assert listed == [first.properties.version, second.properties.version]
    client.update_secret_properties("db", second.properties.version, enabled=False)
    with refused(403, "Forbidden", "SecretDisabled"):
        client.get_secret("db")
    client.update_secret_properties("db", second.properties.version, enabled=True)
    changed = client.update_secret_properties("db", content_type="text/x")
    assert changed.content_type == "text/x"
    saved = client.backup_secret("db")
    client.begin_delete_secret("db").result()
    with refused(404, "SecretNotFound"):
        client.get_secret("db")
    with refused(409, "Conflict", "ObjectIsDeletedButRecoverable"):
        client.set_secret("db", "x")
    assert client.get_deleted_secret("db").name == "db"
    assert [found.name for found in client.list_deleted_secrets()] == ["db"]
    client.begin_recover_deleted_secret("db").wait()
    assert client.get_secret("db").value == "battery staple"
    client.begin_delete_secret("db").wait()
    client.purge_deleted_secret("db")
    client.restore_secret_backup(saved)
    assert client.get_secret("db").value == "battery staple"
    for number in range(26):
        client.set_secret(f"s-{number}", "x")
    assert len({found.name for found in client.list_properties_of_secrets()}) == 27


class Fixed:
    """A token that somebody else has got."""

    def __init__(self, token):
        self.token = token

    def get_token(self, *scopes, **_):
        return AccessToken(self.token, 2**40)


def login_refused(credential, code):
    """Expects that no token is given out."""
    with emulator.refused(
        ClientAuthenticationError, code, lambda error: code if code in str(error) else str(error)
    ):
        keys_of(credential).get_key("docs")


def logins():
    """Every way to a token, and what each must refuse."""
    scope = "https://vault.azure.net/.default"
    keys_of(certificate_of("EMULATOR_CLIENT_CERTIFICATE")).get_key("docs")
    login_refused(secret_of(emulator.WRONG), "AADSTS7000215")
    login_refused(secret_of(client="00000000-0000-0000-0000-000000000000"), "AADSTS700016")
    login_refused(certificate_of("EMULATOR_OTHER_CERTIFICATE"), "AADSTS700027")
    for offset in (4000, -4000):
        with emulator.clock(offset):
            login_refused(certificate_of("EMULATOR_CLIENT_CERTIFICATE"), "AADSTS700024")

    # Of a machine, and of an app service.
    keys_of(ManagedIdentityCredential()).get_key("docs")
    os.environ["IDENTITY_ENDPOINT"] = os.environ["EMULATOR_IDENTITY_ENDPOINT"]
    os.environ["IDENTITY_HEADER"] = os.environ["EMULATOR_IDENTITY_HEADER"]
    keys_of(ManagedIdentityCredential()).get_key("docs")
    os.environ["IDENTITY_HEADER"] = emulator.WRONG
    try:
        ManagedIdentityCredential().get_token(scope)
        raise AssertionError("not refused")
    except ClientAuthenticationError:
        pass

    kept = secret_of().get_token(scope).token
    keys_of(Fixed(kept)).get_key("docs")
    with refused(401, "Unauthorized"):
        keys_of(Fixed("another")).get_key("docs")
    with emulator.clock(4000), refused(401, "Unauthorized"):
        keys_of(Fixed(kept)).get_key("docs")
    keys_of(Fixed(kept)).get_key("docs")
    emulator.expire_tokens()
    with refused(401, "Unauthorized"):
        keys_of(Fixed(kept)).get_key("docs")


def refusals(client):
    counted = "GET keys/{name}/{version}"
    emulator.throttle(1)
    with refused(429, "Throttled"):
        client.get_key("docs")
    patient = keys_of(secret_of(), retry_total=3, retry_backoff_factor=0)
    patient.get_key("docs")
    before = emulator.calls(counted)
    emulator.throttle(1)
    # The kit waits as long as it is told to.
    assert patient.get_key("docs").name == "docs"
    assert emulator.calls(counted) == before + 2
    emulator.fault("unavailable")
    with refused(503, "ServiceUnavailable"):
        client.get_key("docs")
    # An older version of the protocol.
    assert keys_of(secret_of(), api_version=ApiVersion.V7_4).get_key("docs").name == "docs"


def main():
    client = keys_of(secret_of())
    keys(client)
    encryption(client)
    signatures(client)
    secrets(secret_of())
    refusals(client)
    logins()


if __name__ == "__main__":
    main()
