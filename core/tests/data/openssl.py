#!/usr/bin/env python3
"""Writes openssl.json: keys and signatures made by the `openssl` command (3.0 or later).

Run by hand, once: python3 openssl.py > openssl.json. Tests read the result and never make it.
"""

import json
import pathlib
import subprocess
import tempfile

MESSAGE = b"a message that openssl signed"
HASHES = ["256", "384", "512"]


def openssl(*arguments: str) -> bytes:
    return subprocess.run(["openssl", *arguments], check=True, capture_output=True).stdout


def rsa(bits: int) -> tuple[str, list[str], dict[str, list[str]]]:
    signatures = {}
    for size in HASHES:
        signatures[f"RSASSA_PKCS1_V1_5_SHA_{size}"] = ["dgst", f"-sha{size}"]
        pss = ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest"]
        signatures[f"RSASSA_PSS_SHA_{size}"] = ["dgst", f"-sha{size}", *pss]
    return f"RSA_{bits}", ["RSA", "-pkeyopt", f"rsa_keygen_bits:{bits}"], signatures


def ec(spec: str, curve: str, size: str) -> tuple[str, list[str], dict[str, list[str]]]:
    make = ["EC", "-pkeyopt", f"ec_paramgen_curve:{curve}"]
    return spec, make, {f"ECDSA_SHA_{size}": ["dgst", f"-sha{size}"]}


KEYS = [
    rsa(2048),
    rsa(3072),
    rsa(4096),
    ec("ECC_NIST_P256", "P-256", "256"),
    ec("ECC_NIST_P384", "P-384", "384"),
    ec("ECC_NIST_P521", "P-521", "512"),
    ec("ECC_SECG_P256K1", "secp256k1", "256"),
    (
        "ECC_NIST_EDWARDS25519",
        ["ED25519"],
        {"ED25519_SHA_512": ["pkeyutl", "-rawin"]},
    ),
]


def entry(folder: pathlib.Path, spec: str, make: list[str], signatures: dict[str, list[str]]):
    key, public, message = folder / "key.pem", folder / "public.pem", folder / "message"
    message.write_bytes(MESSAGE)
    openssl("genpkey", "-algorithm", *make, "-out", str(key))
    openssl("pkey", "-in", str(key), "-pubout", "-out", str(public))
    made = {"spec": spec, "private_pem": key.read_text(), "public_pem": public.read_text()}
    if make[0] == "EC":
        made["compressed_pem"] = openssl(
            "pkey", "-in", str(key), "-pubout", "-ec_conv_form", "compressed"
        ).decode()
    made["signatures"] = {}
    for name, (command, *options) in signatures.items():
        if command == "dgst":
            signature = openssl("dgst", *options, "-sign", str(key), str(message))
        else:
            given = ["-sign", "-inkey", str(key), "-in", str(message)]
            signature = openssl("pkeyutl", *given, *options)
        made["signatures"][name] = signature.hex()
    if make[0] == "RSA":
        made["oaep"] = {}
        for name in ["sha1", "sha256"]:
            options = ["rsa_padding_mode:oaep", f"rsa_oaep_md:{name}", f"rsa_mgf1_md:{name}"]
            flags = [part for option in options for part in ("-pkeyopt", option)]
            given = ["-encrypt", "-pubin", "-inkey", str(public), "-in", str(message)]
            made["oaep"][name] = openssl("pkeyutl", *given, *flags).hex()
    return made


with tempfile.TemporaryDirectory() as folder:
    entries = [entry(pathlib.Path(folder), *key) for key in KEYS]
print(json.dumps({"message": MESSAGE.decode(), "keys": entries}, indent=1))
