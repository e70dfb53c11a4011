"""Ping An Cloud has no kit: its documents' steps, written once more, against the emulator."""

import hashlib
import hmac
import json
import os
import random
import time
import urllib.parse
import urllib.request
from datetime import datetime, timedelta, timezone

from cryptography.hazmat.primitives import hashes, padding, serialization
from cryptography.hazmat.primitives.asymmetric import padding as rsa_padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

import emulator
from emulator import b64, unb64

KEY = os.environ["PINGAN_ACCESS_KEY_ID"]
SECRET = os.environ["PINGAN_ACCESS_KEY_SECRET"]
CONTEXT = '{"app":"keyfold","tenant":"acme"}'


class Refused(Exception):
    """An answer whose code is not SUCCESS; its status is 200 all the same."""

    def __init__(self, body):
        super().__init__(f"{body['code']}: {body['message']}")
        self.code = body["code"]


def refused(code):
    return emulator.refused(Refused, code, lambda error: error.code)


def java_encoded(text):
    """As Java's form encoder does it, and then mended."""
    form = urllib.parse.quote_plus(text, safe="*-._~")
    form = form.replace("~", "%7E")
    return form.replace("+", "%20").replace("*", "%2A").replace("%7E", "~").replace(":", "%3A")


def sign(parameters, secret):
    pairs = sorted(
        (java_encoded(name).lower(), java_encoded(value).lower())
        for name, value in parameters.items()
    )
    text = "&".join(f"{name}={value}" for name, value in pairs)
    return b64(hmac.new(secret.encode(), text.encode(), hashlib.sha1).digest())


def call(action, secret=SECRET, method="GET", **parameters):
    """Calls an action."""
    settings = {
        "action": action,
        "version": "2017-01-01",
        "accessKeyId": KEY,
        "signatureMethod": "HMAC-SHA1",
        "signatureVersion": "1.0",
        "signatureNonce": str(random.getrandbits(62)),
        "timestamp": str(int(time.time() * 1000)),
    } | {name: str(value) for name, value in parameters.items()}
    settings["signature"] = sign(settings, secret)
    query = "&".join(f"{java_encoded(n)}={java_encoded(v)}" for n, v in settings.items())
    request = urllib.request.Request(f"{emulator.URL}/?{query}", method=method)
    with urllib.request.urlopen(request) as reply:
        body = json.load(reply)
    assert body["requestId"]
    if body["code"] != "SUCCESS":
        raise Refused(body)
    return body


def keys():
    made = call("CreateCmk", keyUsage=0, alias="docs", description="documents: *all* ~ +1")
    made = made["keyMetadata"]
    key = made["keyId"]
    assert (made["keyState"], made["origin"], made["keyUsage"]) == (0, 0, "ENCRYPT_DECRYPT")
    assert made["description"] == "documents: *all* ~ +1"
    datetime.strptime(made["creationDate"], "%Y-%m-%d %H:%M:%S")
    with refused("AliasAlreadyExists"):
        call("CreateCmk", keyUsage=0, alias="docs")
    call("DisableKey", keyId=key)
    with refused("KeyDisabled"):
        call("GenerateDataKey", keyId=key)
    assert call("DescribeKey", keyId=key)["keyMetadata"]["keyState"] == 1
    call("EnableKey", keyId=key)
    other = call("CreateCmk", keyUsage=0)["keyMetadata"]["keyId"]
    with refused("InvalidParameter"):
        call("ScheduleKeyDeletion", keyId=other, pendingWindowInDays=6)
    call("ScheduleKeyDeletion", keyId=other, pendingWindowInDays=7)
    with refused("KeyPendingDeletion"):
        call("GenerateDataKey", keyId=other)
    gone = call("DescribeKey", keyId=other)["keyMetadata"]
    assert gone["keyState"] == 2 and gone["deleteDate"]
    call("CancelKeyDeletion", keyId=other)
    assert call("DescribeKey", keyId=other)["keyMetadata"]["keyState"] == 1
    return key


