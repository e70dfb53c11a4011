"""Malformed requests, made from botocore's models of the services.

For every member of every operation, at any depth: missing or null where it is required, two wrong
types, below the least and above the most that the model allows, against the pattern, an unknown
value of an enumeration, bad base64, an oversize blob. For every operation: what is no request at
all. Nothing here is random: the same model gives the same requests in the same order.
"""

import base64
import copy
import json
import re
from dataclasses import dataclass, field

DEEP = 2000
# What the model forbids and the server takes for an absent member (docs/kms-protocol.md).
TAKEN = {("PutSecretValue", "VersionStages", "below the least")}
# What the server's own limit is where the model has none, or one that means nothing.
MOST_OF = {"ClientRequestToken": 64}


@dataclass
class Malformed:
    """One request: how it differs from one that would be performed, and its body."""

    service: str
    operation: str
    kind: str
    member: str
    body: bytes
    content_type: str = "application/x-amz-json-1.1"
    signed: bool = True
    headers: dict = field(default_factory=dict)


def _encode(request):
    return json.dumps(request).encode()


def _without(request, path):
    changed = copy.deepcopy(request)
    holder = _holder(changed, path)
    del holder[path[-1]]
    return changed


def _with(request, path, value):
    changed = copy.deepcopy(request)
    _holder(changed, path)[path[-1]] = value
    return changed


def _holder(request, path):
    for step in path[:-1]:
        request = request[step]
    return request


