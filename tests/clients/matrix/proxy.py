"""A TCP proxy that cuts connections: each after a number of bytes drawn from a seed."""

import contextlib
import random
import selectors
import socket
import threading


class Proxy:
    """Forwards to 127.0.0.1:`target`. Only the next `cuts_left` connections that carry enough bytes
    are cut, so that every client gets through in the end. A cut drops what is on its way."""

    def __init__(self, target, seed, least=2_000, most=60_000):
        self.target = target
        self.random = random.Random(seed)
        self.cuts_left = 0
        self.range = (least, most)
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        self.selector = selectors.DefaultSelector()
        self.wake_read, self.wake_write = socket.socketpair()
        self.connections = {}  # socket -> its link
        self.cut = 0
        self.thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self.selector.register(self.listener, selectors.EVENT_READ)
        self.selector.register(self.wake_read, selectors.EVENT_READ)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.wake_write.send(b"x")
        self.thread.join()
        while self.connections:
            self._close(next(iter(self.connections.values())))
        for s in (self.listener, self.wake_read, self.wake_write):
            s.close()
        self.selector.close()

    def _run(self):
        while True:
            for key, _ in self.selector.select():
                if key.fileobj is self.wake_read:
                    return
                if key.fileobj is self.listener:
                    self._accept()
                elif key.fileobj in self.connections:
                    self._forward(key.fileobj)

    def _accept(self):
        near, _ = self.listener.accept()
        try:
            far = socket.create_connection(("127.0.0.1", self.target))
        except OSError:
            near.close()
            return
        link = {"ends": {near: far, far: near}, "left": self.random.randint(*self.range)}
        for s in (near, far):
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections[s] = link
            self.selector.register(s, selectors.EVENT_READ)

    def _forward(self, s):
        link = self.connections[s]
        try:
            data = s.recv(16384)
            if data:
                link["left"] -= len(data)
                if link["left"] < 0 and self.cuts_left > 0:
                    self.cuts_left -= 1
                    self.cut += 1
                    data = b""
                else:
                    link["ends"][s].sendall(data)
        except OSError:
            data = b""
        if not data:
            self._close(link)

    def _close(self, link):
        for s in link["ends"]:
            with contextlib.suppress(KeyError, ValueError):
                self.selector.unregister(s)
            self.connections.pop(s, None)
            s.close()
