"""The guides of docs/providers: what their Python does before with the vendor's own kit, and after
with keyfold, against the emulator. Its argument is the name of a page."""

import json
import os
import re
import sys
import tempfile
from pathlib import Path

import emulator

DOCS = Path(__file__).resolve().parents[3] / "docs"
PLAIN = b"a report of last year" * 100


def snippets(page):
    found = re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), re.S)
    assert found, f"{page} shows no Python"
    return found


def put(code, shown, used):
    """The code with what is true of the emulator in the place of what is true of the vendor."""
    assert shown in code, f"the guide does not say {shown!r} any more"
    return code.replace(shown, used)


class Tencent:
    places = {"tencent://ap-guangzhou": {"keys": emulator.URL, "secrets": emulator.URL}}

    def before(self, code):
        profile = "ClientProfile(httpProfile=HttpProfile(protocol='http', endpoint=HOST))"
        code = put(code, '(who, "ap-guangzhou")', f'(who, "ap-guangzhou", {profile})')
        return (
            "from tencentcloud.common.profile.client_profile import ClientProfile\n"
            "from tencentcloud.common.profile.http_profile import HttpProfile\n" + code
        )

    def key(self, names):
        request = names["models"].CreateKeyRequest()
        request.Alias = "docs"
        return names["kms"].CreateKey(request).KeyId


class Huawei:
    places = {"huawei://cn-north-4": {"keys": emulator.URL, "secrets": emulator.URL}}

    def before(self, code):
        return put(code, 'with_region(KmsRegion.value_of("cn-north-4"))', "with_endpoint(URL)")

    def key(self, names):
        from huaweicloudsdkkms.v2 import CreateKeyRequest, CreateKeyRequestBody

        body = CreateKeyRequestBody(key_alias="docs")
        return names["kms"].create_key(CreateKeyRequest(body=body)).key_info.key_id


class Alibaba:
    places = {"alibaba://cn-hangzhou": {"keys": emulator.URL, "secrets": emulator.URL}}

    def before(self, code):
        return put(
            code, 'endpoint="kms.cn-hangzhou.aliyuncs.com"', 'endpoint=HOST, protocol="HTTP"'
        )

    def key(self, names):
        from alibabacloud_kms20160120.models import CreateKeyRequest

        return names["kms"].create_key(CreateKeyRequest()).body.key_metadata.key_id


class Vault:
    places = {"vault://transit": {"keys": emulator.URL}}

    def before(self, code):
        return code

    def key(self, names):
        names["transit"].create_key("docs")


class Azure:
    places = {"azure://my-vault": {"keys": emulator.URL, "secrets": emulator.URL}}

    def before(self, code):
        os.environ["REQUESTS_CA_BUNDLE"] = os.environ["EMULATOR_CERTIFICATE"]
        here = "credential, verify_challenge_resource=False)"
        code = put(code, "DefaultAzureCredential())", here)
        code = put(code, "https://my-vault.vault.azure.net", emulator.URL)
        return (
            "from azure.identity import EnvironmentCredential\n"
            "credential = EnvironmentCredential(disable_instance_discovery=True)\n" + code
        )

    def key(self, names):
        names["vault"].create_rsa_key(names["KEY"], size=2048)


class Google:
    places = {"google://projects": {"keys": emulator.URL, "secrets": emulator.URL}}

    def before(self, code):
        import google.auth.credentials
        import google.cloud.kms_v1 as kms
        from google.cloud.kms_v1.services.key_management_service.transports import (
            KeyManagementServiceRestTransport,
        )
        from google.oauth2 import service_account

        # Over REST, and as the emulator's account: the kit itself and Tink speak gRPC.
        account = Path("account.json")
        account.write_text(os.environ["EMULATOR_SERVICE_ACCOUNT"])
        os.environ["GOOGLE_APPLICATION_CREDENTIALS"] = str(account.resolve())
        credentials = service_account.Credentials.from_service_account_info(
            json.loads(os.environ["EMULATOR_SERVICE_ACCOUNT"]),
            scopes=["https://www.googleapis.com/auth/cloudkms"],
        )
        client = kms.KeyManagementServiceClient

        def over_rest(**_ignored):
            transport = KeyManagementServiceRestTransport(
                host=emulator.URL, credentials=credentials
            )
            return client(transport=transport)

        kms.KeyManagementServiceClient = over_rest
        project = os.environ["GOOGLE_CLOUD_PROJECT"]
        location = f"projects/{project}/locations/global"
        service = over_rest()
        service.create_key_ring(
            request={"parent": location, "key_ring_id": "ring", "key_ring": {}}
        )
        made = service.create_crypto_key(
            request={
                "parent": f"{location}/keyRings/ring",
                "crypto_key_id": "docs",
                "crypto_key": {"purpose": kms.CryptoKey.CryptoKeyPurpose.ENCRYPT_DECRYPT},
            }
        )
        return put(code, "projects/P/locations/L/keyRings/R/cryptoKeys/K", made.name)

    def key(self, names):
        pass


GUIDES = {
    guide.__name__.lower(): guide
    for guide in (Tencent, Huawei, Alibaba, Vault, Azure, Google)
}


def keyfold_here(places):
    """keyfold, whose KMSs are at the emulator; `None`, with the reason, where it is not there."""
    try:
        import keyfold

        keyfold.RouterKms
    except (ImportError, AttributeError) as error:
        print(f"skipped: what comes after, with keyfold: {error}")
        return None
    certificate = os.environ.get("EMULATOR_CERTIFICATE")
    settings = {"ca": Path(certificate).read_bytes()} if certificate else {}
    remote = keyfold.RemoteKms
    keyfold.RemoteKms = lambda uri: remote(uri, places=places, **settings)
    return keyfold


def main(page):
    guide = GUIDES[page]()
    before, *after = snippets(f"providers/{page}.md")
    names = {"URL": emulator.URL, "HOST": emulator.HOST}
    exec(compile(guide.before(before), f"{page}.md", "exec"), names)
    if key := guide.key(names):
        names["KEY"] = key
    Path("archive").mkdir()
    for number in range(3):
        Path(f"archive/{number}").write_bytes(names["old_encrypt"](PLAIN))
    assert names["old_decrypt"](Path("archive/0").read_bytes()) == PLAIN
    if keyfold_here(guide.places) is None:
        return
    (convert,) = (code for code in snippets("providers.md") if "def convert" in code)
    exec(compile(convert, "providers.md", "exec"), names)
    for code in after:
        exec(compile(code, f"{page}.md", "exec"), names)
    for number in range(3):
        stored = Path(f"archive/{number}").read_bytes()
        assert stored.startswith(b"KFE") and names["client"].decrypt(stored) == PLAIN
    print(f"{page}: {len(after) + 1} snippets")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        main(sys.argv[1])
