"""What the pages of metrics.listener say."""

import gzip
import re
import time
import urllib.error
import urllib.request

SAMPLE = re.compile(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"(?:,|$)')


def get(port, path, timeout_s=30, **headers):
    """Status, headers and body."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=timeout_s) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as e:
        return e.code, e.headers, e.read()


def status(port, path):
    return get(port, path)[0]


def text(port, compressed=False):
    """A page. Who waits for one longer than ten seconds, because workers and disks have more to do than
    they can, is told to come again."""
    wanted = {"Accept-Encoding": "gzip"} if compressed else {}
    deadline = time.monotonic() + 120
    while True:
        code, headers, body = get(port, "/metrics", **wanted)
        if code != 503 or b"too busy" not in body or time.monotonic() > deadline:
            break
    assert code == 200, body
    assert headers["Content-Type"].startswith("text/plain; version=0.0.4")
    if headers["Content-Encoding"] == "gzip":
        body = gzip.decompress(body)
    return body.decode("utf-8")


class Page:
    """One page: samples as (name, labels, value)."""

    def __init__(self, content):
        self.content = content
        self.samples = []
        for line in content.splitlines():
            if line.startswith("#"):
                continue
            name, labels, value = SAMPLE.match(line).groups()
            self.samples.append((name, dict(LABEL.findall(labels or "")), float(value)))

    def values(self, name, **labels):
        return [v for n, l, v in self.samples
                if n == name and all(l.get(k) == w for k, w in labels.items())]

    def value(self, name, **labels):
        """Of the one series that has these labels and no others."""
        found = [v for n, l, v in self.samples if n == name and l == labels]
        assert len(found) == 1, f"{name}{labels}: {found}"
        return found[0]

    def sum(self, name, **labels):
        return sum(self.values(name, **labels))


def page(port):
    return Page(text(port))
