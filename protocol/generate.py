#!/usr/bin/env python3
"""Makes C structs and descriptor tables out of the message descriptions in protocol/messages/.

    generate.py outputs MESSAGE_DIR          prints the names of the files that `write` makes
    generate.py write MESSAGE_DIR OUT_DIR    one header a message, and messages.c

The notation is described in protocol/README.md. The parser here is also what the conformance test
reads the descriptions with. Only the standard library is used.
"""

import pathlib
import re
import sys

OPEN_END = 32767  # "3+" while the highest version of the message is not known yet

# Type -> C type, alignment, size, the enum constant of the interpreter.
SCALARS = {
    "bool": ("bool", 1, 1, "FIELD_BOOL"),
    "int8": ("int8_t", 1, 1, "FIELD_INT8"),
    "int16": ("int16_t", 2, 2, "FIELD_INT16"),
    "uint16": ("uint16_t", 2, 2, "FIELD_UINT16"),
    "int32": ("int32_t", 4, 4, "FIELD_INT32"),
    "uint32": ("uint32_t", 4, 4, "FIELD_UINT32"),
    "int64": ("int64_t", 8, 8, "FIELD_INT64"),
    "float64": ("double", 8, 8, "FIELD_FLOAT64"),
    "uuid": ("struct uuid", 1, 16, "FIELD_UUID"),
    "string": ("struct slice", 8, 16, "FIELD_STRING"),
    "bytes": ("struct slice", 8, 16, "FIELD_BYTES"),
    "records": ("struct message_records", 8, 24, "FIELD_RECORDS"),
}
INTEGER_BITS = {"int8": 8, "int16": 16, "uint16": 16, "int32": 32, "uint32": 32, "int64": 64}

C_KEYWORDS = set(
    "auto break case char const continue default do double else enum extern float for goto if inline"
    " int long register restrict return short signed sizeof static struct switch typedef union"
    " unsigned void volatile while bool true false".split()
)

# The kinds of messages that have a number in some log, and the log's constant.
RECORD_LOGS = {
    "metadata": ("RECORD_LOG_METADATA", "value"),
    "offsets-key": ("RECORD_LOG_OFFSETS", "key"),
    "offsets-value": ("RECORD_LOG_OFFSETS", "value"),
    "transactions-key": ("RECORD_LOG_TRANSACTIONS", "key"),
    "transactions-value": ("RECORD_LOG_TRANSACTIONS", "value"),
    "share-key": ("RECORD_LOG_SHARE", "key"),
    "share-value": ("RECORD_LOG_SHARE", "value"),
}


class Mistake(Exception):
    """A description that breaks the rules of the notation."""


def snake(name):
    """IsKRaftNode -> is_kraft_node, LogStartOffset -> log_start_offset."""
    name = name.replace("KRaft", "Kraft")
    name = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", name)
    return re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name).lower()


class Field:
    def __init__(self, name, type_, versions):
        self.name = name
        self.c_name = snake(name) + ("_" if snake(name) in C_KEYWORDS else "")
        self.is_array = type_.startswith("[]")
        self.type = type_[2:] if self.is_array else type_  # of the elements, for arrays
        self.versions = versions
        self.nullable = None  # ranges of versions, or None
        self.tagged = None
        self.tag = None
        self.default = None  # None, "null", a bool, a number or a string
        self.ignorable = False
        self.inflexible = False
        self.secret = False
        self.comment = ""
        self.struct = None  # of struct types and arrays of them

    @property
    def is_pointer(self):
        """An embedded struct that may be null is a pointer in C."""
        return self.struct is not None and not self.is_array and self.nullable is not None


class Struct:
    def __init__(self, name):
        self.name = name
        self.fields = []
        self.c_name = None
        self.comment = ""


class Message:
    def __init__(self, name, kind, number, versions, flexible):
        self.name = name
        self.kind = kind
        self.number = number  # of the API or of the record type; None
        self.versions = versions
        self.flexible = flexible  # first flexible version, or None
        self.root = Struct(name)
        self.structs = []  # without the root, inner ones first
        self.comment = ""
        self.source = ""

    @property
    def prefix(self):
        return snake(self.name)


