"""Huawei Cloud's own kit against the emulator: every operation, then what must be refused."""

import hashlib
import json
import os
import urllib.error
import urllib.request

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkcore.exceptions.exceptions import ServiceResponseException
from huaweicloudsdkcore.http.http_config import HttpConfig
from huaweicloudsdkcore.retry.backoff_strategy import BackoffStrategies
from huaweicloudsdkcsms import v1 as csms_api
from huaweicloudsdkkms import v2 as kms_api

import emulator
from emulator import b64, unb64

PROJECT = os.environ["HUAWEICLOUD_SDK_PROJECT_ID"]
AAD = hashlib.sha256(b"the context").hexdigest()
OAEP = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)


class Client:
    """Calls operations by their names, with the members of a body and of a path as keywords."""

    def __init__(self, api, client, **settings):
        ak = settings.pop("ak", os.environ["HUAWEICLOUD_SDK_AK"])
        sk = settings.pop("sk", os.environ["HUAWEICLOUD_SDK_SK"])
        who = BasicCredentials(ak, sk, PROJECT)
        if token := settings.pop("security_token", None):
            who = who.with_security_token(token)
        if derived := settings.pop("derived", None):
            who = who.with_derived_predicate(BasicCredentials.get_default_derived_predicate())
        builder = client.new_builder().with_credentials(who)
        builder = builder.with_http_config(HttpConfig.get_default_config())
        if derived:
            builder = builder.with_derived_auth_service_name("kms")
        self.client, self.api = builder.with_endpoint(emulator.URL).build(), api
        assert not settings, settings

    def request(self, operation, members):
        names = "".join(word.capitalize() for word in operation.split("_"))
        request = getattr(self.api, f"{names}Request")()
        body = request.openapi_types.get("body")
        for name in list(members):
            if name in request.openapi_types:
                setattr(request, name, members.pop(name))
        if body:
            body = getattr(self.api, body)()
            for name, value in members.items():
                assert name in body.openapi_types, f"{name} is no member of {operation}"
                setattr(body, name, value)
            request.body = body
        else:
            assert not members, members
        return request

    def __getattr__(self, operation):
        def call(**members):
            return getattr(self.client, operation)(self.request(operation, members))

        return call


def kms(**settings):
    return Client(kms_api, kms_api.KmsClient, **settings)


def csms(**settings):
    return Client(csms_api, csms_api.CsmsClient, **settings)


def refused(code):
    return emulator.refused(ServiceResponseException, code, lambda error: error.error_code)


