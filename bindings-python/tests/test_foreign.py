"""A KMS, a transport, a token, written in Python; and the built-in transport."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import keyfold
import keyfold.kms as k
import pytest
from keyfold import exceptions as errors
from stand_in import perform


class Own:
    """A whole KMS: keys that it holds itself."""

    def __init__(self):
        self.keys, self.safe, self.seen = {}, {}, []

    def call(self, request):
        self.seen.append(request)
        if isinstance(request, k.GenerateDataKey):
            wrapped = self.wrap(request.key, b"k" * 32, request.context)
            return k.DataKey(b"k" * 32, wrapped)
        if isinstance(request, k.Wrap):
            return self.wrap(request.key, request.data_key.expose(), request.context)
        if isinstance(request, k.Unwrap):
            return k.Unwrapped(keyfold.Secret(self.unwrap(request)))
        if isinstance(request, k.Rewrap):
            return self.wrap(request.to, self.unwrap(request), request.context)
        if isinstance(request, k.Encrypt):
            return k.Ciphertext(request.plaintext.expose()[::-1], request.key)
        if isinstance(request, k.Decrypt):
            return k.Plaintext(request.ciphertext[::-1], "own:1")
        if isinstance(request, k.ResolveKey):
            return k.Key("own:1")
        if isinstance(request, k.PutSecret):
            self.safe[request.name] = request.value.expose()
            return k.SecretVersion(request.token)
        if isinstance(request, k.GetSecret):
            return k.SecretValue(self.safe[request.name], "v")
        if isinstance(request, k.Sign):
            return k.Signature(self.signer.sign(request.message))
        if isinstance(request, k.GetPublicKey):
            return k.PublicKeyInfo(self.signer.public_key.to_der(), request.key)
        raise errors.InvalidArgument("this KMS does not offer that")

    signer = keyfold.SigningKey.generate()

    def wrap(self, key, data_key, context):
        number = bytes([len(self.keys)])
        self.keys[number] = (data_key, dict(context))
        return k.WrappedKey(key, number, {"iv": b"\0\1"})

    def unwrap(self, request):
        data_key, context = self.keys[request.wrapped.ciphertext]
        assert request.wrapped.parameters == {"iv": b"\0\1"}
        assert context == request.context
        return data_key


def test_a_kms_of_ones_own():
    own = Own()
    client = keyfold.Client(own, keys=["own:1", "own:2"], context={"a": "b"})
    sealed = client.encrypt(b"data")
    assert client.decrypt(sealed, keys="own:2") == b"data"
    moved = client.rewrap(sealed, to_keys="own:3")
    assert client.decrypt(moved, keys="own:3") == b"data"
    assert keyfold.inspect(moved).recipients[0].parameters == ["iv"]
    assert client.decrypt_small(client.encrypt_small(b"small")) == b"small"
    assert client.resolve("own:alias/x") == "own:1"
    version = client.secrets.put("name", "value")
    assert len(version) == 36
    assert client.secrets.get("name").expose() == b"value"
    client.verify(b"message", client.sign(b"message", key="own:1"), key="own:1")
    kinds = {type(request).__name__ for request in own.seen}
    assert {"GenerateDataKey", "Wrap", "Unwrap", "Rewrap", "PutSecret", "Sign"} <= kinds
    wrap = next(request for request in own.seen if isinstance(request, k.Wrap))
    assert "kkk" not in repr(own.seen)
    assert repr(wrap.data_key) == "Secret(..)"


@pytest.mark.parametrize(
    "answer",
    [
        None,
        b"bytes",
        k.Verified(),
        k.DataKey(b"short", k.WrappedKey("own:1", b"x")),
        k.DataKey(b"k" * 32, "not wrapped"),
        k.DataKey(b"k" * 32, k.WrappedKey("no uri", b"x")),
    ],
)
def test_an_answer_of_another_kind_is_the_kms_fault(answer):
    class Wrong:
        def call(self, request):
            return answer

    with pytest.raises((errors.KmsProtocol, errors.InvalidArgument)):
        keyfold.Client(Wrong(), keys="own:1").encrypt(b"")


def test_a_kms_may_use_a_client_itself(kms, key):
    class Nested:
        def call(self, request):
            keyfold.Client(kms, keys=key).encrypt(b"inside")
            return kms.call(request)

    client = keyfold.Client(Nested(), keys=key)
    assert client.decrypt(client.encrypt(b"outside")) == b"outside"


def test_coroutines_want_asyncio():
    class Later:
        async def call(self, request):
            raise AssertionError

        async def send(self, method, url, headers, body):
            raise AssertionError

    with pytest.raises(TypeError, match="aio"):
        keyfold.Client(Later())
    remote = keyfold.RemoteKms("keyfold://kms.example.com", token="t.o.k", transport=Later())
    with pytest.raises(TypeError, match="aio"):
        keyfold.Client(remote)


class Loopback:
    """A transport whose server is an embedded KMS in the same process."""

    def __init__(self, kms):
        self.kms, self.seen = kms, []

    def send(self, method, url, headers, body):
        headers = {name.lower(): value for name, value in headers}
        self.seen.append((method, url, headers))
        operation = headers["x-amz-target"].partition(".")[2]
        try:
            return (
                200,
                [("content-type", "application/x-amz-json-1.1")],
                perform(self.kms, operation, body),
            )
        except errors.KmsKeyUnavailable:
            return 400, {}, b'{"__type": "NotFoundException"}'
        except errors.SecretNotFound:
            return 400, {}, b'{"__type": "ResourceNotFoundException"}'


@pytest.fixture
def loopback(kms):
    return Loopback(kms)


def test_a_transport_of_ones_own(loopback):
    asked = []

    def token():
        asked.append(1)
        return "to.ke.n"

    remote = keyfold.RemoteKms("keyfold://kms.example.com", token=token, transport=loopback)
    key = remote.create_key("alias/docs")
    client = keyfold.Client(remote, keys=key)
    assert client.decrypt(client.encrypt(b"data")) == b"data"
    client.secrets.put("name", "value")
    assert client.secrets.get("name").expose() == b"value"
    assert [secret.name for secret in client.secrets.list()] == ["name"]
    with pytest.raises(errors.KmsKeyUnavailable):
        remote.describe_key("keyfold:alias/none")
    with pytest.raises(errors.SecretNotFound):
        client.secrets.get("missing")
    assert {url for _, url, _ in loopback.seen} == {"https://kms.example.com/"}
    assert {headers["authorization"] for _, _, headers in loopback.seen} == {"Bearer to.ke.n"}
    # For each call anew; a first put is one call of two requests.
    assert len(asked) == len(loopback.seen) - 1


def test_access_keys_sign(loopback):
    access = keyfold.AccessKey("AKIATEST", "secret", "session")
    aws = keyfold.RemoteKms("aws://eu-west-1", credentials=access, transport=loopback)
    key = aws.create_key()
    assert key.startswith("aws:arn:")
    client = keyfold.Client(aws, keys=key)
    assert client.decrypt(client.encrypt(b"data")) == b"data"
    _, url, headers = loopback.seen[0]
    assert url == "https://kms.eu-west-1.amazonaws.com/"
    assert "Credential=AKIATEST/" in headers["authorization"]
    assert headers["x-amz-security-token"] == "session"


@pytest.mark.parametrize(
    ("answers", "error", "sends"),
    [
        ([ConnectionResetError("gone")], errors.KmsUnavailable, 2),
        ([errors.KmsDenied("not you")], errors.KmsDenied, 1),
        ([(500, [], b"")], errors.KmsUnavailable, 2),
        ([(400, [], b'{"__type": "ThrottlingException"}')], errors.KmsThrottled, 2),
        ([(403, [], b'{"__type": "AccessDeniedException"}')], errors.KmsDenied, 1),
        ([(200, [], b"not json")], errors.KmsProtocol, 1),
        (["nonsense"], errors.KmsProtocol, 1),
        ([(200, [], "text")], errors.KmsProtocol, 1),
    ],
)
def test_transports_that_fail(answers, error, sends):
    class Failing:
        seen = 0

        def send(self, *request):
            self.seen += 1
            (answer,) = answers
            if isinstance(answer, Exception):
                raise answer
            return answer

    transport = Failing()
    remote = keyfold.RemoteKms(
        "keyfold://kms.example.com", token="t.o.k", transport=transport, retries=1
    )
    with pytest.raises(error) as raised:
        keyfold.Client(remote, keys="keyfold:alias/docs").encrypt(b"")
    assert transport.seen == sends
    if isinstance(answers[0], Exception):
        assert raised.value.__cause__ is answers[0]


def test_a_call_is_given_up_in_time():
    """The timer of the deadline runs while the transport is between its repetitions."""

    class Down:
        def send(self, *request):
            raise ConnectionRefusedError

    remote = keyfold.RemoteKms(
        "keyfold://kms.example.com", token="t.o.k", transport=Down(), retries=1000, timeout=0.3
    )
    with pytest.raises(errors.KmsUnavailable):
        keyfold.Client(remote, keys="keyfold:alias/docs").encrypt(b"")


def test_a_token_that_cannot_be_had(loopback):
    remote = keyfold.RemoteKms("keyfold://kms.example.com", token=lambda: 1 / 0, transport=loopback)
    with pytest.raises(errors.KmsDenied) as raised:
        remote.list_keys()
    assert isinstance(raised.value.__cause__, ZeroDivisionError)
    assert loopback.seen == []


@pytest.mark.parametrize(
    "arguments",
    [
        {"url": "https://kms.example.com", "token": "t"},
        {"url": "keyfold+http://kms.example.com", "token": "t"},
        {"url": "aws://nowhere at all", "token": "t"},
        {"url": "keyfold://h", "token": "t", "credentials": keyfold.AccessKey("a", "b")},
        {"url": "keyfold://h", "token": "two words"},
        {"url": "keyfold://h", "token": "t", "timeout": 0},
        {"url": "keyfold://h", "token": "t", "proxy": "no url"},
        {"url": "keyfold://h", "token": "t", "ca": b"no certificate"},
    ],
)
def test_bad_connections_are_refused(arguments):
    with pytest.raises(errors.InvalidArgument):
        keyfold.RemoteKms(**arguments)


def test_credentials_of_the_environment(loopback, monkeypatch):
    for name in [
        "KEYFOLD_TOKEN",
        "KEYFOLD_TOKEN_FILE",
        "KEYFOLD_ACCESS_KEY_ID",
        "AWS_ACCESS_KEY_ID",
    ]:
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(errors.KmsDenied, match="KEYFOLD_TOKEN"):
        keyfold.RemoteKms("keyfold://kms.example.com", transport=loopback)
    monkeypatch.setenv("KEYFOLD_TOKEN", "from.the.environment")
    keyfold.RemoteKms("keyfold://kms.example.com", transport=loopback).list_keys()
    assert loopback.seen[0][2]["authorization"] == "Bearer from.the.environment"


@pytest.fixture
def server(kms):
    """An embedded KMS behind HTTP on this machine."""
    loopback = Loopback(kms)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            status, headers, answer = loopback.send(
                "POST", self.path, list(self.headers.items()), body
            )
            self.send_response(status)
            for name, value in dict(headers).items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"keyfold+http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_built_in_transport(server):
    remote = keyfold.RemoteKms(server, token="to.ke.n")
    key = remote.create_key("alias/docs")
    client = keyfold.Client(remote, keys=key)
    assert client.decrypt(client.encrypt(b"data")) == b"data"
    assert remote.call(k.ResolveKey("keyfold:alias/docs")) == k.Key(key)
    assert json.loads(remote._ask("ListKeys", b"{}"))["Keys"]


def test_a_server_that_is_not_there():
    remote = keyfold.RemoteKms("keyfold+http://127.0.0.1:9", token="to.ke.n", retries=0)
    with pytest.raises(ConnectionError) as raised:
        remote.list_keys()
    assert raised.value.retryable
    assert "to.ke.n" not in repr(raised.value)


def test_requests_are_checked(kms, key):
    with pytest.raises(TypeError, match="request"):
        kms.call("GenerateDataKey")
    with pytest.raises(errors.InvalidArgument):
        kms.call(k.ResolveKey("no uri"))
    assert kms.call(k.ResolveKey("keyfold:alias/docs")) == k.Key(key)
    assert isinstance(kms, k.Kms)


def test_requests_in_full_circle(kms, key):
    made = kms.call(k.GenerateDataKey(key, {"a": "b"}))
    assert kms.call(k.Unwrap(made.wrapped, {"a": "b"})).data_key == made.data_key
    wrapped = kms.call(k.Wrap(key, made.data_key, {}))
    assert kms.call(k.Unwrap(wrapped, {}, key)).data_key == made.data_key
    moved = kms.call(k.Rewrap(wrapped, {}, kms.create_key("alias/b")))
    assert kms.call(k.Unwrap(moved, {})).data_key == made.data_key
    small = kms.call(k.Encrypt(key, keyfold.Secret("x"), {}))
    assert kms.call(k.Decrypt(small.ciphertext, {})).plaintext == keyfold.Secret("x")
    signer = kms.create_key(spec="ECC_NIST_P256")
    signature = kms.call(k.Sign(signer, "ECDSA_SHA_256", b"m")).signature
    assert kms.call(k.Verify(signer, "ECDSA_SHA_256", b"m", signature)) == k.Verified()
    with pytest.raises(errors.SignatureInvalid):
        kms.call(k.Verify(signer, "ECDSA_SHA_256", b"n", signature))
    assert kms.call(k.GetPublicKey(signer)).key == signer
    version = kms.call(k.PutSecret("n", keyfold.Secret("v"), "t" * 32)).version
    assert kms.call(k.GetSecret("n", version)) == k.SecretValue(keyfold.Secret("v"), version)
