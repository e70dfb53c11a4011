"""The hostile vectors, by the clause that each one breaks.

Wherever it can be, a hostile envelope is right in everything but its one fault: key derivation,
segments and signature fit the faulty bytes. A reader that misses the check would return plaintext.
"""

import hashlib

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, utils

import envelope as kf
from messages import Message, flip, recipient, stream
from valid import ORDER_P256, fill_header

MALFORMED, LIMIT, TRUNCATED = "malformed_envelope", "limit_exceeded", "truncated"
AUTH, SIGNATURE, CONTEXT = "authentication_failed", "signature_invalid", "context_mismatch"
VERSION, SUITE, ARGUMENT = "unsupported_version", "unsupported_suite", "invalid_argument"

# Order of the group that Ed25519 signs in (RFC 8032).
ED25519_L = 2**252 + 27742317777372353535851937790883648493


class Collector:
    def __init__(self, keys):
        self.keys, self.rows = keys, []

    def add(self, name, clause, expect, message, **fields):
        self.rows.append(message.vector(name, clause=clause, expect=expect, **fields))

    def message(self, label, **options):
        options.setdefault("plaintext", None if "length" in options else b"hello keyfold")
        return Message(self.keys, label, **options)


def vectors(keys):
    out = Collector(keys)
    for group in (magic, version_suite_flags, context_bytes, hint_bytes, recipient_bytes,
                  header_length, header_cut, order_of_header, stable_part_bound, policy, body_bits,
                  body_cut, body_order, splices, appended, detached, signatures):
        group(out)
    return out.rows


# --- Header ---------------------------------------------------------------------------------


def magic(out):
    base = out.message("magic")

    def whole(name, data, expect=MALFORMED, clause="4.2.1"):
        out.add("magic_" + name, clause, expect, base, header=data, body=b"")

    whole("empty_input", b"", TRUNCATED)
    whole("one_byte", b"K", TRUNCATED)
    whole("two_bytes", b"KF", TRUNCATED)
    whole("one_foreign_byte", b"k")
    whole("two_bytes_second_foreign", b"KE")
    whole("lower_case", b"kfe" + base.header[3:] + base.body)
    whole("last_byte_foreign", b"KFF" + base.header[3:] + base.body)
    whole("zeros", bytes(128))
    whole("kms_blob", b"KF\x01\x01\x00" + stream(b"kms blob", 100))
    whole("age", b"age-encryption.org/v1\n-> X25519 " + stream(b"age", 32).hex().encode())
    whole("openpgp_binary", b"\x85\x02\x0c\x03" + stream(b"openpgp", 96))
    whole("openpgp_armor", b"-----BEGIN PGP MESSAGE-----\n\nhQIMA")
    whole("pem", b"-----BEGIN CERTIFICATE-----\nMIIB")
    whole("zip", b"PK\x03\x04\x14\x00\x00\x00\x08\x00" + bytes(20))
    whole("gzip", b"\x1f\x8b\x08\x00" + bytes(20))
    whole("aws_encryption_sdk_1", b"\x01\x80\x03\x78" + stream(b"esdk 1", 100))
    whole("aws_encryption_sdk_2", b"\x02\x05\x78" + stream(b"esdk 2", 100))
    whole("json", b'{"ciphertext":"S0ZF"}')
    whole("base64", b"S0ZFAQABAAAA")
    whole("byte_order_mark", b"\xef\xbb\xbf" + base.header + base.body)
    whole("leading_newline", b"\n" + base.header + base.body)


def stable_with(version=1, suite=1, flags=0, context=None, rest=b""):
    context = kf.encode_context({"tenant": "acme"}) if context is None else context
    return (b"KFE" + bytes([version]) + kf.u16(suite) + bytes([flags]) + kf.u16(len(context))
            + context + rest)


def version_suite_flags(out):
    for version in (0, 2, 75, 255):
        base = out.message("version", stable=stable_with(version=version))
        out.add("version_%d" % version, "4.2.6", VERSION, base)
    for suite in (0x0000, 0x0003, 0x0004, 0x0100, 0x0101, 0x0200, 0xFFFF):
        base = out.message("suite", stable=stable_with(suite=suite))
        out.add("suite_0x%04x" % suite, "4.2.2", SUITE, base)
    for suite in (1, 2):
        base = out.message("not accepted", suite=suite)
        out.add("suite_%d_not_accepted" % suite, "5.1.2", SUITE, base,
                accepted_suites=[3 - suite])
    for bit in range(1, 8):
        base = out.message("flags", stable=stable_with(flags=1 << bit))
        out.add("flag_bit_%d" % bit, "4.2.3", MALFORMED, base)
    base = out.message("flags", stable=stable_with(flags=0xFE))
    out.add("flag_all_reserved_bits", "4.2.3", MALFORMED, base)
    spki = out.keys.spki("ed25519")
    rest = bytes([1]) + kf.u16(len(spki)) + spki
    base = out.message("flags signed", algorithm=1, stable=stable_with(flags=0x81, rest=rest))
    out.add("flag_reserved_beside_signed", "4.2.3", MALFORMED, base)


def pair(name, value):
    return kf.u16(len(name)) + name + kf.u16(len(value)) + value


def pairs(count, *items):
    return kf.u16(count) + b"".join(pair(*item) for item in items)


