"""The valid vectors."""

import envelope as kf
from messages import Message, recipient, stream

SIZES = [0, 1, 15, 16, 1000, 16383, 16384, 16385, 2 * 16384, 40000]

CONTEXTS = {
    "empty": {},
    "empty_name_and_value": {"": ""},
    "split_one": {"a": "bc"},
    "split_two": {"ab": "c"},
    "empty_value_first": {"a": "", "b": "x"},
    "empty_value_second": {"a": "b", "": "x"},
    "unicode": {"\u0442\u0435\u043d\u0430\u043d\u0442": "\u6771\u4eac", "stra\u00dfe": "\u00fc"},
    "nul": {"a\x00": "\x00", "a": "b\x00c"},
    "nfc": {"caf\u00e9": "\u00e9"},
    "nfd": {"cafe\u0301": "e\u0301"},
    "four_bytes": {"\U0001f511": "\U0001f512", "\uffe6": "before the key sign in UTF-8 order"},
    "aws_public_key": {"aws-crypto-public-key": "A4bC+/==", "tenant": "acme"},
    "many_pairs": {"name-%03d" % i: "value %d" % i for i in range(100)},
    "prefix_names": {"a": "1", "aa": "2", "ab": "3", "b": "4"},
    "upper_case": {"Tenant": "ACME", "tenant": "acme"},
    "controls": {"\t\n": "\r\x7f", "\"\\": "'"},
    "longest": {"n": "v" * (kf.MAX_CONTEXT - 2 - 4 - 1)},
}


def names(*bound):
    """The value of the parameter "context" (4.4.2)."""
    return b"".join(kf.u16(len(name)) + name for name in bound)


def fill_header(stable_len, total, count=11):
    """`count` recipients that make a header of `total` bytes."""
    room = total - stable_len - 1
    uri = b"keyfold:key/fill"
    each = room // count - len(uri) - 6
    sizes = [each] * (count - 1) + [room - (count - 1) * (each + len(uri) + 6) - len(uri) - 6]
    return [(uri, {}, stream(b"fill %d" % i, size)) for i, size in enumerate(sizes)]


def vectors(keys):
    out = []

    def add(name, message=None, fields=None, **options):
        message = message or Message(keys, name, **options)
        out.append(message.vector(name, **(fields or {})))
        return message

    for suite in (1, 2):
        for size in SIZES:
            add("suite_%d_plaintext_%d" % (suite, size), suite=suite, length=size)

    for name, context in CONTEXTS.items():
        add("context_" + name, context=context, plaintext=name.encode())
    add("suite_2_context_unicode", suite=2, context=CONTEXTS["unicode"], plaintext=b"two")

    recipients(add)
    signed(add, keys)

    add("detached", plaintext=b"header beside the body", fields={"detached": True})
    add("detached_two_segments", length=16484, fields={"detached": True})
    add("detached_signed", plaintext=b"signed, header apart", algorithm=2,
        fields={"detached": True})

    add("only_suite_1_accepted", plaintext=b"narrow", fields={"accepted_suites": [1]})
    add("only_suite_2_accepted", suite=2, plaintext=b"narrow", fields={"accepted_suites": [2]})

    # 9.1: rewrapping changes the recipient list and nothing else.
    before = add("rewrap_before", plaintext=b"rewrap touches no body byte", algorithm=1)
    new = kf.encode_recipients([recipient(b"new"), recipient(b"newer", {b"version": b"2"})])
    add("rewrap_after", before, fields={"header": before.stable + new})
    return out


def recipients(add):
    for count in (2, 16):
        who = [recipient(b"%d of %d" % (i, count)) for i in range(count)]
        add("recipients_%d" % count, recipients=who, plaintext=b"any one of us")
    add("recipients_identical", recipients=[recipient(b"twin")] * 2, plaintext=b"twins")
    add("recipient_shortest", recipients=[(b"a:b", {}, b"w")], plaintext=b"short")
    longest = (b"x+y-z.9:" + b"~" * (kf.MAX_KEY_URI - 8), {b"": stream(b"params", 4096 - 6)},
               stream(b"wrapped", kf.MAX_WRAPPED))
    add("recipient_longest", recipients=[longest], plaintext=b"long")
    arn = b"aws:arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    add("recipient_uri_with_colons", recipients=[(arn, {}, stream(b"arn", 184))],
        plaintext=b"the first colon ends the scheme")
    context = {"document": "42", "tenant": "acme"}
    for name, value in (("subset", names(b"tenant")), ("none", b""),
                        ("all", names(b"document", b"tenant"))):
        add("params_context_" + name, context=context, plaintext=b"bound at the provider",
            recipients=[recipient(b"bound", {b"context": value})])
    every = {b"algorithm": b"RSA_OAEP_256", b"context": names(b"tenant"), b"iv": stream(b"iv", 12),
             b"length": b"\x00\x20", b"version": b"7"}
    add("params_every_name", recipients=[recipient(b"every", every)], plaintext=b"params")
    unknown = {"\u65b0".encode(): b"\xff\x00\xfe", b"x": b""}
    add("params_unknown_names", recipients=[recipient(b"unknown", unknown)], plaintext=b"kept")
    stable_len = len(kf.encode_stable(1, kf.encode_context({"tenant": "acme"})))
    add("header_65536", recipients=fill_header(stable_len, kf.MAX_HEADER), plaintext=b"full")


def signed(add, keys):
    for algorithm, name in keys.NAMES.items():
        text = ("signed with " + name).encode()
        add("signed_%s_spki" % name, algorithm=algorithm, plaintext=text)
        add("signed_%s_key_uri" % name, algorithm=algorithm, plaintext=text,
            hint=b"keyfold:key/" + name.encode())
        add("signed_%s_any_signer" % name, algorithm=algorithm, plaintext=text,
            fields={"signers": None, "any_signer": True})
    add("signed_empty", algorithm=1, plaintext=b"")
    add("signed_suite_2", suite=2, algorithm=3, plaintext=b"the other suite")
    for algorithm, size in ((1, 16384), (3, 2 * 16384), (5, 16484)):
        add("signed_%s_plaintext_%d" % (keys.NAMES[algorithm], size), algorithm=algorithm,
            length=size)
    add("signed_required", algorithm=1, plaintext=b"demanded", fields={"require_signature": True})
    add("signed_longest_key_uri", algorithm=1, plaintext=b"long hint",
        hint=b"k:" + b"h" * (kf.MAX_HINT - 2))
    several = [keys.spki(n) for n in ("p384", "rsa2048", "other_ed25519", "ed25519")]
    add("signed_one_of_several_accepted", algorithm=1, plaintext=b"one of us",
        fields={"signers": several})
    # 7.5.1: the hint is no reason to refuse.
    add("signed_hint_names_another_key", algorithm=1, plaintext=b"a hint only",
        hint=keys.spki("other_ed25519"))
    add("signed_hint_of_unreadable_spki", algorithm=1, plaintext=b"a hint only",
        hint=b"\x30\x03\x02\x01")
    # 7.1.2: (r, s) and (r, n - s) are both signatures.
    for algorithm, order in ((2, ORDER_P256), (3, ORDER_P384)):
        name = "signed_%s_other_s" % keys.NAMES[algorithm]
        message = add(name, algorithm=algorithm, plaintext=b"the other half")
        half = len(message.trailer) // 2
        s = order - int.from_bytes(message.trailer[half:], "big")
        out_trailer = message.trailer[:half] + s.to_bytes(half, "big")
        add(name + "_flipped", message, fields={"trailer": out_trailer})


ORDER_P256 = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
ORDER_P384 = int(
    "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF"
    "C7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973",
    16,
)
