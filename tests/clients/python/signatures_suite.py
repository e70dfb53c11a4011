"""Signatures and ciphertexts across: ours against Python's `cryptography` and against `openssl`."""

import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils
from cryptography.hazmat.primitives.serialization import load_der_public_key

from support import Case

HASHES = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}
RSA = ("RSA_2048", "RSA_3072", "RSA_4096")
CURVES = {
    "ECC_NIST_P256": ("ECDSA_SHA_256", ec.SECP256R1),
    "ECC_NIST_P384": ("ECDSA_SHA_384", ec.SECP384R1),
    "ECC_NIST_P521": ("ECDSA_SHA_512", ec.SECP521R1),
    "ECC_SECG_P256K1": ("ECDSA_SHA_256", ec.SECP256K1),
}
MESSAGES = (b"m", "Übergabe\n".encode(), bytes(range(256)) * 16)
COUNTS = {"cryptography": 0, "openssl": 0, "oaep": 0}


def digest(hash_, message):
    running = hashes.Hash(hash_)
    running.update(message)
    return running.finalize()


class Signatures(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="keyfold-signatures-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder)

    def pair(self, spec):
        key = self.make_key(KeySpec=spec, KeyUsage="SIGN_VERIFY")["Arn"]
        der = self.kms.get_public_key(KeyId=key)["PublicKey"]
        return key, der, load_der_public_key(der)

    def signatures(self, key, algorithm, hash_):
        """Signatures over messages and over their digests; each kind verifies as the other."""
        for message in MESSAGES:
            digested = digest(hash_, message)
            forms = (("RAW", message), ("DIGEST", digested))
            for kind, form in forms:
                signed = self.kms.sign(
                    KeyId=key, Message=form, MessageType=kind, SigningAlgorithm=algorithm
                )
                signature = signed["Signature"]
                for other, other_form in forms:
                    answer = self.kms.verify(
                        KeyId=key,
                        Message=other_form,
                        MessageType=other,
                        Signature=signature,
                        SigningAlgorithm=algorithm,
                    )
                    self.assertIs(answer["SignatureValid"], True)
                yield message, signature
            self.assert_refused(
                self.kms,
                "ValidationException",
                "Sign",
                KeyId=key,
                Message=digested[1:],
                MessageType="DIGEST",
                SigningAlgorithm=algorithm,
            )

    def openssl(self, der, message, signature, *options):
        """What `openssl` says of a signature; it names none of our code's libraries."""
        files = {"key": der, "message": message, "signature": signature}
        paths = {}
        for name, content in files.items():
            paths[name] = self.folder / name
            paths[name].write_bytes(content)
        command = [
            "openssl", "pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-inkey", paths["key"],
            "-rawin", "-in", paths["message"], "-sigfile", paths["signature"], *options,
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, check=False)
        return done.returncode == 0 and b"Verified Successfully" in done.stdout + done.stderr

    def check_openssl(self, der, message, signature, *options):
        self.assertTrue(self.openssl(der, message, signature, *options))
        self.assertFalse(self.openssl(der, message + b"!", signature, *options))
        COUNTS["openssl"] += 1

    def test_rsa(self):
        for spec in RSA:
            key, der, public = self.pair(spec)
            self.assertIsInstance(public, rsa.RSAPublicKey)
            self.assertEqual((public.key_size, public.public_numbers().e), (int(spec[4:]), 65537))
            for bits, hash_ in HASHES.items():
                pss = padding.PSS(padding.MGF1(hash_), salt_length=hash_.digest_size)
                for name, pad, options in (
                    (f"RSASSA_PKCS1_V1_5_SHA_{bits}", padding.PKCS1v15(), ()),
                    (f"RSASSA_PSS_SHA_{bits}", pss, ("rsa_padding_mode:pss", "rsa_pss_saltlen:digest")),
                ):
                    options = ("-digest", f"sha{bits}", *(x for o in options for x in ("-pkeyopt", o)))
                    with self.subTest(spec=spec, algorithm=name):
                        for message, signature in self.signatures(key, name, hash_):
                            public.verify(signature, message, pad, hash_)
                            with self.assertRaises(InvalidSignature):
                                public.verify(signature, message + b"!", pad, hash_)
                            COUNTS["cryptography"] += 1
                        self.check_openssl(der, message, signature, *options)

    def test_ecdsa(self):
        for spec, (name, curve) in CURVES.items():
            key, der, public = self.pair(spec)
            self.assertIsInstance(public.curve, curve)
            hash_ = HASHES[name[-3:]]
            with self.subTest(spec=spec):
                for message, signature in self.signatures(key, name, hash_):
                    public.verify(signature, message, ec.ECDSA(hash_))
                    prehashed = ec.ECDSA(utils.Prehashed(hash_))
                    public.verify(signature, digest(hash_, message), prehashed)
                    with self.assertRaises(InvalidSignature):
                        public.verify(signature, message + b"!", ec.ECDSA(hash_))
                    COUNTS["cryptography"] += 1
                self.check_openssl(der, message, signature, "-digest", f"sha{name[-3:]}")

    def test_ed25519(self):
        key, der, public = self.pair("ECC_NIST_EDWARDS25519")
        self.assertIsInstance(public, ed25519.Ed25519PublicKey)
        algorithm = {"KeyId": key, "SigningAlgorithm": "ED25519_SHA_512"}
        for message in MESSAGES:
            signature = self.kms.sign(Message=message, **algorithm)["Signature"]
            public.verify(signature, message)
            with self.assertRaises(InvalidSignature):
                public.verify(signature, message + b"!")
            COUNTS["cryptography"] += 1
            self.check_openssl(der, message, signature)
        # Ed25519ph, which neither of the two can verify: ours does, and the kinds do not mix.
        hashed = digest(HASHES["512"], b"m")
        ph = {"KeyId": key, "SigningAlgorithm": "ED25519_PH_SHA_512", "MessageType": "DIGEST"}
        signature = self.kms.sign(Message=hashed, **ph)["Signature"]
        self.assertTrue(self.kms.verify(Message=hashed, Signature=signature, **ph)["SignatureValid"])
        name = "KMSInvalidSignatureException"
        for message in (b"m", hashed):
            self.assert_refused(
                self.kms, name, "Verify", Message=message, Signature=signature, **algorithm
            )
        for wrong in ({**algorithm, "MessageType": "DIGEST"}, {**ph, "MessageType": "RAW"}):
            self.assert_refused(self.kms, "ValidationException", "Sign", Message=hashed, **wrong)

    def test_signatures_from_outside_are_verified(self):
        # A private key outside has another public key: its signature must not pass for ours.
        outside = ec.generate_private_key(ec.SECP256R1())
        key, _, _ = self.pair("ECC_NIST_P256")
        signature = outside.sign(b"m", ec.ECDSA(hashes.SHA256()))
        self.assert_refused(
            self.kms,
            "KMSInvalidSignatureException",
            "Verify",
            KeyId=key,
            Message=b"m",
            Signature=signature,
            SigningAlgorithm="ECDSA_SHA_256",
        )


class Ciphertexts(Case):
    def test_what_is_encrypted_outside_is_decrypted_here(self):
        for spec in RSA:
            made = self.make_key(KeySpec=spec, KeyUsage="ENCRYPT_DECRYPT")
            public = load_der_public_key(self.kms.get_public_key(KeyId=made["Arn"])["PublicKey"])
            for name, hash_ in (
                ("RSAES_OAEP_SHA_1", hashes.SHA1()),
                ("RSAES_OAEP_SHA_256", hashes.SHA256()),
            ):
                oaep = padding.OAEP(padding.MGF1(hash_), hash_, label=None)
                longest = public.key_size // 8 - 2 * hash_.digest_size - 2
                of = {"KeyId": made["Arn"], "EncryptionAlgorithm": name}
                for length in (1, longest):
                    with self.subTest(spec=spec, algorithm=name, length=length):
                        plaintext = bytes(length)
                        sealed = public.encrypt(plaintext, oaep)
                        opened = self.kms.decrypt(CiphertextBlob=sealed, **of)
                        self.assertEqual(opened["Plaintext"], plaintext)
                        ours = self.kms.encrypt(Plaintext=plaintext, **of)
                        self.assertEqual(len(ours["CiphertextBlob"]), public.key_size // 8)
                        opened = self.kms.decrypt(CiphertextBlob=ours["CiphertextBlob"], **of)
                        self.assertEqual(opened["Plaintext"], plaintext)
                        COUNTS["oaep"] += 1
                labelled = padding.OAEP(padding.MGF1(hash_), hash_, label=b"l")
                for sealed in (public.encrypt(b"p", labelled), bytes(public.key_size // 8), b"x"):
                    self.assert_refused(
                        self.kms, "InvalidCiphertextException", "Decrypt", CiphertextBlob=sealed, **of
                    )


if __name__ == "__main__":
    version = subprocess.run(["openssl", "version"], capture_output=True, check=True, text=True)
    program = unittest.main(exit=False, verbosity=1)
    counts = ", ".join(f"{count} {name}" for name, count in COUNTS.items())
    print(f"signatures: {counts}; {version.stdout.strip()}")
    sys.exit(0 if program.result.wasSuccessful() else 1)