# Encodings that are not canonical, for contexts and for provider parameters: name, clause, bytes.
NOT_CANONICAL = [
    ("one_byte", "3.3", b"\x00"),
    ("count_zero", "3.3", b"\x00\x00"),
    ("count_zero_with_pair", "3.3", pairs(0, (b"a", b"1"))),
    ("unsorted", "3.3", pairs(2, (b"b", b"1"), (b"a", b"2"))),
    ("unsorted_at_the_end", "3.3", pairs(3, (b"a", b"1"), (b"c", b"2"), (b"b", b"3"))),
    ("longer_name_before_its_prefix", "3.3", pairs(2, (b"ab", b"1"), (b"a", b"2"))),
    ("duplicate", "3.3", pairs(2, (b"a", b"1"), (b"a", b"2"))),
    ("duplicate_equal", "3.3", pairs(2, (b"a", b"1"), (b"a", b"1"))),
    ("duplicate_empty_name", "3.3", pairs(2, (b"", b"1"), (b"", b"2"))),
    ("utf16_order", "3.3", pairs(2, ("\U0001f511".encode(), b"1"), ("\uffe6".encode(), b"2"))),
    ("count_too_high", "3.3", pairs(2, (b"a", b"1"))),
    ("count_too_low", "3.3", pairs(1, (b"a", b"1"), (b"b", b"2"))),
    ("count_65535", "3.3", pairs(0xFFFF, (b"a", b"1"))),
    ("trailing_byte", "3.3", pairs(1, (b"a", b"1")) + b"\x00"),
    ("name_length_overflows", "3.3", b"\x00\x01\xff\xffa\x00\x011"),
    ("name_length_one_too_long", "3.3", b"\x00\x01\x00\x05a\x00\x01"),
    ("value_length_overflows", "3.3", b"\x00\x01\x00\x01a\xff\xff1"),
    ("value_length_one_too_long", "3.3", b"\x00\x01\x00\x01a\x00\x021"),
    ("cut_in_value_length", "3.3", b"\x00\x01\x00\x01a\x00"),
    ("value_missing", "3.3", b"\x00\x01\x00\x01a"),
    ("little_endian", "3.3", b"\x01\x00\x01\x00a\x01\x001"),
    ("name_not_utf8", "3.3", pairs(1, (b"\xff", b"1"))),
    ("name_overlong_utf8", "3.3", pairs(1, (b"\xc0\x80", b"1"))),
    ("name_surrogate", "3.3", pairs(1, (b"\xed\xa0\x80", b"1"))),
]
VALUES_NOT_UTF8 = [
    ("value_not_utf8", b"\xff"),
    ("value_cut_utf8", "\u20ac".encode()[:2]),
    ("value_overlong_utf8", b"\xe0\x80\xaf"),
    ("value_surrogate", b"\xed\xbf\xbf"),
    ("value_above_unicode", b"\xf4\x90\x80\x80"),
]


def context_bytes(out):
    cases = NOT_CANONICAL + [(n, "3.4", pairs(1, (b"a", v))) for n, v in VALUES_NOT_UTF8]
    for name, clause, data in cases:
        base = out.message("context " + name, context={}, stable=stable_with(context=data))
        out.add("context_" + name, clause, MALFORMED, base)
    for size in (8193, 8194, 16384):
        data = pairs(1, (b"n", b"v" * (size - 7)))
        base = out.message("context size", context={}, stable=stable_with(context=data))
        out.add("context_%d_bytes" % size, "3.5", LIMIT, base)
    start = stable_with(context=b"")[:-2]
    base = out.message("context claims")
    out.add("context_claims_65535", "4.1.2", LIMIT, base, header=start + b"\xff\xff", body=b"")
    out.add("context_claims_8193", "4.1.2", LIMIT, base, header=start + b"\x20\x01", body=b"")
    out.add("context_claims_8192", "4.1.3", TRUNCATED, base, header=start + b"\x20\x00", body=b"")


BAD_KEY_URIS = [
    ("no_colon", b"keyfold"),
    ("empty_scheme", b":key/1"),
    ("empty_rest", b"keyfold:"),
    ("upper_case_scheme", b"Keyfold:key/1"),
    ("upper_case_inside_scheme", b"keyFold:key/1"),
    ("digit_first", b"1password:key"),
    ("underscore_in_scheme", b"key_fold:key/1"),
    ("space", b"keyfold:key 1"),
    ("newline_at_the_end", b"keyfold:key/1\n"),
    ("nul", b"keyfold:key\x00"),
    ("delete", b"keyfold:key\x7f"),
    ("not_ascii", "keyfold:cl\u00e9".encode()),
    ("space_in_scheme", b"key fold:key"),
]


def hint_bytes(out):
    context = kf.encode_context({"tenant": "acme"})

    def signed(name, clause, expect, algorithm, n, hint):
        stable = stable_with(flags=1, context=context,
                             rest=bytes([algorithm]) + kf.u16(n) + hint)
        base = out.message("hint " + name, algorithm=1, stable=stable)
        out.add("hint_" + name, clause, expect, base)

    spki = out.keys.spki("ed25519")
    for algorithm in (0, 7, 8, 255):
        signed("algorithm_%d" % algorithm, "10.2", MALFORMED, algorithm, len(spki), spki)
    signed("empty", "4.1.2", MALFORMED, 1, 0, b"")
    signed("2049_bytes", "4.1.2", LIMIT, 1, 2049, b"k:" + b"h" * 2047)
    signed("2049_bytes_of_spki", "4.1.2", LIMIT, 1, 2049, spki + bytes(2049 - len(spki)))
    signed("claims_65535", "4.1.2", LIMIT, 1, 65535, spki)
    signed("first_byte_0x31", "4.2.4", MALFORMED, 1, len(spki), b"\x31" + spki[1:])
    signed("first_byte_0x00", "4.2.4", MALFORMED, 1, 33, bytes(33))
    signed("pem", "4.2.4", MALFORMED, 1, 26, b"-----BEGIN PUBLIC KEY-----")
    for name, uri in BAD_KEY_URIS:
        signed("uri_" + name, "4.2.4", MALFORMED, 1, len(uri), uri)


