"""Every cloud through `keyfold.RemoteKms`, against emulators of their services."""

from __future__ import annotations

import asyncio
import json
import os
import pickle
import re
import subprocess
import urllib.error
import urllib.request

import keyfold
import pytest
from keyfold import aio
from keyfold import exceptions as errors

from home import Home, needs_command

EMULATOR = os.environ.get("KEYFOLD_EMULATOR")

needs_emulator = pytest.mark.skipif(
    not EMULATOR, reason="KEYFOLD_EMULATOR does not name the program keyfold-emulator"
)

#: The KMS of each cloud.
CLOUDS = {
    "tencent": "tencent://ap-guangzhou",
    "huawei": "huawei://cn-north-4",
    "alibaba": "alibaba://cn-hangzhou",
    "pingan": "pingan://cn-shanghai",
    "google": "google://projects/example-project/locations/global/keyRings/ring",
    "azure": "azure://docs-vault",
    "vault": "vault://transit",
}
CONTEXT = {"tenant": "acme"}


class Emulator:
    """A service of a vendor's on this machine."""

    def __init__(self, name):
        self.name = name
        self.process = subprocess.Popen(
            [EMULATOR, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        line = self.process.stdout.readline()
        assert line.startswith("listening on "), line
        self.url = line.split()[2]
        self.variables = {}
        for line in iter(self.process.stdout.readline, "ready\n"):
            assert line, "the emulator has ended"
            named = re.match(r"([A-Z][A-Z0-9_]*)=", line)
            if named:
                name_of_variable = named[1]
                self.variables[name_of_variable] = line[named.end() :].rstrip("\n")
            else:
                self.variables[name_of_variable] += "\n" + line.rstrip("\n")
        self.kms = CLOUDS[name]
        scheme, _, rest = self.kms.partition("://")
        place = f"{scheme}://{rest.partition('/')[0]}"
        self.places = {place: {"keys": self.url, "secrets": self.url}}

    def own(self):
        """The vendor's own variables for credentials."""
        return {
            name: value
            for name, value in self.variables.items()
            if name.startswith(VENDOR[self.name]) and "REGION" not in name and "IAM_" not in name
        }

    def control(self, method, path):
        request = urllib.request.Request(f"{self.url}/_emulator/{path}", method=method)
        with urllib.request.urlopen(request) as reply:
            body = reply.read()
        return json.loads(body) if body else None

    def calls(self):
        return sum(self.control("GET", "calls").values())

    def remote(self, **options):
        options.setdefault("credentials", self.credentials())
        return keyfold.RemoteKms(self.kms, places=self.places, **options)

    def credentials(self):
        return self.own()

    def stop(self):
        if self.process.poll() is None:
            self.process.stdin.close()
            self.process.wait(60)
            self.process.stdout.close()


#: How the variables with a vendor's credentials begin.
VENDOR = {
    "tencent": "TENCENTCLOUD_",
    "huawei": "HUAWEICLOUD_",
    "alibaba": "ALIBABA_CLOUD_",
    "pingan": "PINGAN_",
    "azure": ("AZURE_TENANT", "AZURE_CLIENT", "AZURE_AUTHORITY"),
    "google": "GOOGLE_APPLICATION",
    "vault": "VAULT_",
}


class Google(Emulator):
    """Its credentials are a file."""

    def __init__(self, folder):
        super().__init__("google")
        self.file = folder / "account.json"
        self.file.write_text(self.variables["EMULATOR_SERVICE_ACCOUNT"])

    def credentials(self):
        return {"GOOGLE_APPLICATION_CREDENTIALS": str(self.file)}


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    started = {}

    def start(name, fresh=False):
        if fresh or name not in started:
            folder = tmp_path_factory.mktemp(name)
            emulator = Google(folder) if name == "google" else Emulator(name)
            started[(name, len(started)) if fresh else name] = emulator
            return emulator
        return started[name]

    yield start
    for emulator in started.values():
        emulator.stop()


@pytest.fixture(autouse=True)
def nobody(monkeypatch, tmp_path):
    """No credentials of whoever runs the tests."""
    for name in list(os.environ):
        if name.startswith(
            ("TENCENTCLOUD_", "HUAWEICLOUD_", "ALIBABA_", "PINGAN_", "AZURE_", "VAULT_")
        ):
            monkeypatch.delenv(name)
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


def make_key(kms, name="docs", **options):
    if kms.url.startswith("azure:") and not options:
        # A vault has no keys of AES.
        options = {"spec": "RSA_2048", "usage": "ENCRYPT_DECRYPT"}
    return kms.create_key(f"alias/{name}" if kms.url.startswith("alibaba:") else name, **options)


@needs_emulator
@pytest.mark.parametrize("name", CLOUDS)
def test_a_round_trip(running, name):
    cloud = running(name)
    kms = cloud.remote()
    can = kms.capabilities()
    assert (can.scheme, kms.url) == (name, cloud.kms)
    key = make_key(kms, f"trip-{name}")
    assert key.startswith(f"{name}://")
    about = kms.describe_key(key)
    assert (about.key, about.enabled, about.usage) == (key, True, "ENCRYPT_DECRYPT")
    client = keyfold.Client(kms, keys=key, context=CONTEXT)
    before = cloud.calls()
    sealed = client.encrypt(b"data" * 1000)
    assert cloud.calls() - before <= can.calls_to_seal + 2
    assert client.decrypt(sealed) == b"data" * 1000
    fresh = keyfold.Client(kms, keys=key, context=CONTEXT)
    assert fresh.decrypt(sealed) == b"data" * 1000
    assert [recipient.key.scheme for recipient in keyfold.inspect(sealed).recipients] == [name]
    with pytest.raises(errors.ContextMismatch):
        fresh.decrypt(sealed, context={"tenant": "globex"})
    if can.context != "never":
        small = client.encrypt_small(b"+49 30 1234567")
        assert client.decrypt_small(small) == b"+49 30 1234567"
        with pytest.raises(errors.AuthenticationFailed):
            client.decrypt_small(small, context={"tenant": "globex"})
    if can.supports("disable key") and can.supports("enable key"):
        kms.disable_key(key)
        assert not kms.describe_key(key).enabled
        with pytest.raises(errors.KmsKeyUnavailable):
            keyfold.Client(kms, keys=key).encrypt(b"")
        kms.enable_key(key)
        assert kms.describe_key(key).enabled
    if can.supports("list keys"):
        assert key in kms.list_keys()
    if can.supports("put secret"):
        first = client.secrets.put("db-password", "correct horse")
        client.secrets.put("db-password", b"battery staple")
        assert client.secrets.get("db-password").expose() == b"battery staple"
        assert client.secrets.get_version("db-password", first).expose_text() == "correct horse"
        assert [secret.name for secret in client.secrets.list()] == ["db-password"]
        assert first in [version.id for version in client.secrets.versions("db-password", all=True)]
        with pytest.raises(errors.SecretNotFound):
            client.secrets.get("never")

    async def later():
        async with aio.Client(kms, keys=key, context=CONTEXT) as later:
            assert await later.decrypt(await later.encrypt(b"later")) == b"later"
            assert await later.decrypt(sealed) == b"data" * 1000

    asyncio.run(later())


@needs_emulator
@pytest.mark.parametrize("name", ["tencent", "huawei", "alibaba", "google", "azure", "vault"])
def test_signatures(running, name):
    kms = running(name).remote()
    key = make_key(kms, f"sign-{name}", spec="ECC_NIST_P256")
    assert kms.describe_key(key).spec == "ECC_NIST_P256"
    if name == "google":
        # There is no current version of a key that signs.
        key = keyfold.KeyUri(f"{key}/cryptoKeyVersions/1")
    client = keyfold.Client(kms)
    signature = client.sign(b"report", key=key, algorithm="ECDSA_SHA_256")
    client.verify(b"report", signature, key=key, algorithm="ECDSA_SHA_256")
    with pytest.raises(errors.SignatureInvalid):
        client.verify(b"forged", signature, key=key, algorithm="ECDSA_SHA_256")
    client.public_key(key).verify(b"report", signature, algorithm="ECDSA_SHA_256")


@needs_emulator
def test_one_envelope_of_three_clouds_opens_with_any_of_them(running):
    clouds = [running(name, fresh=True) for name in ("tencent", "huawei", "azure")]
    each = {cloud.kms: cloud.remote(retries=0) for cloud in clouds}
    routes = {f"{name}/": kms for name, kms in each.items()}
    kms = keyfold.RouterKms(routes, otherwise=keyfold.EmbeddedKms.in_memory())
    assert repr(kms).startswith("RouterKms(")
    assert kms.routes == routes
    keys = [make_key(one) for one in each.values()]
    before = [cloud.calls() for cloud in clouds]
    client = keyfold.Client(kms, keys=keys, context=CONTEXT)
    envelopes = [client.encrypt(b"%d" % number) for number in range(100)]
    # One call each for all of them; Azure looks at a key before it wraps.
    assert [cloud.calls() - was for cloud, was in zip(clouds, before)] == [1, 1, 2]
    moved = client.rewrap(envelopes[7], to_keys=keys[1:])
    header = keyfold.inspect(moved).header_length
    assert moved[header:] == envelopes[7][keyfold.inspect(envelopes[7]).header_length :]
    clouds[0].stop()
    clouds[1].stop()
    fresh = keyfold.Client(kms, keys=keys, context=CONTEXT, cache=None)
    assert fresh.decrypt(envelopes[42]) == b"42"
    assert fresh.decrypt(moved) == b"7"
    with pytest.raises(errors.NoUsableKey):
        fresh.decrypt(envelopes[42], keys=keys[:2])

    async def later():
        async with aio.Client(kms, keys=keys, context=CONTEXT, cache=None) as later:
            assert await later.decrypt(envelopes[99]) == b"99"

    asyncio.run(later())
    with pytest.raises(errors.InvalidArgument, match="there is no KMS for"):
        keyfold.Client(keyfold.RouterKms(routes), keys="keyfold:alias/x").encrypt(b"")
    for wrong in [{"tencent": each[clouds[0].kms]}, {"tencent://x/": object()}]:
        with pytest.raises((errors.InvalidArgument, TypeError)):
            keyfold.RouterKms(wrong)


@needs_emulator
def test_who_calls(running, monkeypatch, tmp_path):
    cloud = running("tencent")
    own = cloud.own()
    key = make_key(cloud.remote(), "who")

    def opens(**options):
        kms = keyfold.RemoteKms(cloud.kms, places=cloud.places, **options)
        return bool(keyfold.Client(kms, keys=key).encrypt(b""))

    secret_id, secret_key = own["TENCENTCLOUD_SECRET_ID"], own["TENCENTCLOUD_SECRET_KEY"]
    lasting = keyfold.AccessKey(secret_id, secret_key)
    temporary = keyfold.AccessKey(
        cloud.variables["EMULATOR_TEMPORARY_SECRET_ID"],
        cloud.variables["EMULATOR_TEMPORARY_SECRET_KEY"],
        cloud.variables["EMULATOR_TEMPORARY_TOKEN"],
    )

    async def later():
        return lasting

    async def with_coroutine():
        kms = keyfold.RemoteKms(cloud.kms, places=cloud.places, credentials=later)
        with pytest.raises(TypeError):
            keyfold.Client(kms)
        async with aio.Client(kms, keys=key) as client:
            assert await client.encrypt(b"")

    assert opens(credentials=lasting)
    assert opens(credentials=temporary)
    assert opens(credentials=lambda: lasting)
    assert opens(credentials={name: keyfold.Secret(value) for name, value in own.items()})
    asyncio.run(with_coroutine())
    with pytest.raises(errors.KmsDenied):
        opens(credentials=keyfold.AccessKey(secret_id, "x" * len(secret_key)))
    # Without any: the vendor's own variables, then its file.
    with pytest.raises(errors.KmsDenied, match="TENCENTCLOUD_SECRET_ID"):
        opens()
    for name, value in own.items():
        monkeypatch.setenv(name, value)
    assert opens()
    for name in own:
        monkeypatch.delenv(name)
    text = f"[work]\nsecret_id = {secret_id}\nsecret_key = {secret_key}\n"
    (tmp_path / "file").write_text("[default]\nsecret_id = A\nsecret_key = b\n" + text)
    assert opens(credentials_file=tmp_path / "file", credentials_profile="work")
    with pytest.raises(errors.KmsDenied):
        opens(credentials_file=tmp_path / "file")
    (tmp_path / ".tencentcloud").mkdir()
    (tmp_path / ".tencentcloud" / "credentials").write_text(text)
    assert opens(credentials_profile="work")


def test_what_does_not_count_is_refused():
    key = keyfold.AccessKey("AKID", "secret")
    for wrong in [
        {"credentials": {"TENCENTCLOUD_SECRET_ID": "A"}},
        {"credentials": {"TENCENTCLOUD_SECRET_ID": "A", "TENCENTCLOUD_SECRET_KEI": "b"}},
        {"credentials": {"AZURE_CLIENT_SECRET": "b"}},
        {"credentials": {}},
        {"credentials": key, "token": "token"},
        {"credentials": key, "credentials_file": "file"},
        {"credentials": key, "region": "ap-beijing"},
        {"credentials": key, "profile": "work"},
        {"credentials": key, "places": {"tencent://ap-guangzhou": {"network": "vpc"}}},
        {"credentials": key, "places": {"tencent://ap-guangzhou": {"keys": "http://example.com"}}},
        {"credentials": key, "places": {"tencent:office": {}}},
        {"credentials": key, "places": {"tencent://ap-guangzhou/key": {}}},
    ]:
        with pytest.raises(errors.InvalidArgument):
            keyfold.RemoteKms("tencent://ap-guangzhou", **wrong)
    for wrong in ["places", "credentials_file", "credentials_profile"]:
        with pytest.raises(errors.InvalidArgument, match=wrong):
            given = {"tencent://office": {}} if wrong == "places" else "x"
            keyfold.RemoteKms("aws://eu-west-1", credentials=key, **{wrong: given})
    with pytest.raises(errors.InvalidArgument):
        keyfold.RemoteKms("keyfold://kms.example.com", credentials={"KEYFOLD_TOKEN": "x"})
    with pytest.raises(errors.InvalidArgument):
        keyfold.RemoteKms("tencent://", credentials=key)
    for app in [("", "0123456789abcdef"), ("APP", "short")]:
        with pytest.raises(errors.InvalidArgument):
            keyfold.AccessKey("AK", "secret", app=app)


def test_what_a_cloud_can():
    key = keyfold.AccessKey("AKID", "hidden", app=("APP_KMS", "0123456789abcdef"))
    assert "hidden" not in repr(key) + repr(keyfold.RemoteKms("pingan://cn-x", credentials=key))
    pingan = keyfold.RemoteKms("pingan://cn-shanghai", credentials=key).capabilities()
    assert repr(pingan) == "Capabilities('pingan')"
    assert not pingan.supports("sign a message")
    assert pingan.supports("generate data key")
    assert pingan.operations["generate data key"] == "native"
    tencent = keyfold.RemoteKms("tencent://ap-guangzhou", credentials=key).capabilities()
    assert (tencent.context, tencent.max_context) == ("text", 1024)
    assert tencent.key_deletion_days == (7, 30)
    assert (tencent.calls_to_seal, tencent.calls_to_open) == (1, 1)
    with pytest.raises(KeyError):
        tencent.supports("make coffee")
    assert keyfold.RemoteKms("aws://eu-west-1", credentials=key).capabilities() is None


class Silent:
    """A network that nothing may be sent over."""

    def __init__(self):
        self.sent = []

    def send(self, method, url, headers, body):
        self.sent.append(url)
        raise ConnectionError("nothing")


def test_what_a_cloud_lacks_is_not_sent():
    network = Silent()
    options = {"credentials": keyfold.AccessKey("AKID", "secret"), "transport": network}
    kms = keyfold.RemoteKms("pingan://cn-shanghai", **options)
    client = keyfold.Client(kms, keys="pingan://cn-shanghai/key")
    lacking = [
        lambda: client.sign(b"", key="pingan://cn-shanghai/key", algorithm="ECDSA_SHA_256"),
        lambda: kms.list_keys(),
        lambda: kms.rotate_key("pingan://cn-shanghai/alias/key"),
        lambda: kms.delete_alias("docs"),
        lambda: kms.tag_key("pingan://cn-shanghai/key", {"a": "b"}),
        lambda: kms.put_key_policy("pingan://cn-shanghai/key", "{}"),
        lambda: kms.set_description("pingan://cn-shanghai/key", "x"),
        lambda: kms.create_key("docs", tags={"a": "b"}),
        lambda: kms.create_key("docs", policy="{}"),
        lambda: client.secrets.put("name", "value"),
        lambda: client.secrets.list(),
    ]
    for call in lacking:
        with pytest.raises(errors.UnsupportedOperation, match="unsupported: pingan") as raised:
            call()
        assert (raised.value.code, raised.value.retryable) == ("invalid_argument", False)
    for wrong in [
        lambda: kms.schedule_key_deletion("pingan://cn-shanghai/key", days=1),
        lambda: kms.describe_key("pingan://cn-beijing/key"),
        lambda: kms.create_key(spec="ROT13"),
    ]:
        with pytest.raises(errors.InvalidArgument):
            wrong()
    assert network.sent == []
    with pytest.raises(errors.KmsUnavailable):
        keyfold.RemoteKms("pingan://cn-shanghai", retries=0, **options).describe_key(
            "pingan://cn-shanghai/key"
        )
    assert [url.split("/")[2] for url in network.sent] == ["kms-cn-shanghai.yun.pingan.com"]


@needs_emulator
@pytest.mark.parametrize("name", ["huawei", "azure"])
def test_over_a_network_of_ones_own(running, name):
    cloud = running(name)
    seen = []

    class Network:
        def send(self, method, url, headers, body):
            seen.append(url)
            request = urllib.request.Request(url, body or None, dict(headers), method=method)
            try:
                with urllib.request.urlopen(request) as reply:
                    return reply.status, reply.headers.items(), reply.read()
            except urllib.error.HTTPError as error:
                return error.code, error.headers.items(), error.read()

    class Later(Network):
        async def send(self, *request):
            return await asyncio.to_thread(super().send, *request)

    kms = cloud.remote(transport=Network())
    key = make_key(kms, f"own-{name}")
    sealed = keyfold.Client(kms, keys=key).encrypt(b"data")
    assert all(url.startswith(cloud.url) for url in seen)
    # Tokens are fetched over it too.
    assert any("/token" in url for url in seen) == (name == "azure")

    async def later():
        async with aio.Client(cloud.remote(transport=Later()), keys=key) as client:
            assert await client.decrypt(sealed) == b"data"

    asyncio.run(later())


@needs_emulator
def test_a_life_of_a_key_and_its_names(running):
    kms = running("huawei").remote()
    key = make_key(kms, "life", description="documents")
    assert kms.describe_key(key).description == "documents"
    kms.create_alias("alias/life", key)
    assert kms.describe_key("huawei://cn-north-4/alias/life").key == key
    kms.disable_key("huawei://cn-north-4/alias/life")
    assert not kms.describe_key(key).enabled
    kms.enable_key(key)
    kms.set_rotation(key, days=90)
    kms.set_rotation(key, days=None)
    kms.rotate_key(key)
    assert "alias/life" in kms.list_aliases() or "life" in kms.list_aliases()
    kms.delete_alias("alias/life")
    end = kms.schedule_key_deletion(key, days=7)
    assert end is None or end > 1_700_000_000
    assert kms.describe_key(key).state == "PendingDeletion"
    kms.cancel_key_deletion(key)


def test_pickled_by_configuration(monkeypatch):
    monkeypatch.setenv("TENCENTCLOUD_SECRET_ID", "AKID")
    monkeypatch.setenv("TENCENTCLOUD_SECRET_KEY", "secret")
    places = {"tencent://office": {"region": "ap-guangzhou", "keys": "https://kms.example.com"}}
    kms = keyfold.RemoteKms("tencent://office", places=places)
    router = keyfold.RouterKms({"tencent://office/": kms})
    again = pickle.loads(pickle.dumps(router))
    assert list(again.routes) == ["tencent://office/"]
    assert again.routes["tencent://office/"]._config() == kms._config()
    assert kms._config()["places"] == places
    for secret in [keyfold.AccessKey("AKID", "s"), {"TENCENTCLOUD_SECRET_ID": "A"}]:
        if isinstance(secret, dict):
            secret["TENCENTCLOUD_SECRET_KEY"] = "s"
        with pytest.raises(TypeError, match="not pickled"):
            pickle.dumps(keyfold.RemoteKms("tencent://ap-guangzhou", credentials=secret))


@needs_emulator
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_child_of_a_fork_connects_anew(running):
    cloud = running("tencent")
    kms = keyfold.RouterKms({f"{cloud.kms}/": cloud.remote()})
    key = make_key(cloud.remote(), "fork")
    client = keyfold.Client(kms, keys=key)
    sealed = client.encrypt(b"data")
    child = os.fork()
    if child == 0:
        try:
            os._exit(0 if client.decrypt(sealed) == b"data" else 1)
        finally:
            os._exit(2)
    assert os.waitpid(child, 0)[1] == 0
    assert client.decrypt(sealed) == b"data"


@needs_emulator
@needs_command
def test_the_command_line_opens_what_python_made(running, tmp_path):
    cloud = running("tencent")
    kms = cloud.remote()
    key = make_key(kms, "both")
    client = keyfold.Client(kms, keys=key, context=CONTEXT)
    (tmp_path / "plain").write_bytes(b"data" * 10_000)
    client.encrypt_file(tmp_path / "plain", tmp_path / "a.kf")
    home = Home(tmp_path / "home", cloud.own())
    home.configure(cloud.places)
    words = ["--context", "tenant=acme", "--key", key, "-o", str(tmp_path / "a")]
    home.run("decrypt", *words, str(tmp_path / "a.kf"))
    assert (tmp_path / "a").read_bytes() == b"data" * 10_000


#: Whoever `keyfold token --subject web` names may use data keys of one cloud through the server.
RELAY = """
[[relay.rules]]
key = "{}/*"
principals = ["arn:aws:iam::000000000000:oidc/local/web"]
allow = ["kms:GenerateDataKey*", "kms:Decrypt"]
"""


class Watched:
    """A network that keeps the answers which pass through it."""

    def __init__(self):
        self.answers = []

    def send(self, method, url, headers, body):
        headers = {name: value for name, value in headers if name.lower() != "host"}
        request = urllib.request.Request(url, data=body, headers=headers, method=method)
        try:
            with urllib.request.urlopen(request) as reply:
                answer = reply.status, reply.headers.items(), reply.read()
        except urllib.error.HTTPError as refused:
            answer = refused.code, refused.headers.items(), refused.read()
        self.answers.append(json.loads(answer[2]))
        return answer


@needs_emulator
@needs_command
@pytest.mark.parametrize("name", ["tencent", "alibaba"])
def test_a_relay_sees_no_data_key_that_is_sealed(running, tmp_path, name):
    cloud = running(name)
    direct = cloud.remote()
    key = make_key(direct, f"sealed-{name}")
    home = Home(tmp_path / "home", cloud.variables)
    home.run("init")
    home.configure(cloud.places)
    (tmp_path / "serve.toml").write_text(RELAY.format(cloud.kms))
    upstream = ["--upstream", cloud.kms, "--config", str(tmp_path / "serve.toml")]
    token = home.run("token", "--subject", "web")["token"]
    with home.serve(*upstream) as url:
        watched = Watched()
        sealing = keyfold.RemoteKms(url, token=token, transport=watched, seal=True)
        client = keyfold.Client(sealing, keys=key, context=CONTEXT, cache=None)
        envelope = client.encrypt(b"data" * 1000)
        assert client.decrypt(envelope) == b"data" * 1000
        assert keyfold.Client(direct, keys=key, context=CONTEXT).decrypt(envelope) == b"data" * 1000
        assert len(watched.answers) == 2
        for answer in watched.answers:
            assert "CiphertextForRecipient" in answer
            assert not answer.get("Plaintext")
        # The same without it is what shows that the test can tell.
        plain = keyfold.RemoteKms(url, token=token, transport=watched)
        assert keyfold.Client(plain, keys=key, context=CONTEXT).decrypt(envelope) == b"data" * 1000
        assert watched.answers[-1]["Plaintext"]
        with pytest.raises(errors.ContextMismatch):
            client.decrypt(envelope, context={"tenant": "globex"})


def token_of_none():
    return "t.o.k"


def test_sealing_is_pickled_too():
    kms = keyfold.RemoteKms("keyfold://kms.example.com", token=token_of_none, seal=True)
    assert pickle.loads(pickle.dumps(kms))._config()["seal"] is True


@pytest.mark.parametrize("url", ["tencent://ap-guangzhou", "aws://eu-west-1"])
def test_only_a_server_between_has_data_keys_sealed(url):
    with pytest.raises(errors.InvalidArgument, match="seal"):
        keyfold.RemoteKms(url, credentials=keyfold.AccessKey("AKIA", "secret"), seal=True)
