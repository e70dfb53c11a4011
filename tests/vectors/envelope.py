"""A second implementation of the keyfold envelope, version 1.

Written from docs/spec/envelope.md alone, to test the Rust core against. Comments cite its
clauses. It favours reading over speed, and holds no secret safely: use it for tests only.
"""

import hashlib
import hmac
import re
import struct

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

MAGIC = b"KFE"
VERSION = 1
SIGNED = 0x01
MAX_HEADER = 65536  # 4.1.4
MAX_CONTEXT = 8192  # 3.5
MAX_HINT = 2048  # 4.2
MAX_RECIPIENTS = 16  # 4.5
MAX_KEY_URI = 2048  # 4.3
MAX_PARAMS = 4096  # 4.4
MAX_WRAPPED = 6144  # 4.5
SALT, COMMITMENT, TAG = 24, 32, 16
BODY_START = SALT + COMMITMENT
PIECE = 16384  # 6.1
SEGMENT = PIECE + TAG
MAX_SEGMENTS = 1 << 38  # 5.3.3

# 5.1: suite -> (AEAD, label)
SUITES = {
    0x0001: (AESGCM, b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM"),
    0x0002: (ChaCha20Poly1305, b"c2sp.org/chunked-encryption@v1+AEAD_CHACHA20_POLY1305"),
}

# 7.1: number -> length of the signature
SIGNATURE_LEN = {1: 64, 2: 64, 3: 96, 4: 256, 5: 384, 6: 512}
CURVES = {2: (ec.SECP256R1, hashes.SHA256), 3: (ec.SECP384R1, hashes.SHA384)}
MODULUS_BITS = {4: 2048, 5: 3072, 6: 4096}

KEY_URI = re.compile(rb"[a-z][a-z0-9+.-]*:[\x21-\x7e]+")  # 4.3


class Refused(Exception):
    """The envelope was refused; `code` is the code of docs/spec/errors.md."""

    def __init__(self, code, why):
        super().__init__("%s: %s" % (code, why))
        self.code = code


def malformed(why):
    return Refused("malformed_envelope", why)


def u16(value):
    return struct.pack(">H", value)


# --- Section 3: canonical pairs -------------------------------------------------------------


def encode_pairs(pairs):
    """Pairs of bytes, a dict, to their canonical bytes (3.2)."""
    if not pairs:
        return b""
    out = [u16(len(pairs))]
    for name in sorted(pairs):
        out += [u16(len(name)), name, u16(len(pairs[name])), pairs[name]]
    return b"".join(out)


def decode_pairs(data):
    """Canonical bytes to pairs (3.3)."""
    if not data:
        return {}
    at = 0

    def take(n):
        nonlocal at
        if at + n > len(data):
            raise malformed("pairs end early")
        at += n
        return data[at - n : at]

    def take_u16():
        return struct.unpack(">H", take(2))[0]

    count = take_u16()
    if count == 0:
        raise malformed("no pairs are no bytes")
    pairs, last = {}, None
    for _ in range(count):
        name = take(take_u16())
        value = take(take_u16())
        if not is_utf8(name):
            raise malformed("a name is not UTF-8")
        if last is not None and name <= last:
            raise malformed("names are not strictly ascending")
        pairs[name] = value
        last = name
    if at != len(data):
        raise malformed("bytes after the last pair")
    return pairs


def is_utf8(data):
    try:
        data.decode("utf-8", "strict")
        return True
    except UnicodeDecodeError:
        return False


def encode_context(context):
    """An encryption context, text to text, to its canonical bytes."""
    pairs = {name.encode("utf-8"): value.encode("utf-8") for name, value in context.items()}
    data = encode_pairs(pairs)
    if len(data) > MAX_CONTEXT:
        raise Refused("limit_exceeded", "context")
    return data


def decode_context(data):
    pairs = decode_pairs(data)
    if not all(is_utf8(value) for value in pairs.values()):  # 3.4
        raise malformed("a context value is not UTF-8")
    return {name.decode(): value.decode() for name, value in pairs.items()}


# --- Section 4: header ----------------------------------------------------------------------


class Header:
    """A parsed header. `stable` is the stable part; `length` the bytes of the whole header."""

    suite = 0
    context = {}
    algorithm = None  # signature algorithm, None when unsigned
    hint = None
    recipients = ()
    stable = b""
    length = 0


class Forward:
    """Reads a header forward (4.1)."""

    def __init__(self, data):
        self.data = data
        self.at = 0

    def take(self, n):
        if self.at + n > MAX_HEADER:  # 4.1.4
            raise Refused("limit_exceeded", "header")
        if self.at + n > len(self.data):  # 4.1.3
            raise Refused("truncated", "header")
        self.at += n
        return self.data[self.at - n : self.at]

    def u8(self):
        return self.take(1)[0]

    def u16(self):
        return struct.unpack(">H", self.take(2))[0]

    def field(self, what, least, most):
        """A field with a length, in the order of 4.1.2."""
        n = self.u16()
        if n < least:
            raise malformed(what + " is empty")
        if n > most:
            raise Refused("limit_exceeded", what)
        return self.take(n)


def is_key_uri(data):
    return len(data) <= MAX_KEY_URI and KEY_URI.fullmatch(data) is not None


def parse_header(data):
    """Parses the header at the beginning of `data`; bytes after it are not looked at."""
    start = data[: len(MAGIC)]
    if start != MAGIC[: len(start)]:  # 4.2.1
        raise malformed("magic")
    read, header = Forward(data), Header()
    read.take(len(MAGIC))
    if read.u8() != VERSION:
        raise Refused("unsupported_version", "version")
    header.suite = read.u16()
    if header.suite not in SUITES:  # 4.2.2
        raise Refused("unsupported_suite", "suite")
    flags = read.u8()
    if flags & ~SIGNED:  # 4.2.3
        raise malformed("flags")
    header.context = decode_context(read.field("context", 0, MAX_CONTEXT))
    if flags & SIGNED:
        header.algorithm = read.u8()
        if header.algorithm not in SIGNATURE_LEN:
            raise malformed("signature algorithm")
        header.hint = read.field("hint", 1, MAX_HINT)
        if header.hint[0] != 0x30 and not is_key_uri(header.hint):  # 4.2.4
            raise malformed("hint")
    header.stable = data[: read.at]

    count = read.u8()
    if count == 0:
        raise malformed("no recipients")
    if count > MAX_RECIPIENTS:
        raise Refused("limit_exceeded", "recipients")
    recipients = []
    for _ in range(count):
        uri = read.field("KeyUri", 1, MAX_KEY_URI)
        if not is_key_uri(uri):
            raise malformed("KeyUri")
        params = decode_pairs(read.field("parameters", 0, MAX_PARAMS))
        recipients.append((uri, params, read.field("wrapped key", 1, MAX_WRAPPED)))
    header.recipients = recipients
    header.length = read.at
    return header


def encode_stable(suite, context, algorithm=None, hint=None):
    """The stable part (4.2); `context` is canonical bytes."""
    out = MAGIC + bytes([VERSION]) + u16(suite)
    out += bytes([0 if algorithm is None else SIGNED]) + u16(len(context)) + context
    if algorithm is not None:
        out += bytes([algorithm]) + u16(len(hint)) + hint
    return out


def encode_recipients(recipients):
    """The recipient list (4.5), of (KeyUri, parameters as dict or raw bytes, wrapped key)."""
    out = bytes([len(recipients)])
    for uri, params, wrapped in recipients:
        raw = params if isinstance(params, bytes) else encode_pairs(params)
        out += u16(len(uri)) + uri + u16(len(raw)) + raw + u16(len(wrapped)) + wrapped
    return out


# --- Sections 5 and 6: body -----------------------------------------------------------------


class MessageKey:
    """Key, base nonce and commitment of one message (5.2)."""

    def __init__(self, suite, data_key, salt, stable):
        aead, label = SUITES[suite]
        info = label + b"\x00" + salt + stable
        okm = HKDFExpand(algorithm=hashes.SHA512(), length=76, info=info).derive(data_key)
        self.aead = aead(okm[:32])
        self.base_nonce = int.from_bytes(okm[32:44], "big")
        self.commitment = okm[44:]

    def nonce(self, number):
        if number >= MAX_SEGMENTS:  # 5.3.3
            raise Refused("limit_exceeded", "segments")
        return (self.base_nonce ^ number).to_bytes(12, "big")

    def seal(self, number, piece):
        return self.aead.encrypt(self.nonce(number), piece, None)

    def open(self, number, segment):
        try:
            return self.aead.decrypt(self.nonce(number), segment, None)
        except InvalidTag:
            raise Refused("authentication_failed", "tag") from None


def seal_body(suite, data_key, salt, stable, plaintext):
    """The body of a message (section 6)."""
    key = MessageKey(suite, data_key, salt, stable)
    out = [salt, key.commitment]
    for number in range(len(plaintext) // PIECE + 1):  # 6.1.1
        out.append(key.seal(number, plaintext[number * PIECE : (number + 1) * PIECE]))
    return b"".join(out)


def body_length_is_possible(length):
    """6.2.1"""
    return length >= BODY_START + TAG and (length - BODY_START) % SEGMENT >= TAG


def segments_of(body):
    return [body[at : at + SEGMENT] for at in range(BODY_START, len(body), SEGMENT)]


# --- Section 7: signatures ------------------------------------------------------------------


def signed_message(stable, body):
    """M (7.3)"""
    parts = [b"keyfold/envelope-signature/v1", hashlib.sha512(stable).digest(), body[:BODY_START]]
    parts += [hashlib.sha256(segment).digest() for segment in segments_of(body)]
    return b"".join(parts)


def load_fitting_key(algorithm, spki):
    """The public key, or None where it does not fit the algorithm (7.5.3)."""
    try:
        key = serialization.load_der_public_key(spki)
    except Exception:  # any fault of an unreadable or unknown key has one consequence
        return None
    if algorithm == 1:
        return key if isinstance(key, ed25519.Ed25519PublicKey) else None
    if algorithm in CURVES:
        curve = CURVES[algorithm][0]
        fits = isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, curve)
        return key if fits else None
    fits = isinstance(key, rsa.RSAPublicKey) and key.key_size == MODULUS_BITS[algorithm]
    return key if fits else None


def pss(salt_length=32):
    return padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=salt_length)  # 7.1.1


