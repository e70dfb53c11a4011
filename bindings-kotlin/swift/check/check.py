"""Checks a Swift package as far as that goes without Swift.

Every source parses, by a grammar of Swift. Every call of the generated glue is of a function, an
initializer or an enum case that was generated, with the very labels; calls of what is written by
hand, in the tests too, have labels that fit. No class of the glue has a property and a method of
one name, which UniFFI does not see to. Types are not checked.

Takes the package, and other documents that show Swift.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import tree_sitter
import tree_sitter_swift

PARSER = tree_sitter.Parser(tree_sitter.Language(tree_sitter_swift.language()))
# What the face calls its objects of the glue.
GLUE = re.compile(r"(?:\w+\.)*(?:glue|service|sealing|opening|ranges)\.(\w+)$")
OTHERS = {"cancel", "failure", "get", "hash", "next", "read", "sleep", "split", "success"}
# The grammar knows no attribute that stands in a conditional block alone.
ALONE = re.compile(rb"#if swift\(>=5\.8\)\n *@_documentation\(visibility: private\)\n#endif\n")


def nodes(node):
    yield node
    for child in node.children:
        yield from nodes(child)


def text(node):
    return node.text.decode().strip("`")


def parse(path):
    source = ALONE.sub(lambda found: b"\n" * found[0].count(b"\n"), path.read_bytes())
    if path.suffix == ".md":
        source = b"".join(snippets(source))
    tree = PARSER.parse(source)
    wrong = [node for node in nodes(tree.root_node) if node.type == "ERROR" or node.is_missing]
    for node in wrong:
        print(f"{path}:{node.start_point[0] + 1}: does not parse: {text(node)[:80]}")
    return tree.root_node, len(wrong)


def snippets(source):
    """The lines of a document's Swift; in the place of all others empty ones."""
    inside = False
    for line in source.splitlines():
        if line.startswith(b"```"):
            inside = line == b"```swift"
            line = b""
        yield (line if inside else b"") + b"\n"


def parameters(node):
    """The labels of a function or an initializer that is declared."""
    for parameter in (child for child in node.children if child.type == "parameter"):
        names = parameter.child_by_field_name("external_name") or parameter.child_by_field_name(
            "name"
        )
        yield "" if text(names) == "_" else text(names)


def signature(node):
    """The labels of a function that is declared, each with whether it may be left out."""
    labels = []
    for child in node.children:
        if child.type == "parameter":
            name = child.child_by_field_name("external_name") or child.child_by_field_name("name")
            labels.append(("" if text(name) == "_" else text(name), False))
        elif child.type == "=":
            labels[-1] = (labels[-1][0], True)
    return labels


def fits(labels, trailing, parameters):
    """Whether a call with these labels, and closures behind, can be of a function with these."""
    rest = list(labels)
    open_closures = trailing
    for index, (label, optional) in enumerate(parameters):
        if rest and rest[0] == label:
            rest.pop(0)
        elif open_closures and not rest and index >= len(parameters) - trailing:
            open_closures -= 1
        elif not optional:
            return False
    return not rest and not open_closures


def clashes(root):
    """Names of both a property and a method without parameters in one class."""
    for node in nodes(root):
        if node.type == "class_body":
            members = node.children
            methods = {
                text(member.child_by_field_name("name"))
                for member in members
                if member.type == "function_declaration" and not signature(member)
            }
            for member in members:
                if member.type == "property_declaration":
                    name = text(member.child_by_field_name("name"))
                    if name in methods:
                        yield member.start_point[0] + 1, name


def case_labels(values):
    """The labels of what a case of an enum holds."""
    begins = True
    parts = [child for child in values.children if "comment" not in child.type]
    for child, then in zip(parts, parts[1:]):
        if child.type in ("(", ","):
            begins = True
        elif begins:
            yield text(child) if then.type == ":" else ""
            begins = False


def owner(node):
    """The type that a declaration stands in."""
    while node := node.parent:
        if node.type == "class_declaration":
            return text(node.child_by_field_name("name"))
    return None


def declared(root):
    """All that can be called in the glue: names with their labels."""
    for node in nodes(root):
        if node.type == "function_declaration":
            yield text(node.child_by_field_name("name")), tuple(parameters(node))
        elif node.type == "init_declaration":
            yield owner(node), tuple(parameters(node))
        elif node.type == "enum_entry":
            cases = [text(child) for child in node.children if child.type == "simple_identifier"]
            lists = [child for child in node.children if child.type == "enum_type_parameters"]
            labels = [label for values in lists for label in case_labels(values)]
            yield cases[0], tuple(labels)


