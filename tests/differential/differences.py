"""Where two answers differ, in lines a person reads."""

KEYS = ("Name", "Topic", "TopicId", "GroupId", "PartitionIndex", "Index", "Partition", "ResourceName")


def keyed(list_, key):
    """The list as a dict by this field; None when the field does not tell its elements apart."""
    if not all(isinstance(x, dict) and x.get(key) is not None for x in list_):
        return None
    by_key = {x[key]: x for x in list_}
    return by_key if len(by_key) == len(list_) > 0 else None


def differences(reference, ours, path=""):
    """Lines that say where two answers differ."""
    if reference == ours:
        return []
    if type(reference) is not type(ours):
        return [f"{path}: {reference!r:.200} | {ours!r:.200}"]
    if isinstance(reference, dict):
        lines = []
        for key in list(reference) + [k for k in ours if k not in reference]:
            if key not in ours or key not in reference:
                lines.append(f"{path}.{key}: {reference.get(key, 'absent')!r:.200} | {ours.get(key, 'absent')!r:.200}")
            else:
                lines += differences(reference[key], ours[key], f"{path}.{key}")
        return lines
    if isinstance(reference, list):
        return of_lists(reference, ours, path)
    return [f"{path}: {reference!r:.200} | {ours!r:.200}"]


def of_lists(reference, ours, path):
    for key in KEYS:
        theirs, mine = keyed(reference, key), keyed(ours, key)
        if theirs is None or mine is None:
            continue
        lines = differences(theirs, mine, path)
        if not lines:  # the same elements
            lines = [f"{path}: order of {list(theirs)!r:.100} | {list(mine)!r:.100}"]
        return lines
    if len(reference) != len(ours):
        return [f"{path}: {len(reference)} | {len(ours)} elements: {reference!r:.200} | {ours!r:.200}"]
    return [d for i, (r, o) in enumerate(zip(reference, ours)) for d in differences(r, o, f"{path}[{i}]")]
