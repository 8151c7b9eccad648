"""Requests made out of the message tables: every field of every version gets every value of its pool.

A case is a right request of specs.py in which one field, and then two or three at a time, have another
value: valid, borderline or wrong. The cases follow from the seed alone; what only a broker knows (ids
of topics, members) stands in them as a Ref and is filled in when they are sent.
"""

import copy
import random

import codec
import pools
import specs
from pools import Ref


class Mutation:
    def __init__(self, path, label, value, fatal=False):
        self.path = path  # names and indexes from the body to the field
        self.label = label
        self.value = value
        self.fatal = fatal  # not decodable: alone in its request, because nothing else can show

    def clashes(self, other):
        n = min(len(self.path), len(other.path))
        return self.path[:n] == other.path[:n]

    def text(self):
        return ".".join(str(p) for p in self.path if p != 0) + "=" + self.label


def flexible(api, version):
    first = codec.APIS[codec.KEYS[api]].request.flexible
    return first is not None and version >= first


def mutations(api, version, base):
    """Every value for every field of a base request."""
    out = []
    _of_struct(codec.APIS[codec.KEYS[api]].request.root, api, version, base, (), out)
    return out


def _of_struct(struct, api, version, value, path, out):
    for field in struct.fields:
        if codec.within(version, field.versions):
            _of_field(field, api, version, value.get(field.name, codec.default(field)), path + (field.name,), out)


def _of_field(field, api, version, value, path, out):
    nullable = codec.within(version, field.nullable)
    if nullable or field.is_array or field.type in ("string", "bytes"):
        if pools.may_be_null(api, path):
            out.append(Mutation(path, "null", None, fatal=not nullable))
    if field.is_array:
        _of_array(field, api, version, value, path, out)
    elif field.struct is not None:
        if value is None:
            value = pools.FILLED[field.type]
            out.append(Mutation(path, "given", value))
        _of_struct(field.struct, api, version, value, path, out)
    else:
        compact = flexible(api, version) and not field.inflexible
        for label, other in pools.values(api, path, field):
            too_long = field.type == "string" and isinstance(other, str) and len(other) > 32767
            if other != value and (compact or not too_long):
                out.append(Mutation(path, label, other, fatal=too_long))


def _of_array(field, api, version, value, path, out):
    out.append(Mutation(path, "[]", []))
    if field.struct is None:
        for label, other in pools.values(api, path, field):
            out.append(Mutation(path, f"[{label}]", [other]))
            if value:
                out.append(Mutation(path, f"and {label}", [*value, other]))
        return
    if not value:
        return
    out.append(Mutation(path, "twice", [*value, *copy.deepcopy(value)]))
    inner = []
    _of_struct(field.struct, api, version, value[0], path + (0,), inner)
    out += inner
    for one in inner:  # a second element beside the right one, different in one field
        if not one.fatal:
            element = {path[-1]: [copy.deepcopy(value[0])]}
            apply(element, Mutation(path[-1:] + one.path[len(path):], "", one.value))
            where = Mutation(one.path[len(path) + 1 :], one.label, None).text()
            out.append(Mutation(path, f"and {where}", [*value, element[path[-1]][0]]))


def apply(body, mutation):
    at = body
    for name, following in zip(mutation.path, mutation.path[1:]):
        if isinstance(at, dict) and at.get(name) is None:
            at[name] = copy.deepcopy(pools.FILLED[name]) if name in pools.FILLED else {}
        at = at[name]
    at[mutation.path[-1]] = mutation.value


class Case:
    def __init__(self, label, body, raw=None):
        self.label = label
        self.body = body
        self.raw = raw  # a function of the encoded body that spoils it, or None


def frame_cases(api, version, base, rng):
    """What is wrong with the bytes rather than with a value."""
    yield Case("bytes left over", base, lambda data: data + b"rest")
    for _ in range(4):
        part = rng.random()
        yield Case(f"cut at {part:.2f}", base, lambda data, part=part: data[: int(len(data) * part)])
    if flexible(api, version):
        yield Case("unknown tag", base, lambda data: with_tag(data, b"\x01\x7f\x03abc"))
        yield Case("tag longer than the rest", base, lambda data: with_tag(data, b"\x01\x7f\x7fabc"))
        yield Case("tag twice", base, lambda data: with_tag(data, b"\x02\x7f\x01a\x7f\x01b"))
        yield Case("tags missing", base, lambda data: with_tag(data, b"\x03"))


def with_tag(data, tags):
    """The body with other tagged fields at its end, when it had none there."""
    return data[:-1] + tags if data.endswith(b"\0") else data + b"?"


def cases(api, version, seed, count):
    """At most `count` different cases of one version of an API: all single changes come first."""
    rng = random.Random(f"{seed} {api} {version}")
    spec = specs.SPECS[api]
    out, seen = [], set()

    def add(case):
        spec.mend(case.body, version)
        key = repr(case.body) + (case.label if case.raw else "")
        if key not in seen:
            seen.add(key)
            out.append(case)

    bases = [(name, body, mutations(api, version, body)) for name, body in spec.bases(version)]
    singles = []
    for name, body, changes in bases:
        add(Case(name, copy.deepcopy(body)))
        for case in frame_cases(api, version, body, rng):
            add(Case(f"{name} {case.label}", copy.deepcopy(body), case.raw))
        singles += [(name, body, [change]) for change in changes]
    rng.shuffle(singles)
    for name, body, changes in singles:
        if len(out) < count * 2 // 3:
            add(changed(name, body, changes))
    for _ in range(count * 4):
        if len(out) >= count:
            break
        name, body, changes = rng.choice(bases)
        harmless = [c for c in changes if not c.fatal]
        if len(harmless) < 2:
            continue
        picked = []
        for change in rng.sample(harmless, rng.choice((2, 2, 3))) if len(harmless) > 2 else harmless:
            if not any(change.clashes(other) for other in picked):
                picked.append(change)
        add(changed(name, body, picked))
    return out


def changed(name, base, changes):
    body = copy.deepcopy(base)
    for change in changes:
        apply(body, copy.deepcopy(change))
    return Case(f"{name} " + ", ".join(c.text() for c in changes), body)


# ---- Sending -------------------------------------------------------------------------------------


def resolve(value, refs):
    if isinstance(value, Ref):
        return refs(value.name)
    if isinstance(value, dict):
        return {k: resolve(v, refs) for k, v in value.items()}
    if isinstance(value, list):
        return [resolve(v, refs) for v in value]
    return value


def scenario(api, seed, count):
    """The function that runs every case of an API against one broker."""

    def run(s):
        world = specs.SPECS[api](s)
        for version in s.versions(api):
            world.begin(version)
            for case in cases(api, version, seed, count):
                world.before(version, case)
                body = resolve(case.body, world.ref)
                if case.raw is not None:
                    message = codec.APIS[codec.KEYS[api]].request
                    body = case.raw(codec.encode(message, version, body))
                answer = s.ask(api, version, body, timeout_s=world.TIMEOUT_S)
                s.note(case.label, answer, api, version, world.keep)
                world.after(version, case, answer)
        world.end()

    return run
