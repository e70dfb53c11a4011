"""Makes certificates.json: client certificates with names of all kinds.

    pip install cryptography
    python3 kms/tests/data/certificates.py > kms/tests/data/certificates.json

They are self-signed: whether an authority vouches for one is seen before its names are.
"""

import base64
import datetime
import json
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

KEY = ec.generate_private_key(ec.SECP256R1())
URI, DNS = x509.UniformResourceIdentifier, x509.DNSName
SPIFFE = "spiffe://example.test/backup/night"

CASES = {
    "a SPIFFE ID": [URI(SPIFFE)],
    "a URI among other names": [DNS("a.example.test"), URI(SPIFFE), x509.RFC822Name("a@b.test")],
    "two URIs": [URI(SPIFFE), URI("spiffe://example.test/other")],
    "two DNS names": [DNS("App.Example.test"), DNS("b.example.test")],
    "a wildcard": [DNS("*.example.test")],
    "an address alone": [x509.RFC822Name("a@b.test")],
    "a policy variable": [URI("spiffe://example.test/${aws:username}")],
    "a blank": [URI("spiffe://example.test/a b")],
    "an empty name": [DNS("")],
    "a long name": [URI("spiffe://example.test/" + "a" * 1000)],
    "a common name alone": None,
}


def certificate(names):
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "admin")])
    start = datetime.datetime(2026, 1, 1)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(KEY.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=36500))
    )
    if names is not None:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(KEY, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def main():
    made = {name: base64.b64encode(certificate(names)).decode() for name, names in CASES.items()}
    json.dump(made, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