def keys(client):
    made = client.create_key(key_alias="docs", key_description="documents").key_info
    key = made.key_id
    assert len(key) == 36 and made.domain_id
    with refused("KMS.1104"):
        client.create_key(key_alias="docs")
    found = client.list_key_detail(key_id=key).key_info
    assert (found.key_alias, found.key_spec, found.key_state) == ("docs", "AES_256", "2")
    assert (found.key_usage, found.origin) == ("ENCRYPT_DECRYPT", "kms")
    assert int(found.creation_date) > 10**11
    changed = client.update_key_alias(key_id=key, key_alias="papers").key_info
    assert (changed.key_id, changed.key_alias) == (key, "papers")
    changed = client.update_key_description(key_id=key, key_description="all papers").key_info
    assert changed.key_description == "all papers"
    other = client.create_key(key_alias="other").key_info.key_id

    assert client.disable_key(key_id=key).key_info.key_state == "3"
    with refused("KMS.1301"):
        client.disable_key(key_id=key)
    with refused("KMS.0209"):
        client.encrypt_data(key_id=key, plain_text="x")
    assert client.enable_key(key_id=key).key_info.key_state == "2"
    with refused("KMS.1401"):
        client.delete_key(key_id=other, pending_days="6")
    gone = client.delete_key(key_id=other, pending_days="1096")
    assert (gone.key_id, gone.key_state) == (other, "4")
    with refused("KMS.0210"):
        client.encrypt_data(key_id=other, plain_text="x")
    assert client.cancel_key_deletion(key_id=other).key_state == "3"
    with refused("KMS.1501"):
        client.cancel_key_deletion(key_id=other)

    assert client.show_key_rotation_status(key_id=key).key_rotation_enabled is False
    client.enable_key_rotation(key_id=key)
    client.update_key_rotation_interval(key_id=key, rotation_interval=30)
    before = client.encrypt_data(key_id=key, plain_text="before").cipher_text
    assert client.rotate_on_demand(key_id=key).key_id == key
    rotation = client.show_key_rotation_status(key_id=key)
    assert (rotation.key_rotation_enabled, rotation.rotation_interval) == (True, 30)
    assert rotation.number_of_rotations == 1
    assert client.decrypt_data(cipher_text=before).plain_text == "before"
    client.disable_key_rotation(key_id=key)

    named = client.create_alias(key_id=key, alias="alias/docs")
    assert (named.key_id, named.alias) == (key, "alias/docs") and named.alias_urn
    sealed = client.encrypt_data(key_id="alias/docs", plain_text="by name").cipher_text
    assert client.decrypt_data(cipher_text=sealed).key_id == key
    client.create_alias(key_id=key, alias="alias/more")
    client.enable_key(key_id=other)
    assert client.associate_alias(alias="alias/more", target_key_id=other).key_id == other
    assert client.list_key_detail(key_id="alias/more").key_info.key_id == other
    client.delete_alias(key_id=other, aliases=["alias/more"])
    with refused("KMS.0207"):
        client.list_key_detail(key_id="alias/more")
    assert client.list_aliases(key_id=key).body[0].aliases[0].alias == "alias/docs"

    for number in range(7):
        client.create_key(key_alias=f"many-{number}")
    listed, marker = [], None
    while True:
        more = {"marker": marker} if marker else {}
        page = client.list_keys(limit="4", **more)
        listed += page.keys
        marker = page.next_marker
        assert page.truncated == ("true" if marker else "false")
        if not marker:
            break
    assert len(listed) == len(set(listed)) == page.total == 9
    assert client.show_user_instances().instance_num == 9
    assert client.show_user_quotas().quotas.resources[0].used == 9
    return key