def verifies(algorithm, spki, message, signature):
    key = load_fitting_key(algorithm, spki)
    if key is None or len(signature) != SIGNATURE_LEN[algorithm]:
        return False
    try:
        if algorithm == 1:
            key.verify(signature, hashlib.sha256(message).digest())
        elif algorithm in CURVES:
            half = len(signature) // 2
            r, s = (int.from_bytes(part, "big") for part in (signature[:half], signature[half:]))
            if r == 0 or s == 0:
                return False
            der = utils.encode_dss_signature(r, s)
            key.verify(der, message, ec.ECDSA(CURVES[algorithm][1]()))
        else:
            key.verify(signature, message, pss(), hashes.SHA256())
        return True
    except InvalidSignature:
        return False


def sign(algorithm, private_key, message):
    if algorithm == 1:
        return private_key.sign(hashlib.sha256(message).digest())
    if algorithm in CURVES:
        half = SIGNATURE_LEN[algorithm] // 2
        scheme = ec.ECDSA(CURVES[algorithm][1](), deterministic_signing=True)
        r, s = utils.decode_dss_signature(private_key.sign(message, scheme))
        return r.to_bytes(half, "big") + s.to_bytes(half, "big")
    return private_key.sign(message, pss(), hashes.SHA256())


# --- Section 8: opening ---------------------------------------------------------------------