def encryption(key):
    sealed = call("Encrypt", keyId=key, plainText=b64(b"attack"), encryptionContext=CONTEXT)
    opened = call("Decrypt", cipherTextBlob=sealed["cipherTextBlob"], encryptionContext=CONTEXT)
    assert (opened["keyId"], unb64(opened["plainText"])) == (key, b"attack")
    for wrong in ({"encryptionContext": "another"}, {}):
        with refused("InvalidCiphertext"):
            call("Decrypt", cipherTextBlob=sealed["cipherTextBlob"], **wrong)
    # The signature does not tell one case of letters from the other; the ciphertext does.
    with refused("InvalidCiphertext"):
        call("Decrypt", cipherTextBlob=sealed["cipherTextBlob"].swapcase(), encryptionContext=CONTEXT)
    with refused("InvalidParameter"):
        call("Encrypt", method="POST", keyId=key, plainText=b64(b"x" * 4096))
    lengths = {32: {}, 16: {"keySpec": "AES_128"}, 77: {"keySpec": "AES_256", "numberOfBytes": 77}}
    for length, wanted in lengths.items():
        made = call("GenerateDataKey", method="POST", keyId=key, **wanted)
        assert len(unb64(made["plainText"])) == length
        opened = call("Decrypt", cipherTextBlob=made["cipherTextBlob"])
        assert opened["plainText"] == made["plainText"]


def imports():
    key = call("CreateCmk", keyUsage=0, origin=1)["keyMetadata"]["keyId"]
    with refused("KeyPendingImport"):
        call("GenerateDataKey", keyId=key)
    how = {"wrappingKeySpec": "RSA_2048", "wrappingAlgorithm": "RSAES_OAEP_SHA_256"}
    given = call("GetParametersForImport", keyId=key, **how)
    public = serialization.load_der_public_key(bytes.fromhex(given["publicKey"]))
    oaep = rsa_padding.OAEP(rsa_padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
    wrapped = {"importToken": given["importToken"]}
    wrapped["encryptedKeyMaterial"] = public.encrypt(b"m" * 32, oaep).hex()
    call("ImportKeyMaterial", keyId=key, **wrapped)
    call("GenerateDataKey", keyId=key)
    call("DeleteKeyMaterial", keyId=key)
    with refused("KeyPendingImport"):
        call("GenerateDataKey", keyId=key)


def safe():
    product = {"productName": "shop", "productCode": "SHOP", "algorithm": "RSA"}
    made = call(
        "ImportKeychain", keychainAccount="app@db", keychainPassword="correct horse", **product
    )
    app, secret = made["appId"], made["appKey"]
    assert app.startswith("APP_KMS_") and len(secret) == 16

    def application_sign(time, key=secret):
        return hashlib.sha256(f"{app}&{key}&{time}".encode()).hexdigest().upper()

    def now(offset=0):
        china = datetime.now(timezone(timedelta(hours=8))) + timedelta(seconds=offset)
        return china.strftime("%Y%m%d%H%M%S") + f"{china.microsecond // 1000:03}"

    def read(time, key=secret, **more):
        asked = {"appId": app, "requestTime": time, "sign": application_sign(time, key)}
        return call("GetKeychainPassword", keychainAccount="app@db", **asked, **more)

    def opened(answer, mode):
        assert answer["sign"] == application_sign(answer["responseTime"])
        cipher = Cipher(algorithms.AES128(secret.encode()), mode).decryptor()
        padded = cipher.update(unb64(answer["keychainPassword"])) + cipher.finalize()
        unpadder = padding.PKCS7(128).unpadder()
        return unpadder.update(padded) + unpadder.finalize()

    assert opened(read(now()), modes.ECB()) == b"correct horse"
    answer = read(now(), encryptVersion="2.0", reason="a test")
    assert opened(answer, modes.CBC(bytes(16))) == b"correct horse"
    with refused("AppSignDoesNotMatch"):
        read(now(), key="0" * 16)
    with refused("RequestTimeExpired"):
        read(now(-3000))


def refusals(key):
    with refused("SignatureDoesNotMatch"):
        call("DescribeKey", secret=emulator.WRONG, keyId=key)
    with refused("InvalidAccessKeyId"):
        call("DescribeKey", accessKeyId="PANOBODY", keyId=key)
    for offset in (1000, -1000):
        with emulator.clock(offset), refused("TimestampExpired"):
            call("DescribeKey", keyId=key)
    call("DescribeKey", keyId=key, signatureNonce="1")
    with refused("SignatureNonceUsed"):
        call("DescribeKey", keyId=key, signatureNonce="1")
    with refused("KeyNotFound"):
        call("DescribeKey", keyId="1234abcd-12ab-34cd-56ef-1234567890ab")
    with refused("ActionNotFound"):
        call("ListEverything")
    with refused("MissingParameter"):
        call("DescribeKey")
    emulator.throttle(2)
    before = emulator.calls("DescribeKey")
    for _ in range(2):
        with refused("Throttling"):
            call("DescribeKey", keyId=key)
    call("DescribeKey", keyId=key)
    assert emulator.calls("DescribeKey") == before + 3


def main():
    key = keys()
    encryption(key)
    imports()
    safe()
    refusals(key)


if __name__ == "__main__":
    main()