class Maker:
    """The malformed forms of one operation's request; `whole` is one that would be performed."""

    def __init__(self, service, model, whole):
        self.service = service
        self.model = model
        self.whole = whole

    def of(self, kind, member, request):
        body = request if isinstance(request, bytes) else _encode(request)
        return Malformed(self.service, self.model.name, kind, member, body)

    def members(self):
        yield from self._structure(self.model.input_shape, self.whole, (), "")

    def _structure(self, shape, whole, path, prefix):
        for name, member in shape.members.items():
            # What is to be spoilt must be there first, and beside it only what fits it.
            inner = whole if name in whole else {**whole, name: _sample(member, name)}
            request = _with(self.whole, path, inner) if path else inner
            at, label = (*path, name), f"{prefix}{name}"
            if name in shape.required_members:
                yield self.of("missing", label, _without(request, at))
                yield self.of("null", label, _with(request, at, None))
            outer, self.whole = self.whole, request
            yield from self._member(member, inner[name], at, label, name)
            self.whole = outer

    def _member(self, shape, value, path, label, name):
        def spoil(kind, bad):
            return self.of(kind, label, _with(self.whole, path, bad))

        wrong = {
            "string": (7, {"a": "b"}),
            "blob": (7, ["AAAA"]),
            "integer": ("7", [7]),
            "long": ("7", [7]),
            "boolean": ("true", 1),
            "timestamp": ("now", [0]),
            "list": ("AAAA", {"a": "b"}),
            "map": ("AAAA", ["a", "b"]),
            "structure": ("AAAA", ["a"]),
        }[shape.type_name]
        for bad in wrong:
            yield spoil("wrong type", bad)
        number = shape.type_name in ("integer", "long")
        if number:
            yield spoil("fraction", 7.5)
            yield spoil("out of range", 2**64)
            yield spoil("out of range", -(2**63) - 1)
        least, most = shape.metadata.get("min"), MOST_OF.get(name, shape.metadata.get("max"))
        if least is not None and (number or least > 0):
            yield spoil("below the least", _sized(shape, value, least - 1))
        if most is not None:
            yield spoil("above the most", _sized(shape, value, most + 1))
        if shape.type_name == "blob":
            yield spoil("bad base64", "AAA*")
            yield spoil("bad base64", "AAAAA")
            if most is None:
                yield spoil("oversize blob", base64.b64encode(bytes(65_537)).decode())
        if shape.type_name == "string":
            if shape.enum:
                yield spoil("unknown value", "NO_SUCH_VALUE")
            pattern = shape.metadata.get("pattern")
            if pattern:
                bad = _against(pattern)
                if bad is not None:
                    yield spoil("against the pattern", bad)
            yield spoil("half a surrogate", "\udc00")
        if shape.type_name == "list":
            yield from self._member(shape.member, value[0], (*path, 0), f"{label}[]", name)
            yield spoil("null inside", [*value, None])
        if shape.type_name == "map":
            key = next(iter(value))
            yield from self._member(shape.value, value[key], (*path, key), f"{label}{{}}", name)
        if shape.type_name == "structure":
            yield from self._structure(shape, value, path, f"{label}.")
            if not shape.metadata.get("document"):
                yield spoil("unknown member", {**value, "NoSuchMember": "x"})

    def whole_requests(self):
        whole = _encode(self.whole)
        inner = whole[1:-1]
        first = json.dumps(next(iter(self.whole), "NoSuchMember")).encode()
        yield self.of("not JSON", "", b"KeyId=x")
        yield self.of("array", "", b"[" + whole + b"]")
        for other in (b"null", b"7", b'"x"'):
            yield self.of("not an object", "", other)
        yield self.of("trailing bytes", "", whole + b"x")
        yield self.of("trailing bytes", "", whole + whole)
        twice = first + b":" + json.dumps(next(iter(self.whole.values()), "x")).encode()
        separator = b"," if inner else b""
        body = b"{" + twice + b"," + twice + b"}" if not inner else b"{" + inner + b"," + twice + b"}"
        yield self.of("duplicate member", "", body)
        nested = b'"NoSuchMember":' + b"[" * DEEP + b"]" * DEEP
        yield self.of("deep nesting", "", b"{" + inner + separator + nested + b"}")
        nested = b'"NoSuchMember":' + b'{"a":' * DEEP + b"1" + b"}" * DEEP
        yield self.of("deep nesting", "", b"{" + inner + separator + nested + b"}")
        yield self.of("unknown member", "", {**self.whole, "NoSuchMember": "x"})
        yield self.of("not UTF-8", "", b'{"NoSuchMember":"\xff\xfe"}')
        yield self.of("byte order mark", "", b"\xef\xbb\xbf" + whole)
        yield self.of("cut off", "", whole[: len(whole) // 2])
        yield self.of("number of no size", "", b"{" + inner + separator + b'"NoSuchMember":1e999}')
        other = self.of("wrong content type", "", whole)
        other.content_type = "application/x-www-form-urlencoded"
        yield other
        unsigned = self.of("unsigned", "", whole)
        unsigned.signed = False
        yield unsigned


def make(service_model, wholes):
    """All malformed requests of the operations that `wholes` has a whole request of."""
    service = service_model.service_name
    for name, whole in wholes.items():
        maker = Maker(service, service_model.operation_model(name), whole)
        for case in (*maker.members(), *maker.whole_requests()):
            if (case.operation, case.member, case.kind) not in TAKEN:
                yield case


def _sample(shape, name):
    """Some value that the model allows, for a member that the whole request does not have."""
    match shape.type_name:
        case "string":
            return shape.enum[0] if shape.enum else "x" * max(1, shape.metadata.get("min", 1))
        case "blob":
            return "AAAA"
        case "integer" | "long":
            return shape.metadata.get("min", 1)
        case "boolean":
            return False
        case "timestamp":
            return 0
        case "list":
            return [_sample(shape.member, name)]
        case "map":
            return {"a": _sample(shape.value, name)}
        case "structure":
            required = shape.required_members
            return {inner: _sample(shape.members[inner], inner) for inner in required}


def _sized(shape, value, size):
    """A value of this length, or this number."""
    match shape.type_name:
        case "integer" | "long":
            return size
        case "string":
            return (value * (size // max(1, len(value)) + 1))[:size]
        case "blob":
            return base64.b64encode(bytes(size)).decode()
        case "list":
            # All alike where they may be; the server sees the length first.
            return (value * (size + 1))[:size]
        case "map":
            return {str(number): "x" for number in range(size)}


def _against(pattern):
    """A short text that a pattern forbids; `None` where it forbids none of those tried."""
    # Patterns of Smithy are unanchored unless they say otherwise.
    compiled = re.compile(pattern.replace("\\p{L}\\p{Z}\\p{N}", "\\w\\s"), re.DOTALL)
    for text in ("!", "\u0001", "é\u0001", " ", "x y", ""):
        if text and not compiled.search(text):
            return text
    return None