def encryption(client, key):
    bound = {"additional_authenticated_data": AAD}
    sealed = client.encrypt_data(key_id=key, plain_text="attack at dawn", **bound)
    assert sealed.key_id == key
    opened = client.decrypt_data(cipher_text=sealed.cipher_text, **bound)
    assert (opened.key_id, opened.plain_text) == (key, "attack at dawn")
    assert unb64(opened.plain_text_base64) == b"attack at dawn"
    for wrong in ({"additional_authenticated_data": "another"}, {}):
        with refused("KMS.2201"):
            client.decrypt_data(cipher_text=sealed.cipher_text, **wrong)
    with refused("KMS.0311"):
        client.decrypt_data(cipher_text=b64(b"x" * 200))
    with refused("KMS.0208"):
        client.encrypt_data(key_id=key, plain_text="x", additional_authenticated_data="x" * 129)
    longest = client.encrypt_data(key_id=key, plain_text="x" * 4096).cipher_text
    assert client.decrypt_data(cipher_text=longest).plain_text == "x" * 4096
    with refused("KMS.1901"):
        client.encrypt_data(key_id=key, plain_text="x" * 4097)

    to = client.create_key(key_alias="destination").key_info.key_id
    moved = client.re_encrypt(
        cipher_text=sealed.cipher_text,
        destination_key_id=to,
        source_additional_authenticated_data=AAD,
        destination_additional_authenticated_data="moved",
    )
    assert (moved.source_key_id, moved.key_id) == (key, to)
    again = {"additional_authenticated_data": "moved"}
    assert client.decrypt_data(cipher_text=moved.cipher_text, **again).key_id == to

    lengths = {
        32: {},
        16: {"key_spec": "AES_128"},
        64: {"datakey_length": "512"},
        1024: {"datakey_length": "8192"},
    }
    for length, wanted in lengths.items():
        made = client.create_datakey(key_id=key, **wanted, **bound)
        data_key = bytes.fromhex(made.plain_text)
        assert len(data_key) == length
        asked = {"key_id": key, "cipher_text": made.cipher_text}
        opened = client.decrypt_datakey(datakey_cipher_length=str(length), **asked, **bound)
        assert bytes.fromhex(opened.data_key) == data_key
        assert opened.datakey_length == str(length)
        assert opened.datakey_dgst == hashlib.sha256(data_key).hexdigest().upper()
    with refused("KMS.2202"):
        client.decrypt_datakey(datakey_cipher_length="32", **asked, **bound)
    with refused("KMS.2203"):
        asked = {"key_id": to, "cipher_text": made.cipher_text}
        client.decrypt_datakey(datakey_cipher_length="1024", **asked, **bound)
    with refused("KMS.0205"):
        client.create_datakey(key_id=key, datakey_length="12")
    alone = client.create_datakey_without_plaintext(key_id=key, datakey_length="256")
    asked = {"key_id": key, "cipher_text": alone.cipher_text, "datakey_cipher_length": "32"}
    assert len(bytes.fromhex(client.decrypt_datakey(**asked).data_key)) == 32

    own = hashlib.sha256(b"a data key of ours").digest()
    both = (own + hashlib.sha256(own).digest()).hex()
    asked = {"key_id": key, "datakey_plain_length": "32", **bound}
    wrapped = client.encrypt_datakey(plain_text=both, **asked)
    assert wrapped.datakey_length == "32"
    opened = client.decrypt_datakey(
        key_id=key, cipher_text=wrapped.cipher_text, datakey_cipher_length="32", **bound
    )
    assert bytes.fromhex(opened.data_key) == own
    with refused("KMS.2104"):
        client.encrypt_datakey(plain_text=(own + own).hex(), **asked)
    moved = client.re_encrypt(
        cipher_text=wrapped.cipher_text,
        destination_key_id=to,
        source_additional_authenticated_data=AAD,
        datakey_cipher_length="32",
    )
    opened = client.decrypt_datakey(
        key_id=to, cipher_text=moved.cipher_text, datakey_cipher_length="32"
    )
    assert bytes.fromhex(opened.data_key) == own
    assert len(bytes.fromhex(client.create_random(random_data_length="136").random_data)) == 17


