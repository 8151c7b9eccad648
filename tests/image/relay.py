"""
relay.py PORT HOST PORT: passes connections on, as Docker's proxy of a published port does: what is connected
to comes from this namespace's own address.
"""

import socket
import sys
import threading


def pump(source, target):
    try:
        while data := source.recv(65536):
            target.sendall(data)
    except OSError:
        pass
    for end in (source, target):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


def main():
    listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
    print("ready", flush=True)
    while True:
        near, _ = listener.accept()
        far = socket.create_connection((sys.argv[2], int(sys.argv[3])))
        for pair in ((near, far), (far, near)):
            threading.Thread(target=pump, args=pair, daemon=True).start()


main()