def recipient_bytes(out):
    uri, wrapped = b"keyfold:key/1", stream(b"wrapped", 48)

    def entry(u=uri, p=b"", w=wrapped, u_len=None, p_len=None, w_len=None):
        parts = ((u, u_len), (p, p_len), (w, w_len))
        return b"".join(kf.u16(len(d) if n is None else n) + d for d, n in parts)

    def case(name, clause, expect, data, count=1):
        base = out.message("recipient " + name, recipient_list=bytes([count]) + data)
        out.add("recipient_" + name, clause, expect, base)

    good = entry()
    case("count_0", "4.1.2", MALFORMED, b"", 0)
    case("count_0_with_recipient", "4.1.2", MALFORMED, good, 0)
    case("count_17", "4.1.2", LIMIT, good * 17, 17)
    case("count_255", "4.1.2", LIMIT, good * 255, 255)
    case("uri_empty", "4.1.2", MALFORMED, entry(u=b""))
    case("uri_2049_bytes", "4.3.1", LIMIT, entry(u=b"k:" + b"u" * 2047))
    case("uri_claims_65535", "4.1.2", LIMIT, entry(u_len=65535))
    for name, bad in BAD_KEY_URIS:
        case("uri_" + name, "4.3.1", MALFORMED, entry(u=bad))
    case("second_uri_empty", "4.1.2", MALFORMED, good + entry(u=b""), 2)
    case("second_uri_invalid", "4.3.1", MALFORMED, good + entry(u=b"K:1"), 2)
    for name, _, data in NOT_CANONICAL:
        case("params_" + name, "4.4.1", MALFORMED, entry(p=data))
    case("params_4097_bytes", "4.4.1", LIMIT, entry(p=pairs(1, (b"n", b"v" * 4090))))
    case("params_claims_65535", "4.1.2", LIMIT, entry(p_len=65535))
    case("second_params_unsorted", "4.4.1", MALFORMED,
         good + entry(p=pairs(2, (b"b", b""), (b"a", b""))), 2)
    case("wrapped_empty", "4.1.2", MALFORMED, entry(w=b""))
    case("wrapped_6145_bytes", "4.1.2", LIMIT, entry(w=bytes(6145)))
    case("wrapped_claims_65535", "4.1.2", LIMIT, entry(w_len=65535))
    case("second_wrapped_empty", "4.1.2", MALFORMED, good + entry(w=b""), 2)
    case("second_wrapped_6145_bytes", "4.1.2", LIMIT, good + entry(w=bytes(6145)), 2)
    case("sixteenth_uri_invalid", "4.3.1", MALFORMED, good * 15 + entry(u=b"no colon"), 16)


def header_length(out):
    stable_len = len(kf.encode_stable(1, kf.encode_context({"tenant": "acme"})))
    over = out.message("header 65537", recipients=fill_header(stable_len, kf.MAX_HEADER + 1))
    out.add("header_65537_bytes", "4.1.4", LIMIT, over)
    # The length tells before the bytes are there.
    lengths_only = over.header[: len(over.header) - len(over.recipients[-1][2])]
    out.add("header_65537_by_its_lengths", "4.1.4", LIMIT, over, header=lengths_only, body=b"")


def header_fields(message):
    """(name, start, end) of each field of a header."""
    data, at, fields = message.header, 0, []

    def field(name, n):
        nonlocal at
        fields.append((name, at, at + n))
        at += n

    def sized(name):
        field(name + "_length", 2)
        field(name, int.from_bytes(data[at - 2 : at], "big"))

    for name, n in (("magic", 3), ("version", 1), ("suite", 2), ("flags", 1)):
        field(name, n)
    sized("context")
    if message.algorithm:
        field("algorithm", 1)
        sized("hint")
    field("count", 1)
    for number in range(1, len(message.recipients) + 1):
        for name in ("uri", "params", "wrapped"):
            sized("%s_%d" % (name, number))
    assert at == len(data)
    return fields