def called(root):
    """All calls of the glue: their places, names and labels."""
    for node in nodes(root):
        if node.type != "call_expression":
            continue
        callee, suffix = node.children[0], node.children[-1]
        path = re.sub(r"\s", "", callee.text.decode())
        found = GLUE.match(path)
        if path.startswith("KeyfoldGlue."):
            name = path.rsplit(".", 1)[1]
        elif found:
            name = found[1]
        elif re.fullmatch(r"\.\w+", path):
            # A case of an enum, of the glue's or of the face's.
            name = path
        else:
            continue
        yield node.start_point[0] + 1, name, labels_of(suffix)


def labels_of(suffix):
    """The labels of the arguments in parentheses."""
    labels = []
    for argument in nodes(suffix):
        if argument.type == "value_argument" and argument.parent.parent == suffix:
            label = argument.child_by_field_name("name")
            labels.append(text(label) if label else "")
    return tuple(labels)


def lambdas(suffix):
    """How many closures stand behind the parentheses."""
    return sum(child.type == "lambda_literal" for child in suffix.children)


def misfits(files, glue):
    """Calls of what these files declare with labels that none of the declarations has."""
    known = {}
    for name, labels in glue:
        known.setdefault("." + name, []).append([(label, False) for label in labels])
    for _, root in files:
        for name, labels in declared(root):
            known.setdefault("." + name, []).append([(label, False) for label in labels])
        for node in nodes(root):
            if node.type == "function_declaration":
                known.setdefault(text(node.child_by_field_name("name")), []).append(signature(node))
            elif node.type == "init_declaration" and owner(node):
                known.setdefault(owner(node), []).append(signature(node))
    for path, root in files:
        for node in nodes(root):
            if node.type != "call_expression" or node.children[-1].type != "call_suffix":
                continue
            callee, suffix = node.children[0], node.children[-1]
            place = re.sub(r"\s", "", callee.text.decode())
            name = place.rsplit(".", 1)[-1]
            # Other modules have functions of these names.
            foreign = re.match(r"(KeyfoldGlue|AES)\.", place) or GLUE.match(place)
            if foreign or name in OTHERS or name not in known:
                continue
            closures = lambdas(suffix)
            # In some places the grammar takes a closure behind for one more call.
            inner, outer = node, node.parent
            while outer.type in ("await_expression", "try_expression"):
                inner, outer = outer, outer.parent
            if outer.type == "call_expression" and outer.children[0] == inner:
                closures += lambdas(outer.children[-1])
            labels = labels_of(suffix)
            candidates = list(known[name])
            if place.startswith("."):
                # A case of an enum, perhaps.
                candidates += known.get(place, [])
            yield f"{path}:{node.start_point[0] + 1}", name, labels, any(
                fits(labels, closures, parameters) for parameters in candidates
            )


def main(package, documents):
    wrong = count = calls = 0
    glue = set()
    faces = []
    written = []
    parts = ("Package.swift", "README.md", "Sources/*/*.swift", "Tests/*/*.swift")
    found = sorted(path for part in parts for path in package.glob(part))
    for path in found + documents:
        root, bad = parse(path)
        wrong += bad
        count += 1
        if path.parent.name == "KeyfoldGlue":
            glue.update(declared(root))
            for line, name in clashes(root):
                wrong += 1
                print(f"{path}:{line}: {name} is a property and a method: rename it in uniffi.toml")
        else:
            written.append((path, root))
        if path.parent.name == "Keyfold":
            faces.append((path, root))
    names = {name for name, _ in glue}
    own = {call for _, root in faces for call in declared(root)}
    for path, root in faces:
        for line, name, labels in called(root):
            known = glue
            if name.startswith("."):
                name, known = name[1:], glue | own
                if name not in names:
                    continue
            calls += 1
            if (name, labels) not in known:
                wrong += 1
                print(f"{path}:{line}: the glue has no {name}({', '.join(labels)})")
    other = 0
    for place, name, labels, fitting in misfits(written, glue):
        other += 1
        if not fitting:
            wrong += 1
            print(f"{place}: no {name} has the labels ({', '.join(labels)})")
    compared = f"{calls} calls of the glue and {other} others compared"
    print(f"{count} files parsed, {compared}, {wrong} wrong")
    # A check that finds nothing to check is none.
    return 1 if wrong or count < 20 or calls < 100 or other < 300 else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), [Path(document) for document in sys.argv[2:]]))