ANY = object()  # the policy "any signer"


class Policy:
    """What a caller demands of an envelope it opens."""

    def __init__(self, context, signers=None, require_signature=False, suites=tuple(SUITES)):
        self.context = context  # expected, exact
        self.signers = signers  # None, ANY, or a list of SubjectPublicKeyInfo
        self.require_signature = require_signature
        self.suites = suites

    def check(self, header):
        """Steps 2 to 4 of 8.1."""
        if header.suite not in self.suites:
            raise Refused("unsupported_suite", "not accepted")
        if header.algorithm is None:
            if self.require_signature or self.signers is not None:
                raise Refused("signature_invalid", "not signed")
        elif self.signers is None:
            raise Refused("invalid_argument", "no signer policy")
        if encode_context(header.context) != encode_context(self.context):
            raise Refused("context_mismatch", "context")

    def check_signature(self, header, body, signature):
        """Step 10."""
        if header.algorithm is None:
            return
        keys = self.signers
        if keys is ANY:
            keys = [header.hint] if header.hint[0] == 0x30 else []
        message = signed_message(header.stable, body)
        if not any(verifies(header.algorithm, key, message, signature) for key in keys):
            raise Refused("signature_invalid", "signature")


def split(data, detached_header):
    """Header, and body with trailer, of the input."""
    if detached_header is None:
        header = parse_header(data)
        return header, data[header.length :]
    header = parse_header(detached_header)
    if header.length != len(detached_header):  # 4.5.2
        raise malformed("bytes after a detached header")
    return header, data