def header_cut(out):
    who = [recipient(b"one", {b"version": b"1"}), recipient(b"two", {b"version": b"2"})]
    base = out.message("cut", algorithm=1, recipients=who)
    for name, start, end in header_fields(base):
        if start > 3:
            out.add("header_cut_before_" + name, "4.1.3", TRUNCATED, base,
                    header=base.header[:start], body=b"", trailer=b"")
        if end - start > 1 and start > 0:
            middle = base.header[: (start + end) // 2]
            out.add("header_cut_inside_" + name, "4.1.3", TRUNCATED, base, header=middle, body=b"",
                    trailer=b"")
    out.add("header_cut_before_version", "4.1.3", TRUNCATED, base, header=base.header[:3],
            body=b"", trailer=b"")
    unsigned = out.message("cut unsigned", recipients=who)
    out.add("header_cut_last_byte", "4.1.3", TRUNCATED, unsigned, header=unsigned.header[:-1],
            body=b"")
    out.add("header_cut_detached", "4.1.3", TRUNCATED, unsigned, header=unsigned.header[:-1],
            detached=True)


def order_of_header(out):
    base = out.message("order")

    def case(name, expect, header):
        out.add("order_" + name, "4.1.1", expect, base, header=header, body=b"")

    case("magic_before_version", MALFORMED, b"KFX\x02")
    case("version_before_suite", VERSION, b"KFE\x02\xff\xff")
    case("version_before_truncation", VERSION, b"KFE\x02")
    case("suite_before_flags", SUITE, b"KFE\x01\x00\x03\xff")
    case("suite_cut_before_it_is_judged", TRUNCATED, b"KFE\x01\xff")
    case("flags_before_context_limit", MALFORMED, b"KFE\x01\x00\x01\x02\xff\xff")
    case("context_before_algorithm", MALFORMED, b"KFE\x01\x00\x01\x01\x00\x02\x00\x00\x07")
    case("algorithm_before_hint", MALFORMED, b"KFE\x01\x00\x01\x01\x00\x00\x00\xff\xff")
    case("hint_before_count", MALFORMED, b"KFE\x01\x00\x01\x01\x00\x00\x01\x00\x01:\x11")
    case("hint_limit_before_count", LIMIT, b"KFE\x01\x00\x01\x01\x00\x00\x01\x08\x01")
    unsigned = b"KFE\x01\x00\x01\x00\x00\x00"
    case("count_before_recipient", LIMIT, unsigned + b"\x11\x00\x00")
    case("uri_before_params", MALFORMED, unsigned + b"\x01\x00\x02aa\xff\xff")
    case("params_before_wrapped", MALFORMED, unsigned + b"\x01\x00\x03a:b\x00\x01x\xff\xff")
    case("first_recipient_before_second", LIMIT,
         unsigned + b"\x02\x00\x03a:b\x00\x00\x18\x01")


def stable_part_bound(out):
    """Changes that still parse: the commitment catches them (5.2.2)."""
    base = out.message("bound", context={"doc": "7", "tenant": "acme"})
    changed = {"doc": "8", "tenant": "acme"}

    def with_context(context):
        return kf.encode_stable(1, kf.encode_context(context)) + base.list

    out.add("stable_context_value_changed", "5.2.2", AUTH, base, header=with_context(changed),
            expected_context=changed)
    out.add("stable_context_pair_added", "5.2.2", AUTH, base,
            header=with_context(dict(base.context, x="")),
            expected_context=dict(base.context, x=""))
    out.add("stable_context_pair_removed", "5.2.2", AUTH, base,
            header=with_context({"tenant": "acme"}), expected_context={"tenant": "acme"})
    out.add("stable_context_emptied", "5.2.2", AUTH, base, header=with_context({}),
            expected_context={})
    out.add("stable_suite_1_to_2", "5.2.2", AUTH, base,
            header=kf.encode_stable(2, kf.encode_context(base.context)) + base.list)
    two = out.message("bound two", suite=2)
    out.add("stable_suite_2_to_1", "5.2.2", AUTH, two,
            header=kf.encode_stable(1, kf.encode_context(two.context)) + two.list)

    # The flag "signed", set and cleared.
    plain = out.message("flag set")
    set_flag = plain.header[:6] + b"\x01" + plain.header[7:]
    out.add("stable_signed_flag_set", "4.1.2", MALFORMED, plain, header=set_flag)
    spki = out.keys.spki("ed25519")
    context = kf.encode_context(plain.context)
    pretend = kf.encode_stable(1, context, 1, spki) + plain.list
    out.add("stable_signature_pretended", "5.2.2", AUTH, plain, header=pretend,
            trailer=stream(b"trailer", 64), signers=[spki])
    signed = out.message("flag cleared", algorithm=1)
    cleared = signed.header[:6] + b"\x00" + signed.header[7:]
    # The algorithm is read as the count, the hint as a KeyUri.
    out.add("stable_signed_flag_cleared", "4.3.1", MALFORMED, signed, header=cleared)
    stripped = kf.encode_stable(1, context) + signed.list
    out.add("stable_signature_stripped", "5.2.2", AUTH, signed, header=stripped, trailer=b"",
            signers=None)
    out.add("stable_signature_stripped_but_demanded", "7.4.3", SIGNATURE, signed, header=stripped,
            trailer=b"", require_signature=True)
    other = out.keys.spki("other_ed25519")
    rehinted = kf.encode_stable(1, context, 1, other) + signed.list
    out.add("stable_hint_replaced", "5.2.2", AUTH, signed, header=rehinted)
    forged = out.keys.sign(1, "other_ed25519", kf.signed_message(rehinted[: -len(signed.list)],
                                                                 signed.body))
    out.add("stable_signer_replaced", "5.2.2", AUTH, signed, header=rehinted, trailer=forged,
            signers=None, any_signer=True)
    realgorithm = kf.encode_stable(1, context, 2, spki) + signed.list
    out.add("stable_algorithm_changed", "5.2.2", AUTH, signed, header=realgorithm)


# --- What the caller demands ----------------------------------------------------------------


def policy(out):
    base = out.message("policy")
    spki = out.keys.spki("ed25519")

    def context(name, sealed, expected):
        message = out.message("policy " + name, context=sealed)
        out.add("context_mismatch_" + name, "8.1.2", CONTEXT, message, expected_context=expected)

    context("value", {"tenant": "acme"}, {"tenant": "evil"})
    context("name", {"tenant": "acme"}, {"Tenant": "acme"})
    context("pair_missing", {"tenant": "acme"}, {"doc": "1", "tenant": "acme"})
    context("pair_too_many", {"doc": "1", "tenant": "acme"}, {"tenant": "acme"})
    context("empty_expected", {"tenant": "acme"}, {})
    context("empty_sealed", {}, {"tenant": "acme"})
    context("split", {"a": "bc"}, {"ab": "c"})
    context("empty_value_moved", {"a": "", "b": "x"}, {"a": "b", "": "x"})
    context("nfc_for_nfd", {"k": "e\u0301"}, {"k": "\u00e9"})
    context("trailing_nul", {"k": "v"}, {"k": "v\x00"})
    context("trailing_space", {"k": "v"}, {"k": "v "})

    out.add("unsigned_where_demanded", "7.4.3", SIGNATURE, base, require_signature=True,
            signers=[spki])
    out.add("unsigned_where_any_signer_demanded", "7.4.3", SIGNATURE, base,
            require_signature=True, any_signer=True)
    out.add("unsigned_with_appended_signature", "7.4.3", SIGNATURE, base, require_signature=True,
            signers=[spki], trailer=out.keys.sign(1, "ed25519", base.m))
    signed = out.message("policy signed", algorithm=1)
    out.add("signed_without_policy", "7.4.2", ARGUMENT, signed, signers=None)

    wrong = stream(b"wrong data key", 32)
    out.add("order_suite_before_signature", "8.1.1", SUITE, base, accepted_suites=[2],
            require_signature=True, signers=[spki])
    out.add("order_signature_before_context", "8.1.1", SIGNATURE, base, require_signature=True,
            signers=[spki], expected_context={})
    out.add("order_context_before_data_key", "8.1.1", CONTEXT, base, expected_context={},
            data_key=wrong)
    out.add("order_context_before_body", "8.1.1", CONTEXT, base, expected_context={}, body=b"")
    out.add("order_data_key_before_signature", "8.1.1", AUTH, signed, data_key=wrong,
            trailer=bytes(64))

    for suite in (1, 2):
        message = out.message("wrong key", suite=suite)
        out.add("data_key_wrong_suite_%d" % suite, "5.2.2", AUTH, message, data_key=wrong)
    out.add("data_key_zero", "5.2.2", AUTH, base, data_key=bytes(32))
    out.add("data_key_one_bit", "5.2.2", AUTH, base, data_key=flip(base.data_key, 31, 0))


# --- Body -----------------------------------------------------------------------------------


def body_bits(out):
    for suite in (1, 2):
        base = out.message("bits %d" % suite, suite=suite)
        end = len(base.body) - 1
        places = {"salt_first": (0, 7), "salt_last": (23, 0), "commitment_first": (24, 7),
                  "commitment_last": (55, 0), "ciphertext_first": (56, 7),
                  "ciphertext_last": (end - 16, 0), "tag_first": (end - 15, 7),
                  "tag_last": (end, 0)}
        for name, (at, bit) in places.items():
            out.add("body_bit_%s_suite_%d" % (name, suite), "8.3.1", AUTH, base,
                    body=flip(base.body, at, bit))
    base = out.message("bits 1")
    salt, commitment, rest = base.body[:24], base.body[24:56], base.body[56:]
    out.add("body_salt_and_commitment_swapped", "5.2.2", AUTH, base,
            body=commitment + salt + rest)
    out.add("body_commitment_zero", "5.2.2", AUTH, base, body=salt + bytes(32) + rest)
    out.add("body_commitment_first_bytes_only", "5.2.2", AUTH, base,
            body=salt + commitment[:16] + bytes(16) + rest)
    out.add("body_salt_zero", "5.2.2", AUTH, base, body=bytes(24) + commitment + rest)
    out.add("body_tag_zero", "8.3.1", AUTH, base, body=base.body[:-16] + bytes(16))
    empty = out.message("bits empty", plaintext=b"")
    out.add("body_empty_message_tag", "8.3.1", AUTH, empty, body=flip(empty.body, 56, 0))
    two = out.message("bits two", length=16484)
    out.add("body_bit_in_second_segment", "8.3.1", AUTH, two,
            body=flip(two.body, 56 + kf.SEGMENT, 3))

    # Segments as another format would write them.
    key = kf.MessageKey(1, base.data_key, base.salt, base.stable)
    plaintext = base.plaintext
    with_aad = key.aead.encrypt(key.nonce(0), plaintext, base.stable)
    out.add("segment_with_additional_data", "6.1.2", AUTH, base, body=base.prefix + with_aad)
    out.add("segment_number_1_first", "6.1.3", AUTH, base,
            body=base.prefix + key.seal(1, plaintext))
    nonce = (key.base_nonce ^ (1 << 95)).to_bytes(12, "big")
    out.add("segment_with_last_flag_in_nonce", "6.1.3", AUTH, base,
            body=base.prefix + key.aead.encrypt(nonce, plaintext, None))
    full = stream(base.seed, kf.PIECE)
    out.add("segment_full_and_last", "6.2.1", TRUNCATED, base,
            body=base.prefix + key.seal(0, full))
    raw = kf.SUITES[1][0](base.data_key).encrypt(nonce, plaintext, None)
    out.add("segment_under_the_data_key", "5.2.3", AUTH, base, body=base.prefix + raw)


def body_cut(out):
    base = out.message("body cut")
    for size in (0, 1, 23, 24, 25, 55, 56, 57, 71):
        out.add("body_cut_to_%d" % size, "6.2.1", TRUNCATED, base, body=base.body[:size])
    for size in (72, 73, len(base.body) - 1):
        out.add("body_cut_to_%d" % size, "6.2.2", AUTH, base, body=base.body[:size])
    empty = out.message("body cut empty", plaintext=b"")
    out.add("body_cut_empty_message", "6.2.1", TRUNCATED, empty, body=empty.body[:71])
    full = out.message("body cut full", length=kf.PIECE)
    out.add("body_cut_empty_last_segment", "6.2.1", TRUNCATED, full, body=full.body[:-16])
    out.add("body_cut_in_empty_last_segment", "6.2.1", TRUNCATED, full, body=full.body[:-1])
    two = out.message("body cut two", length=16484)
    edge = 56 + kf.SEGMENT
    for name, size, expect in (
        ("1_after_commitment", 57, TRUNCATED), ("in_first_segment", 72, AUTH),
        ("1_before_boundary", edge - 1, AUTH), ("at_boundary", edge, TRUNCATED),
        ("1_after_boundary", edge + 1, TRUNCATED), ("15_after_boundary", edge + 15, TRUNCATED),
        ("16_after_boundary", edge + 16, AUTH), ("1_before_end", len(two.body) - 1, AUTH),
    ):
        clause = "6.2.1" if expect == TRUNCATED else "6.2.2"
        out.add("two_segments_cut_" + name, clause, expect, two, body=two.body[:size])
    three = out.message("body cut three", length=2 * 16384 + 100)
    out.add("three_segments_cut_at_second_boundary", "6.2.1", TRUNCATED, three,
            body=three.body[: 56 + 2 * kf.SEGMENT])
    second = out.message("body cut suite 2", suite=2)
    out.add("body_cut_to_71_suite_2", "6.2.1", TRUNCATED, second, body=second.body[:71])


def body_order(out):
    two = out.message("order two", length=16484)
    s0, s1 = two.segments

    def put(name, message, expect, clause, *segments):
        out.add(name, clause, expect, message, body=message.prefix + b"".join(segments))

    put("segments_swapped_full_and_last", two, AUTH, "8.3.1", s1, s0)
    put("segments_first_dropped", two, AUTH, "8.3.1", s1)
    put("segments_last_dropped", two, TRUNCATED, "6.2.1", s0)
    put("segments_first_twice", two, AUTH, "8.3.1", s0, s0, s1)
    put("segments_last_twice", two, AUTH, "8.3.1", s0, s1, s1)
    put("segments_all_dropped", two, TRUNCATED, "6.2.1")
    three = out.message("order three", length=2 * 16384 + 100)
    t0, t1, t2 = three.segments
    put("segments_two_full_swapped", three, AUTH, "8.3.1", t1, t0, t2)
    put("segments_middle_dropped", three, AUTH, "8.3.1", t0, t2)
    put("segments_middle_replaced_by_first", three, AUTH, "8.3.1", t0, t0, t2)
    empty_end = out.message("order empty end", length=kf.PIECE)
    e0, e1 = empty_end.segments
    put("segments_empty_last_alone", empty_end, AUTH, "8.3.1", e1)
    put("segments_empty_last_first", empty_end, AUTH, "8.3.1", e1, e0)
    small = out.message("order small")
    put("segments_only_one_twice", small, AUTH, "8.3.1", small.segments[0] * 2)


def splices(out):
    """Two messages under one data key, with one stable part; only the salts differ."""
    key = stream(b"data key splice", 32)
    a = out.message("splice a", length=16484, data_key=key)
    b = out.message("splice b", length=16484, data_key=key, recipients=a.recipients)

    def put(name, body, clause="8.3.1"):
        out.add("splice_" + name, clause, AUTH, a, body=body)

    put("first_segment", a.prefix + b.segments[0] + a.segments[1])
    put("last_segment", a.prefix + a.segments[0] + b.segments[1])
    put("all_segments", a.prefix + b.segments[0] + b.segments[1])
    put("salt", b.salt + a.body[24:], "5.2.2")
    put("commitment", a.salt + b.body[24:56] + a.body[56:], "5.2.2")
    c = out.message("splice c", data_key=key, context={"tenant": "other"})
    small = out.message("splice d", data_key=key)
    out.add("splice_body_of_another_context", "5.2.2", AUTH, small, body=c.body)
    out.add("splice_header_of_another_context", "5.2.2", AUTH, small, header=c.header,
            expected_context=c.context)
    other = out.message("splice e", context=small.context)
    out.add("splice_body_of_another_data_key", "5.2.2", AUTH, small, body=other.body)
    out.add("splice_list_of_another_data_key", "5.2.2", AUTH, small,
            header=small.stable + other.list, data_key=other.data_key)
    two = out.message("splice f", data_key=key, suite=2)
    out.add("splice_body_of_another_suite", "5.2.2", AUTH, small, body=two.body)


def appended(out):
    base = out.message("appended")
    extra = {"zero_byte": b"\x00", "newline": b"\n", "sixteen_zeros": bytes(16),
             "its_own_body": base.body, "whole_envelope": base.header + base.body}
    for name, data in extra.items():
        out.add("appended_" + name, "6.2.3", AUTH, base, body=base.body + data)
    empty = out.message("appended empty", plaintext=b"")
    out.add("appended_to_empty_message", "6.2.3", AUTH, empty, body=empty.body + b"\x00")
    full = out.message("appended full", length=kf.PIECE)
    out.add("appended_to_empty_last_segment", "6.2.3", AUTH, full, body=full.body + b"\x00")
    key = kf.MessageKey(1, base.data_key, base.salt, base.stable)
    out.add("appended_second_last_segment", "6.2.3", AUTH, base,
            body=base.body + key.seal(1, b"more"))
    out.add("inserted_before_body", "5.2.2", AUTH, base, body=b"\x00" + base.body)


def detached(out):
    base = out.message("detached")
    for name, more in (("byte", b"\x00"), ("body", base.body), ("header", base.header)):
        out.add("detached_header_then_" + name, "4.5.2", MALFORMED, base,
                header=base.header + more, detached=True)
    out.add("detached_header_empty", "4.2.1", TRUNCATED, base, header=b"", detached=True)
    out.add("detached_body_empty", "6.2.1", TRUNCATED, base, body=b"", detached=True)
    out.add("detached_body_is_whole", "5.2.2", AUTH, base, body=base.header + base.body,
            detached=True)
    other = out.message("detached other")
    out.add("detached_header_of_another_message", "9.6", AUTH, base, header=other.header,
            data_key=other.data_key, detached=True)
    context = out.message("detached context", data_key=base.data_key, context={"tenant": "b"})
    out.add("detached_header_of_another_context", "9.6", AUTH, base, header=context.header,
            expected_context=context.context, detached=True)
    out.add("detached_body_cut", "6.2.1", TRUNCATED, base, body=base.body[:71], detached=True)
    signed = out.message("detached signed", algorithm=1)
    out.add("detached_trailer_altered", "7.5.4", SIGNATURE, signed,
            trailer=flip(signed.trailer, 0, 0), detached=True)


# --- Signatures -----------------------------------------------------------------------------


def signatures(out):
    for algorithm in kf.SIGNATURE_LEN:
        each_algorithm(out, algorithm)
    trailers(out)
    schemes(out)
    signers(out)


def each_algorithm(out, algorithm):
    name = out.keys.NAMES[algorithm]
    base = out.message("sig " + name, algorithm=algorithm)
    end = len(base.trailer) - 1

    def case(what, clause, expect, **fields):
        out.add("signature_%s_%s" % (name, what), clause, expect, base, **fields)

    case("first_bit", "7.5.4", SIGNATURE, trailer=flip(base.trailer, 0, 0))
    case("last_bit", "7.5.4", SIGNATURE, trailer=flip(base.trailer, end, 0))
    case("zero", "7.5.4", SIGNATURE, trailer=bytes(end + 1))
    case("all_ones", "7.5.4", SIGNATURE, trailer=b"\xff" * (end + 1))
    case("by_another_key", "7.5.1", SIGNATURE, trailer=base.sign("other_" + name))
    case("signer_not_accepted", "7.5.1", SIGNATURE, signers=[out.keys.spki("other_" + name)])
    other = out.message("sig other " + name, algorithm=algorithm, data_key=base.data_key)
    case("of_another_message", "7.5.4", SIGNATURE, trailer=other.trailer)
    case("absent", "7.2.1", TRUNCATED if len(base.body) < 72 + end + 1 else AUTH, trailer=b"")


def trailers(out):
    base = out.message("trailers", algorithm=1, length=300)
    out.add("trailer_absent", "7.2.1", AUTH, base, trailer=b"")
    out.add("trailer_cut_by_1", "7.2.1", AUTH, base, trailer=base.trailer[:-1])
    out.add("trailer_cut_to_1", "7.2.1", AUTH, base, trailer=base.trailer[:1])
    out.add("trailer_with_a_byte_more", "7.2.1", AUTH, base, trailer=base.trailer + b"\x00")
    out.add("trailer_twice", "7.2.1", AUTH, base, trailer=base.trailer * 2)
    out.add("trailer_before_body", "7.2.1", AUTH, base, body=base.trailer + base.body, trailer=b"")
    # Without its trailer this body ends at a boundary.
    edge = out.message("trailers edge", algorithm=1, length=kf.PIECE + 64 - 16)
    out.add("trailer_absent_at_boundary", "7.2.1", TRUNCATED, edge, trailer=b"")
    empty = out.message("trailers empty", algorithm=1, plaintext=b"")
    out.add("trailer_absent_empty_message", "7.2.2", TRUNCATED, empty, trailer=b"")
    out.add("trailer_cut_empty_message", "7.2.2", TRUNCATED, empty, trailer=empty.trailer[:-1])
    out.add("trailer_alone", "7.2.2", TRUNCATED, empty, body=b"")
    out.add("trailer_and_altered_segment", "8.2.1", AUTH, base, body=flip(base.body, 56, 0),
            trailer=bytes(64))
    out.add("trailer_right_segment_altered", "8.2.1", AUTH, base, body=flip(base.body, 56, 0))


def schemes(out):
    """Signatures that are right, over something else or in another way."""
    ed = out.message("schemes ed", algorithm=1)

    def ed_case(what, make):
        out.add("signature_ed25519_" + what, "7.3.1", SIGNATURE, ed, trailer=ed.sign(how=make))

    ed_case("over_m_itself", lambda key, m: key.sign(m))
    ed_case("over_sha512_of_m", lambda key, m: key.sign(hashlib.sha512(m).digest()))
    ed_case("without_label", lambda key, m: key.sign(hashlib.sha256(m[29:]).digest()))
    ed_case("over_the_plaintext",
            lambda key, m: key.sign(hashlib.sha256(ed.plaintext).digest()))
    s = int.from_bytes(ed.trailer[32:], "little") + ED25519_L
    out.add("signature_ed25519_s_plus_l", "7.1.3", SIGNATURE, ed,
            trailer=ed.trailer[:32] + s.to_bytes(32, "little"))

    p256 = out.message("schemes p256", algorithm=2)
    r, s = p256.trailer[:32], p256.trailer[32:]
    der = utils.encode_dss_signature(int.from_bytes(r, "big"), int.from_bytes(s, "big"))
    out.add("signature_p256_der_cut_to_64", "7.1.2", SIGNATURE, p256, trailer=der[:64])
    out.add("signature_p256_s_and_r_swapped", "7.1.2", SIGNATURE, p256, trailer=s + r)
    out.add("signature_p256_r_zero", "7.1.2", SIGNATURE, p256, trailer=bytes(32) + s)
    out.add("signature_p256_s_zero", "7.1.2", SIGNATURE, p256, trailer=r + bytes(32))
    n = ORDER_P256.to_bytes(32, "big")
    out.add("signature_p256_s_is_n", "7.1.2", SIGNATURE, p256, trailer=r + n)
    out.add("signature_p256_little_endian", "7.1.2", SIGNATURE, p256,
            trailer=r[::-1] + s[::-1])
    p384 = out.message("schemes p384", algorithm=3)
    out.add("signature_p384_with_sha256", "7.1.2", SIGNATURE, p384,
            trailer=p384.sign(how=lambda key, m: raw_ecdsa(key, m, hashes.SHA256(), 48)))

    rsa = out.message("schemes rsa", algorithm=4)
    for what, scheme in (("pkcs1_v15", padding.PKCS1v15()), ("salt_0", kf.pss(0)),
                         ("salt_20", kf.pss(20)), ("salt_64", kf.pss(64))):
        out.add("signature_rsa2048_" + what, "7.1.1", SIGNATURE, rsa,
                trailer=rsa.sign(how=lambda key, m, p=scheme: key.sign(m, p, hashes.SHA256()),
                                 label=" " + what))
    mgf1 = padding.PSS(mgf=padding.MGF1(hashes.SHA1()), salt_length=32)
    for what, scheme, digest in (("mgf1_sha1", mgf1, hashes.SHA256()),
                                 ("sha512", kf.pss(32), hashes.SHA512())):
        out.add("signature_rsa2048_" + what, "7.1.1", SIGNATURE, rsa,
                trailer=rsa.sign(how=lambda key, m, p=scheme, d=digest: key.sign(m, p, d),
                                 label=" " + what))


def raw_ecdsa(key, message, digest, half):
    der = key.sign(message, ec.ECDSA(digest, deterministic_signing=True))
    return b"".join(part.to_bytes(half, "big") for part in utils.decode_dss_signature(der))


def signers(out):
    ed = out.message("signers", algorithm=1)
    spki = out.keys.spki
    out.add("signers_of_other_types", "7.5.3", SIGNATURE, ed,
            signers=[spki("p256"), spki("p384"), spki("rsa2048")])
    out.add("signers_spki_with_trailing_byte", "7.5.3", SIGNATURE, ed,
            signers=[spki("ed25519") + b"\x00"])
    rsa = out.message("signers rsa", algorithm=4)
    out.add("signers_rsa_of_another_size", "7.5.3", SIGNATURE, rsa, signers=[spki("rsa3072")])
    named = out.message("signers named", algorithm=1, hint=b"keyfold:key/release")
    out.add("any_signer_with_key_uri", "7.5.2", SIGNATURE, named, signers=None, any_signer=True)
    for name, hint in (("cut", spki("ed25519")[:-1]), ("trailing_byte", spki("ed25519") + b"\x00"),
                       ("of_another_type", spki("p256")), ("one_byte", b"\x30"),
                       ("of_another_key", spki("other_ed25519"))):
        message = out.message("signers hint " + name, algorithm=1, hint=hint)
        out.add("any_signer_with_hint_" + name, "7.5.2", SIGNATURE, message, signers=None,
                any_signer=True)

    # A recipient has the data key: it can seal other plaintext, but not sign it (11.6).
    message = out.message("signers recipient", algorithm=1, plaintext=b"pay 10 to alice")
    honest = message.trailer
    message.seal(b"pay 99 to mallory")
    out.add("signature_over_what_a_recipient_sealed_anew", "7.5.4", SIGNATURE, message,
            trailer=honest)
    message = out.message("signers new salt", algorithm=2, plaintext=b"same text")
    honest = message.trailer
    message.salt = stream(b"another salt", kf.SALT)
    message.seal(message.plaintext)
    out.add("signature_over_another_salt", "7.5.4", SIGNATURE, message, trailer=honest)
