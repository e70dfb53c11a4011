"""Bytes, keys and messages from which the vectors are made."""

import hashlib
import json
import pathlib

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

import envelope as kf

HERE = pathlib.Path(__file__).resolve().parent
LARGE = 2048  # plaintexts above this are given by rule


def stream(seed, length):
    """The rule for bytes: SHA-256(seed || u64 counter), joined, cut to `length`."""
    out, counter = b"", 0
    while len(out) < length:
        out += hashlib.sha256(seed + counter.to_bytes(8, "big")).digest()
        counter += 1
    return out[:length]


# --- Signing keys ---------------------------------------------------------------------------


class SigningKeys:
    """Fixed test keys, and the RSA signatures that were made with them."""

    NAMES = {1: "ed25519", 2: "p256", 3: "p384", 4: "rsa2048", 5: "rsa3072", 6: "rsa4096"}

    def __init__(self, may_sign):
        self.may_sign = may_sign
        self.keys = json.loads((HERE / "signing_keys.json").read_text())
        self.path = HERE / "rsa_signatures.json"
        self.made = json.loads(self.path.read_text()) if self.path.exists() else {}
        self.used = set()
        self.loaded = {}

    def private(self, name):
        if name not in self.loaded:
            self.loaded[name] = self.load(self.keys[name])
        return self.loaded[name]

    @staticmethod
    def load(key):
        if key["type"] == "ed25519":
            return ed25519.Ed25519PrivateKey.from_private_bytes(bytes.fromhex(key["seed"]))
        if key["type"] == "ec":
            curve = {"p256": ec.SECP256R1, "p384": ec.SECP384R1}[key["curve"]]
            return ec.derive_private_key(int(key["d"], 16), curve())
        p, q, e = int(key["p"], 16), int(key["q"], 16), 65537
        d = rsa.rsa_recover_private_exponent(e, p, q)
        public = rsa.RSAPublicNumbers(e, p * q)
        numbers = rsa.RSAPrivateNumbers(
            p, q, d, rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q), rsa.rsa_crt_iqmp(p, q), public
        )
        return numbers.private_key()

    def spki(self, name):
        return self.private(name).public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def sign(self, algorithm, name, message, how=None, label=""):
        """A signature over M; `how(private_key, message)` replaces the scheme of 7.1."""
        how = how or (lambda key, m: kf.sign(algorithm, key, m))
        if "rsa" not in name:
            return how(self.private(name), message)
        index = "%s %d%s %s" % (name, algorithm, label, hashlib.sha256(message).hexdigest())
        if index not in self.made:
            if not self.may_sign:
                raise SystemExit("rsa_signatures.json lacks " + index)
            self.made[index] = how(self.private(name), message).hex()
        self.used.add(index)
        return bytes.fromhex(self.made[index])

    def save(self):
        kept = {index: self.made[index] for index in sorted(self.used)}
        self.path.write_text(json.dumps(kept, indent=0) + "\n")


# --- Messages -------------------------------------------------------------------------------


def recipient(label, params=None, size=48):
    uri = b"keyfold:key/" + hashlib.sha256(label).hexdigest()[:8].encode()
    return (uri, params or {}, stream(b"wrapped " + label, size))


class Message:
    """One sealed message, from which vectors are made."""

    def __init__(self, keys, label, suite=1, context=None, recipients=None, plaintext=None,
                 length=None, algorithm=None, hint=None, signer=None, data_key=None, stable=None,
                 salt=None, recipient_list=None):
        name = label.encode()
        self.keys, self.label, self.suite = keys, name, suite
        self.context = {"tenant": "acme"} if context is None else context
        self.data_key = data_key or stream(b"data key " + name, 32)
        self.salt = salt or stream(b"salt " + name, kf.SALT)
        self.recipients = recipients or [recipient(name)]
        self.seed = b"plaintext " + name
        self.plaintext = stream(self.seed, length) if plaintext is None else plaintext
        self.algorithm = algorithm
        self.signer = signer or (keys.NAMES[algorithm] if algorithm else None)
        if algorithm:
            hint = hint or keys.spki(self.signer)
        canonical = kf.encode_context(self.context)
        self.stable = stable or kf.encode_stable(suite, canonical, algorithm, hint)
        self.list = recipient_list or kf.encode_recipients(self.recipients)
        self.header = self.stable + self.list
        self.seal(self.plaintext)

    def seal(self, plaintext):
        self.body = kf.seal_body(self.suite, self.data_key, self.salt, self.stable, plaintext)
        self.trailer = None
        if self.algorithm:
            self.trailer = self.sign()

    @property
    def m(self):
        return kf.signed_message(self.stable, self.body)

    def sign(self, name=None, how=None, label=""):
        return self.keys.sign(self.algorithm, name or self.signer, self.m, how, label)

    @property
    def segments(self):
        return kf.segments_of(self.body)

    @property
    def prefix(self):
        return self.body[: kf.BODY_START]

    def vector(self, name, **fields):
        """The vector of this message; `fields` replace or add."""
        row = {"name": name, "suite": self.suite, "data_key": self.data_key,
               "context": self.context, "header": self.header, "body": self.body}
        if self.trailer is not None:
            row["trailer"] = self.trailer
            row["signers"] = [self.keys.spki(self.signer)]
        if len(self.plaintext) <= LARGE:
            row["plaintext"] = self.plaintext
        else:
            row["plaintext_len"] = len(self.plaintext)
            row["plaintext_seed"] = self.seed
            row["plaintext_sha256"] = hashlib.sha256(self.plaintext).digest()
        row.update(fields)
        return {key: to_json(value) for key, value in row.items() if value is not None}


def flip(data, at, bit):
    """The bytes with one bit changed."""
    return data[:at] + bytes([data[at] ^ 1 << bit]) + data[at + 1 :]


def to_json(value):
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list):
        return [to_json(item) for item in value]
    return value