def open_whole(data, data_key, policy, detached_header=None):
    """Opens a whole value: lengths first, then everything else (8.1.4, 8.2.1)."""
    header, rest = split(data, detached_header)
    policy.check(header)
    held = SIGNATURE_LEN.get(header.algorithm, 0)
    if len(rest) < held or not body_length_is_possible(len(rest) - held):
        raise Refused("truncated", "body")
    body, signature = rest[: len(rest) - held], rest[len(rest) - held :]
    key = message_key(header, data_key, body)
    pieces = [key.open(number, segment) for number, segment in enumerate(segments_of(body))]
    policy.check_signature(header, body, signature)
    return b"".join(pieces)


def message_key(header, data_key, body):
    key = MessageKey(header.suite, data_key, body[:SALT], header.stable)
    if not hmac.compare_digest(key.commitment, body[SALT:BODY_START]):  # 5.2.2
        raise Refused("authentication_failed", "commitment")
    return key


def open_stream(data, data_key, policy, detached_header=None):
    """Opens forward; yields each piece as soon as it may be released (8.2.2)."""
    header, rest = split(data, detached_header)
    policy.check(header)
    held = SIGNATURE_LEN.get(header.algorithm, 0)
    end = len(rest) - held  # known to a stream only once `held` bytes are held back
    if end < BODY_START:
        raise Refused("truncated", "body")
    key = message_key(header, data_key, rest)
    at, number = BODY_START, 0
    while at + SEGMENT <= end:
        yield key.open(number, rest[at : at + SEGMENT])
        at, number = at + SEGMENT, number + 1
    if end - at < TAG:  # 6.2.1
        raise Refused("truncated", "the last segment")
    yield key.open(number, rest[at:end])
    policy.check_signature(header, rest[:end], rest[end:])


def read_range(header, data_key, body, start, end):
    """Plaintext start..end out of a body, opening no segment it does not need (6.4)."""
    if start >= end:
        return b""
    key = message_key(header, data_key, body)
    first, last = start // PIECE, (end - 1) // PIECE
    out = []
    for number in range(first, last + 1):
        at = BODY_START + number * SEGMENT
        out.append(key.open(number, body[at : at + SEGMENT]))
    return b"".join(out)[start - first * PIECE : end - first * PIECE]


def verify_length(header, data_key, body):
    """The proven length of the plaintext (6.4.4)."""
    if not body_length_is_possible(len(body)):
        raise Refused("truncated", "body")
    key = message_key(header, data_key, body)
    number = (len(body) - BODY_START) // SEGMENT
    last = key.open(number, body[BODY_START + number * SEGMENT :])
    return number * PIECE + len(last)