class Api:
    def __init__(self, key, name, request, response, unstable):
        self.key = key
        self.name = name
        self.request = request
        self.response = response
        self.unstable = unstable


# ---- Parsing --------------------------------------------------------------------------------------


def parse_range(text):
    """ "3+", "1-4" or "2" as a pair."""
    match = re.fullmatch(r"(\d+)(\+|-(\d+))?", text)
    if not match:
        raise Mistake(f"not a version range: {text}")
    low = int(match[1])
    if match[2] is None:
        return (low, low)
    return (low, OPEN_END if match[2] == "+" else int(match[3]))


def intersect(a, b):
    low, high = max(a[0], b[0]), min(a[1], b[1])
    return (low, high) if low <= high else None


class Parser:
    """Parses one file. Indentation by four blanks nests fields into their struct."""

    def __init__(self, path):
        self.path = path
        self.apis = []
        self.messages = []
        self.message = None  # the one that fields go to
        self.stack = []  # structs by depth
        self.named = {}  # struct name -> Struct, in the current message
        self.pair = None  # (key, name, versions, flexible, unstable) of an api
        self.remarks = []  # comment lines in front of a header

    def parse(self):
        for number, line in enumerate(self.path.read_text().splitlines(), 1):
            try:
                self.line(line)
            except Mistake as mistake:
                raise Mistake(f"{self.path.name}:{number}: {mistake}") from None
        try:
            self.finish_message()
        except Mistake as mistake:
            raise Mistake(f"{self.path.name}: {mistake}") from None
        return self

    def line(self, line):
        if line.startswith("#"):
            self.remarks.append(line[1:].strip())
            return
        text, _, comment = line.partition("#")
        words = text.split()
        if not words:
            if not line.strip():
                self.remarks = []
            return
        indent = len(text) - len(text.lstrip(" "))
        if indent % 4 != 0 or "\t" in line:
            raise Mistake("indentation is by four blanks")
        if indent > 0:
            self.field(indent // 4, text.strip(), comment.strip())
        elif words[0] in ("request", "response") and len(words) == 1:
            self.half(words[0])
        elif words[0] == "struct" and len(words) == 2:
            self.common_struct(words[1])
        else:
            self.header(words)

    def header(self, words):
        self.finish_message()
        kind = words.pop(0)
        if kind not in RECORD_LOGS and kind not in ("api", "data"):
            raise Mistake(f"unknown kind: {kind}")
        number = None if kind == "data" else int(words.pop(0))
        name = words.pop(0)
        if words[0] != "versions" or words[2] != "flexible" or words[4:] not in ([], ["unstable"]):
            raise Mistake("expected: versions RANGE flexible N+|none [unstable]")
        versions = parse_range(words[1])
        flexible = None if words[3] == "none" else parse_range(words[3])[0]
        if kind == "api":
            self.pair = (number, name, versions, flexible, words[4:] == ["unstable"])
            self.pair_comment = " ".join(self.remarks)
            self.half_done = {}
        else:
            self.pair = None
            self.start_message(Message(name, kind, number, versions, flexible))
            self.message.comment = " ".join(self.remarks)
        self.remarks = []

    def half(self, which):
        if self.pair is None:
            raise Mistake(f"{which} outside an api")
        pair, done = self.pair, self.half_done
        self.finish_message()
        self.pair, self.half_done = pair, done
        key, name, versions, flexible, unstable = pair
        self.start_message(Message(name + which.capitalize(), which, key, versions, flexible))
        self.message.comment = self.pair_comment
        done[which] = self.message
        if which == "response":
            if "request" not in done:
                raise Mistake("response before request")
            self.apis.append(Api(key, name, done["request"], self.message, unstable))

    def start_message(self, message):
        message.source = self.path.name
        self.message = message
        self.stack = [message.root]
        self.named = {}
        self.messages.append(message)

    def common_struct(self, name):
        if self.message is None or name in self.named:
            raise Mistake(f"struct {name} is out of place or twice there")
        struct = Struct(name)
        self.named[name] = struct
        self.stack = [struct]

    def field(self, depth, text, comment):
        if not self.stack:
            raise Mistake("a field outside a message")
        match = re.fullmatch(r"(\w+)\s+(\S+)\s+(\S+)(?:\s+(\S.*))?", text)
        if not match:
            raise Mistake("expected: NAME TYPE VERSIONS [ATTRIBUTES]")
        field = Field(match[1], match[2], parse_range(match[3]))
        field.comment = comment
        for attribute in (match[4] or "").split(", ") if match[4] else []:
            self.attribute(field, attribute.strip())
        if depth > len(self.stack):
            if depth != len(self.stack) + 1 or not self.stack[-1].fields:
                raise Mistake("fields nest one level at a time")
            owner = self.stack[-1].fields[-1]
            if owner.type in SCALARS or owner.type in self.named:
                raise Mistake(f"{owner.name} cannot have fields here")
            struct = Struct(owner.type)
            self.named[owner.type] = struct
            self.stack.append(struct)
        del self.stack[depth:]
        self.stack[-1].fields.append(field)

    @staticmethod
    def attribute(field, text):
        word, _, rest = text.partition(" ")
        if word == "nullable":
            field.nullable = parse_range(rest) if rest else field.versions
        elif word == "tag":
            tag, _, versions = rest.partition(" ")
            field.tag = int(tag)
            field.tagged = parse_range(versions) if versions else field.versions
        elif word == "=":
            field.default = Parser.default_value(field, rest)
        elif text in ("ignorable", "inflexible", "secret"):
            setattr(field, text, True)
        else:
            raise Mistake(f"unknown attribute: {text}")

    @staticmethod
    def default_value(field, text):
        if text == "null":
            return "null"
        if field.is_array:
            raise Mistake("arrays default to empty or null")
        if field.type == "bool":
            return text == "true"
        if field.type in INTEGER_BITS:
            return int(text)
        if field.type == "string" and re.fullmatch(r'"[\w.]*"', text):
            return text[1:-1]
        raise Mistake(f"no default of this kind: {text}")

    def finish_message(self):
        """Resolves struct names, clips versions, checks, and lists the structs inner ones first."""
        message, self.message = self.message, None
        self.stack = []
        if message is None:
            return
        used = set()

        def resolve(struct, outer, path):
            if struct in path:
                raise Mistake(f"{struct.name} contains itself")
            for field in struct.fields:
                self.check(message, struct, field, outer)
                if field.type in SCALARS:
                    continue
                if field.type not in self.named:
                    raise Mistake(f"{message.name}: no struct {field.type}")
                field.struct = self.named[field.type]
                used.add(field.type)
                resolve(field.struct, field.versions, path + [struct])
                if field.struct not in message.structs:
                    message.structs.append(field.struct)

        resolve(message.root, message.versions, [])
        if set(self.named) - used:
            raise Mistake(f"{message.name}: unused {sorted(set(self.named) - used)}")
        name_structs(message)

    @staticmethod
    def check(message, struct, field, outer):
        where = f"{message.name}.{field.name}"
        # A common struct may be used by fields of several ranges: clip to the message's only.
        field.versions = intersect(field.versions, message.versions)
        if field.versions is None or intersect(field.versions, outer) is None:
            raise Mistake(f"{where}: no version has it")
        if [other.c_name for other in struct.fields].count(field.c_name) != 1:
            raise Mistake(f"{where}: name twice")
        for attribute in ("nullable", "tagged"):
            if getattr(field, attribute) is not None:
                clipped = intersect(getattr(field, attribute), field.versions)
                if clipped is None:
                    raise Mistake(f"{where}: {attribute} in no version")
                setattr(field, attribute, clipped)
        if field.tagged is not None:
            if message.flexible is None or field.tagged[0] < message.flexible:
                raise Mistake(f"{where}: tagged in an inflexible version")
            if field.type == "records" or field.tag > 255:
                raise Mistake(f"{where}: cannot be tagged")
        if field.default == "null" and field.nullable is None:
            raise Mistake(f"{where}: null by default but not nullable")
        if field.nullable is not None and not field.is_array:
            if field.type in SCALARS and field.type not in ("string", "bytes", "records"):
                raise Mistake(f"{where}: cannot be null")


def name_structs(message):
    """C names: the message's prefix, then the struct's name without what it has in common."""
    message.root.c_name = message.prefix
    api_prefix = snake(re.sub(r"(Request|Response|Record|Key|Value)$", "", message.name))
    for struct in message.structs:
        name = snake(struct.name)
        for prefix in (message.prefix + "_", api_prefix + "_"):
            if name.startswith(prefix):
                name = name[len(prefix) :]
                break
        struct.c_name = f"{message.prefix}_{name}"
    names = [struct.c_name for struct in message.structs]
    if len(set(names)) != len(names):
        raise Mistake(f"{message.name}: C struct names collide")


def load(folder):
    """All descriptions of a folder: (apis by key, messages by name)."""
    apis, messages = [], []
    for path in sorted(pathlib.Path(folder).glob("*.msg")):
        parser = Parser(path).parse()
        apis += parser.apis
        messages += parser.messages
    apis.sort(key=lambda api: api.key)
    messages.sort(key=lambda message: message.name)
    for names in ([api.key for api in apis], [message.name for message in messages]):
        if len(set(names)) != len(names):
            raise Mistake("an api key or a message is described twice")
    if not messages:
        raise Mistake(f"no descriptions in {folder}")
    return apis, messages


# ---- Layout ---------------------------------------------------------------------------------------


def alignment(field):
    if field.is_array or field.is_pointer:
        return 8
    if field.struct is not None:
        return max((member[0] for member in members(field.struct)), default=1)
    return SCALARS[field.type][1]


def members(struct):
    """C members as (alignment, declaration, field), widest first so that nothing is lost to padding."""
    out = []
    for field in struct.fields:
        if field.struct is not None:
            c_type = f"struct {field.struct.c_name}"
        else:
            c_type = SCALARS[field.type][0]
        star = "*" if field.is_array or field.is_pointer else ""
        out.append((alignment(field), f"{c_type} {star}{field.c_name};", field))
        if field.is_array:
            out.append((4, f"int32_t {field.c_name}_count;", None))
    return sorted(out, key=lambda member: -member[0])


def wire_minimum(struct, version, message):
    """The fewest bytes that the struct takes in a version."""
    flexible = message.flexible is not None and version >= message.flexible
    total = 1 if flexible else 0
    for field in struct.fields:
        low, high = field.versions
        if not low <= version <= high:
            continue
        if field.tagged is not None and field.tagged[0] <= version <= field.tagged[1]:
            continue
        compact = flexible and not field.inflexible
        if field.is_array or field.type in ("bytes", "records"):
            total += 1 if compact else 4
        elif field.type == "string":
            total += 1 if compact else 2
        elif field.struct is not None:
            nullable = field.nullable and field.nullable[0] <= version <= field.nullable[1]
            total += 1 if nullable else wire_minimum(field.struct, version, message)
        else:
            total += SCALARS[field.type][2]
    return total


# ---- Writing --------------------------------------------------------------------------------------


def show_range(versions, message):
    low, high = versions
    if high == message.versions[1]:
        return f"{low}+"
    return f"{low}" if low == high else f"{low}-{high}"


def wrap(text, first, rest, width=100):
    lines, line = [], first
    for word in text.split():
        if len(line) + len(word) + 1 > width:
            lines.append(line.rstrip())
            line = rest
        line += word + " "
    return lines + [line.rstrip()]


def field_comment(field, message):
    parts = [show_range(field.versions, message)]
    if field.nullable is not None:
        same = field.nullable == field.versions
        parts.append("nullable" if same else f"nullable {show_range(field.nullable, message)}")
    if field.tag is not None:
        parts.append(f"tag {field.tag}")
    if field.default is not None:
        default = field.default
        parts.append(f"default {str(default).lower() if isinstance(default, bool) else default}")
    return ", ".join(parts) + (f"; {field.comment}" if field.comment else "")


def write_struct(struct, message):
    out = [f"struct {struct.c_name} {{"]
    for _, declaration, field in members(struct):
        line = f"    {declaration}"
        if field is not None:
            comment = field_comment(field, message)
            if len(line) + len(comment) + 7 <= 100:
                line += f" /* {comment} */"
            else:
                out += wrap(comment + " */", "    /* ", "     * ")
        out.append(line)
    if not struct.fields:
        out.append("    uint8_t nothing; /* no fields */")
    return out + ["};", ""]


def write_header(message):
    guard = f"PROTOCOL_GENERATED_{message.prefix.upper()}_H"
    low, high = message.versions
    versions = f"versions {low} to {high}" if low != high else f"version {low}"
    intro = f"{message.name}, {versions}. {message.comment}"
    out = ["/*"] + wrap(intro, " * ", " * ")
    out += [" *", f" * Generated by protocol/generate.py from protocol/messages/{message.source}."]
    out += [" * Members are in the order of their alignment, not in that of the wire.", " */"]
    out += [f"#ifndef {guard}", f"#define {guard}", "", '#include "protocol/message.h"', ""]
    for struct in message.structs + [message.root]:
        out += write_struct(struct, message)
    out.append("/* All fields with their defaults: for array elements and structs that may be null. */")
    for struct in message.structs + [message.root]:
        out.append(f"extern const struct {struct.c_name} {struct.c_name}_defaults;")
    out += ["", f"extern const struct message_desc {message.prefix}_desc;", "", "#endif", ""]
    return "\n".join(out)


def c_integer(value, type_):
    if type_ == "int64" or type_ == "uint32":
        return f"INT64_C({value})" if value != -(2**63) else "INT64_MIN"
    return "INT32_MIN" if value == -(2**31) else str(value)


def initializers(struct):
    """Designated initializers of all members whose default is not all zero bits."""
    out = []
    for field in struct.fields:
        if field.is_array:
            if field.default == "null":
                out.append(f".{field.c_name}_count = -1")
        elif field.struct is not None:
            inner = initializers(field.struct)
            if inner and not field.is_pointer:
                out.append(f".{field.c_name} = {{{', '.join(inner)}}}")
        elif field.type in ("string", "bytes"):
            if field.default != "null":
                text = field.default or ""
                out.append(f'.{field.c_name} = {{(const uint8_t *)"{text}", {len(text)}}}')
        elif field.type == "records":
            if field.nullable is None:
                out.append(f'.{field.c_name} = {{(const uint8_t *)"", 0, NULL}}')
        elif isinstance(field.default, bool):
            if field.default:
                out.append(f".{field.c_name} = true")
        elif field.default:
            out.append(f".{field.c_name} = {c_integer(field.default, field.type)}")
    return out


def field_flags(field):
    flags = []
    if field.is_array:
        flags.append("FIELD_ARRAY")
    if field.is_pointer:
        flags.append("FIELD_POINTER")
        if field.default != "null":
            flags.append("FIELD_EMPTY_BY_DEFAULT")
    for name in ("ignorable", "inflexible", "secret"):
        if getattr(field, name):
            flags.append(f"FIELD_{name.upper()}")
    return " | ".join(flags) or "0"


def write_tables(struct, message):
    c_name = struct.c_name
    low, high = message.versions
    out = []
    if struct.fields:
        out.append(f"static const struct field_desc {c_name}_fields[] = {{")
        for field in struct.fields:
            kind = "FIELD_STRUCT" if field.struct else SCALARS[field.type][3]
            nested = f"&{field.struct.c_name}_struct" if field.struct else "NULL"
            count = f"offsetof(struct {c_name}, {field.c_name}_count)" if field.is_array else "0"
            ranges = [field.versions, field.nullable or (1, 0), field.tagged or (1, 0)]
            out += [
                f'    {{"{field.name}", {nested}, offsetof(struct {c_name}, {field.c_name}),',
                f"     {count}, {kind}, {field_flags(field)},",
                "     " + ", ".join(f"{{{a}, {b}}}" for a, b in ranges) + f", {field.tag or 0}}},",
            ]
        out.append("};")
    tagged = [f for f in struct.fields if f.tag is not None]
    tagged.sort(key=lambda field: field.tag)
    if tagged:
        order = ", ".join(str(struct.fields.index(field)) for field in tagged)
        out.append(f"static const uint8_t {c_name}_tagged[] = {{{order}}};")
    minimums = [wire_minimum(struct, version, message) for version in range(low, high + 1)]
    out.append(f"static const uint16_t {c_name}_wire_min[] = {{{', '.join(map(str, minimums))}}};")
    image = ", ".join(initializers(struct)) or "0"
    out.append(f"const struct {c_name} {c_name}_defaults = {{{image}}};")
    fields = f"{c_name}_fields" if struct.fields else "NULL"
    tags = f"{c_name}_tagged" if tagged else "NULL"
    out += [
        f"static const struct struct_desc {c_name}_struct = {{",
        f'    "{struct.name}", {fields}, {tags}, {c_name}_wire_min, &{c_name}_defaults,',
        f"    {len(struct.fields)}, {len(tagged)}, sizeof(struct {c_name}),",
        "};",
    ]
    return out


def check_elements(messages):
    """Array elements take at least a byte, so that a count is bounded by the bytes that are left."""
    for message in messages:
        for struct in [message.root] + message.structs:
            for field in struct.fields:
                if not field.is_array or field.struct is None:
                    continue
                for version in range(field.versions[0], field.versions[1] + 1):
                    if wire_minimum(field.struct, version, message) == 0:
                        raise Mistake(f"{message.name}.{field.name}: empty elements in {version}")


def write_source(apis, messages):
    out = ["/* Generated by protocol/generate.py from protocol/messages/. */"]
    out.append('#include "protocol/message_desc.h"')
    out += [f'#include "protocol/generated/{message.prefix}.h"' for message in messages]
    for message in messages:
        out.append("")
        for struct in message.structs + [message.root]:
            out += write_tables(struct, message)
        low, high = message.versions
        flexible = "INT16_MAX" if message.flexible is None else message.flexible
        out += [
            f"const struct message_desc {message.prefix}_desc = {{",
            f'    "{message.name}", &{message.prefix}_struct, {low}, {high}, {flexible},',
            "};",
        ]
    out += ["", "const struct message_desc *const message_table[] = {"]
    out += [f"    &{message.prefix}_desc," for message in messages]
    out += ["    NULL,", "};", "", "const struct api api_table[API_KEY_MAX + 1] = {"]
    for api in apis:
        out.append(
            f'    [{api.key}] = {{{api.key}, "{api.name}", &{api.request.prefix}_desc,'
            f" &{api.response.prefix}_desc, {'true' if api.unstable else 'false'}}},"
        )
    out += ["};", "", "const struct record_type record_type_table[] = {"]
    types = {}
    for message in messages:
        if message.kind in RECORD_LOGS:
            log, half = RECORD_LOGS[message.kind]
            types.setdefault((log, message.number), {})[half] = f"&{message.prefix}_desc"
    for (log, number), halves in sorted(types.items()):
        key, value = halves.get("key", "NULL"), halves.get("value", "NULL")
        out.append(f"    {{{log}, {number}, {key}, {value}}},")
    out += ["    {RECORD_LOG_METADATA, -1, NULL, NULL},", "};", ""]
    return "\n".join(out)


def outputs(messages):
    return [f"{message.prefix}.h" for message in messages] + ["messages.c"]


def main(arguments):
    if len(arguments) < 2 or arguments[0] not in ("outputs", "write"):
        sys.exit(__doc__)
    apis, messages = load(arguments[1])
    check_elements(messages)
    if arguments[0] == "outputs":
        print("\n".join(outputs(messages)))
        return
    folder = pathlib.Path(arguments[2])
    folder.mkdir(parents=True, exist_ok=True)
    for message in messages:
        (folder / f"{message.prefix}.h").write_text(write_header(message))
    (folder / "messages.c").write_text(write_source(apis, messages))


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except Mistake as mistake:
        sys.exit(f"generate.py: {mistake}")