def signatures(client):
    message = b"report"
    digests = {name: hashlib.new(f"sha{name}", message).digest() for name in (256, 384, 512)}
    algorithms = {
        "EC_P256": ["ECDSA_SHA_256"],
        "EC_P384": ["ECDSA_SHA_384"],
        "SECP256K1": ["ECDSA_SHA_256"],
        "RSA_2048": [
            f"RSASSA_{scheme}_SHA_{bits}" for scheme in ("PSS", "PKCS1_V1_5") for bits in digests
        ],
        "ED25519": ["ED25519_SHA_512"],
    }
    for spec, names in algorithms.items():
        made = client.create_key(key_alias=f"sign-{spec}", key_spec=spec, key_usage="SIGN_VERIFY")
        key = made.key_info.key_id
        pem = client.show_public_key(key_id=key).public_key
        spki = serialization.load_pem_public_key(pem.encode())
        for name in names:
            bits = int(name.split("_")[-1])
            hashed = {256: hashes.SHA256(), 384: hashes.SHA384(), 512: hashes.SHA512()}[bits]
            forms = [("RAW", message)]
            if spec != "ED25519":
                forms.append(("DIGEST", digests[bits]))
            for kind, what in forms:
                asked = {"key_id": key, "signing_algorithm": name, "message_type": kind}
                made = client.sign(message=b64(what), **asked).signature
                checked = client.validate_signature(message=b64(what), signature=made, **asked)
                assert checked.signature_valid == "true"
                wrong = b64(what[::-1])
                checked = client.validate_signature(message=wrong, signature=made, **asked)
                assert checked.signature_valid == "false"
                signature = unb64(made)
                if spec == "ED25519":
                    spki.verify(signature, message)
                elif name.startswith("ECDSA"):
                    spki.verify(signature, message, ec.ECDSA(hashed))
                elif "PSS" in name:
                    pss = padding.PSS(padding.MGF1(hashed), bits // 8)
                    spki.verify(signature, digests[bits], pss, Prehashed(hashed))
                else:
                    spki.verify(signature, message, padding.PKCS1v15(), hashed)
    with refused("KMS.0329"):
        # Where nothing is said, it is a digest.
        client.sign(key_id=key_of(client, "sign-EC_P256"), message=b64(b"short"),
                    signing_algorithm="ECDSA_SHA_256")
    with refused("KMS.1114"):
        client.create_key(key_alias="sm2", key_spec="SM2")

    key = client.create_key(key_alias="open", key_spec="RSA_3072").key_info.key_id
    asked = {"key_id": key, "encryption_algorithm": "RSAES_OAEP_SHA_256"}
    sealed = client.encrypt_data(plain_text="secret", **asked).cipher_text
    assert client.decrypt_data(cipher_text=sealed, **asked).plain_text == "secret"
    spki = serialization.load_pem_public_key(client.show_public_key(key_id=key).public_key.encode())
    opened = client.decrypt_data(cipher_text=b64(spki.encrypt(b"\xff\0", OAEP)), **asked)
    assert unb64(opened.plain_text_base64) == b"\xff\0"


def key_of(client, alias):
    for found in client.list_keys(key_spec="ALL").key_details:
        if found.key_alias == alias:
            return found.key_id
    raise KeyError(alias)


def imports(client):
    key = client.create_key(key_alias="external", origin="external").key_info.key_id
    assert client.list_key_detail(key_id=key).key_info.key_state == "5"
    with refused("KMS.0313"):
        client.create_datakey(key_id=key)
    asked = {"key_id": key, "wrapping_algorithm": "RSAES_OAEP_SHA_256"}
    given = client.create_parameters_for_import(**asked)
    spki = serialization.load_der_public_key(unb64(given.public_key))
    wrapped = {"encrypted_key_material": b64(spki.encrypt(b"m" * 32, OAEP))}
    client.import_key_material(key_id=key, import_token=given.import_token, **wrapped)
    assert client.list_key_detail(key_id=key).key_info.key_state == "2"
    client.delete_imported_key_material(key_id=key)
    wrong = {"encrypted_key_material": b64(spki.encrypt(b"n" * 32, OAEP))}
    with refused("KMS.2601"):
        client.import_key_material(key_id=key, import_token=given.import_token, **wrong)
    client.import_key_material(key_id=key, import_token=given.import_token, **wrapped)


def grants(client, key):
    asked = {"key_id": key, "grantee_principal": "13gg44z4g2sglzk0egw0u726zoyzvrs8"}
    made = [
        client.create_grant(operations=["create-datakey", "describe-key"], **asked).grant_id
        for _ in range(3)
    ]
    assert all(len(grant) == 64 for grant in made)
    with refused("KMS.2401"):
        client.create_grant(operations=["everything"], **asked)
    first = client.list_grants(key_id=key, limit="2")
    assert (first.truncated, first.total, len(first.grants)) == ("true", 3, 2)
    last = client.list_grants(key_id=key, limit="2", marker=first.next_marker)
    assert [grant.grant_id for grant in first.grants + last.grants] == made
    client.cancel_grant(key_id=key, grant_id=made[0])
    client.cancel_self_grant(key_id=key, grant_id=made[1])
    with refused("KMS.3901"):
        client.cancel_grant(key_id=key, grant_id=made[0])
    assert client.list_grants(key_id=key).total == 1
    assert client.list_retirable_grants().total == 0


def secrets(client, key):
    made = client.create_secret(name="db", secret_string="correct horse", kms_key_id=key).secret
    assert (made.name, made.state, made.kms_key_id) == ("db", "ENABLED", key)
    with refused("CSMS.0101"):
        client.create_secret(name="db", secret_string="x")
    latest = {"secret_name": "db", "version_id": "latest"}
    read = client.show_secret_version(**latest).version
    assert (read.secret_string, read.secret_binary) == ("correct horse", None)
    assert read.version_metadata.version_stages == ["SYSCURRENT"]
    first = read.version_metadata.id
    added = client.create_secret_version(secret_name="db", secret_binary=b64(b"\0\xff"))
    second = added.version_metadata.id
    assert unb64(client.show_secret_version(**latest).version.secret_binary) == b"\0\xff"
    listed = client.list_secret_versions(secret_name="db").version_metadatas
    assert [(found.id, found.version_stages) for found in listed] == [
        (first, ["SYSPREVIOUS"]),
        (second, ["SYSCURRENT"]),
    ]
    stage = {"secret_name": "db", "stage_name": "blue"}
    assert client.update_secret_stage(version_id=first, **stage).stage.version_id == first
    assert client.show_secret_stage(**stage).stage.version_id == first
    client.delete_secret_stage(**stage)
    with refused("CSMS.0207"):
        client.show_secret_stage(**stage)
    client.update_secret_stage(version_id=first, secret_name="db", stage_name="SYSCURRENT")
    assert client.show_secret_version(**latest).version.secret_string == "correct horse"
    changed = client.update_secret(secret_name="db", description="of the database").secret
    assert changed.description == "of the database"
    with refused("CSMS.0206"):
        client.show_secret_version(secret_name="db", version_id="v9")
    gone = client.delete_secret_for_schedule(secret_name="db", recovery_window_in_days=7).secret
    assert gone.state == "PENDING_DELETE" and gone.scheduled_delete_time
    with refused("CSMS.0103"):
        client.show_secret_version(**latest)
    assert client.restore_secret(secret_name="db").secret.state == "ENABLED"
    for number in range(4):
        client.create_secret(name=f"s-{number}", secret_string="x")
    page = client.list_secrets(limit="3")
    more = client.list_secrets(limit="3", marker=page.page_info.next_marker)
    assert len({secret.name for secret in page.secrets + more.secrets}) == 5
    assert more.page_info.next_marker is None
    client.delete_secret(secret_name="db")
    with refused("CSMS.0205"):
        client.show_secret(secret_name="db")
    assert len(client.generate_random_password(length=20).password) == 20


def token(client, key):
    """The kit has no way to use a token of IAM: plain HTTP."""

    def ask(path, body, headers):
        data = json.dumps(body).encode()
        headers = {"Content-Type": "application/json", **headers}
        request = urllib.request.Request(emulator.URL + path, data, headers, method="POST")
        try:
            with urllib.request.urlopen(request) as reply:
                return reply.status, dict(reply.headers), json.load(reply)
        except urllib.error.HTTPError as error:
            return error.code, dict(error.headers), json.load(error)

    def login(password):
        user = {
            "name": os.environ["EMULATOR_IAM_USER"],
            "password": password,
            "domain": {"name": "keyfold"},
        }
        identity = {"methods": ["password"], "password": {"user": user}}
        scope = {"project": {"name": os.environ["HUAWEICLOUD_SDK_REGION_ID"]}}
        return ask("/v3/auth/tokens", {"auth": {"identity": identity, "scope": scope}}, {})

    assert login("wrong")[0] == 401
    status, headers, _ = login(os.environ["EMULATOR_IAM_PASSWORD"])
    assert status == 201
    given = {"X-Auth-Token": {name.lower(): value for name, value in headers.items()}["x-subject-token"]}
    path = f"/v1.0/{PROJECT}/kms/describe-key"
    status, _, body = ask(path, {"key_id": key}, given)
    assert (status, body["key_info"]["key_id"]) == (200, key)
    emulator.expire_tokens()
    status, _, body = ask(path, {"key_id": key}, given)
    assert (status, body["error"]["error_code"]) == (403, "KMS.0303")


def refusals(client, key):
    with refused("APIGW.0301"):
        kms(sk=emulator.WRONG).list_keys()
    with refused("APIGW.0301"):
        kms(ak="NOBODY").list_keys()
    for offset in (1000, -1000):
        with emulator.clock(offset), refused("APIGW.0301"):
            client.list_keys()
    with refused("KMS.0207"):
        client.list_key_detail(key_id="0d0466b0-e727-4d9c-b35d-f84bb474a37f")
    with refused("KMS.0203"):
        client.list_key_detail(key_id="short")
    with refused("APIGW.0101"):
        client.create_pin()
    temporary = {
        "ak": os.environ["EMULATOR_TEMPORARY_AK"],
        "sk": os.environ["EMULATOR_TEMPORARY_SK"],
    }
    current = os.environ["EMULATOR_SECURITY_TOKEN"]
    kms(security_token=current, **temporary).list_keys()
    with refused("APIGW.0301"):
        kms(security_token="another", **temporary).list_keys()
    token(client, key)
    with refused("APIGW.0301"):
        kms(security_token=current, **temporary).list_keys()

    emulator.throttle(1)
    with refused("APIGW.0308"):
        client.list_key_detail(key_id=key)
    before = emulator.calls("describe-key")
    emulator.throttle(2)
    request = client.request("list_key_detail", {"key_id": key})
    invoker = client.client.list_key_detail_invoker(request)
    condition = lambda reply, error: getattr(error, "status_code", 200) == 429
    invoker.with_retry(condition, 3, BackoffStrategies.NONE).invoke()
    assert emulator.calls("describe-key") == before + 3
    emulator.fault("unavailable")
    with refused("KMS.0101"):
        client.list_key_detail(key_id=key)


def older(client):
    """The older dialect, whose members the kit of today has forgotten: they are taught again."""
    for name in ("CreateDatakey", "DecryptDatakey", "EncryptDatakey", "EncryptData", "DecryptData"):
        body = getattr(kms_api, f"{name}RequestBody")
        body.openapi_types["encryption_context"] = "object"
        body.attribute_map["encryption_context"] = "encryption_context"
        body.encryption_context = None
    key = client.create_key(key_alias="older").key_info.key_id
    bound = {"encryption_context": {"tenant": "acme", "app": "keyfold"}}
    same = {"encryption_context": {"app": "keyfold", "tenant": "acme"}}
    for length in ("256", "384"):
        with refused("KMS.2001"):
            client.create_datakey(key_id=key, datakey_length=length)
    made = client.create_datakey(key_id=key, datakey_length="512", **bound)
    asked = {"key_id": key, "cipher_text": made.cipher_text, "datakey_cipher_length": "64"}
    assert client.decrypt_datakey(**asked, **same).data_key == made.plain_text
    with refused("KMS.2201"):
        client.decrypt_datakey(**asked)
    sealed = client.encrypt_data(key_id=key, plain_text="x", **bound).cipher_text
    assert client.decrypt_data(cipher_text=sealed, **same).plain_text == "x"
    with refused("KMS.0201"):
        client.encrypt_data(key_id=key, plain_text="x", additional_authenticated_data=AAD)


def main():
    client = kms()
    if os.environ["EMULATOR_DIALECT"] == "older":
        return older(client)
    key = keys(client)
    encryption(client, key)
    signatures(client)
    imports(client)
    grants(client, key)
    secrets(csms(), key)
    refusals(client, key)


if __name__ == "__main__":
    main()
