"""Becomes a container of a function of the official Python client.

Imports what every function needs, asks the server on the container's own socket which function it is to run, waits for the answer, and
goes on as the client's own entry point. A container that was started for nobody waits here, with the slow imports behind it.
"""

import base64
import http.client
import json
import os
import runpy
import shutil
import signal
import socket
import sys
import threading

ENTRY_POINT = "modal._container_entrypoint"
START = "/lydian.v1.Runtime/Start"
FILES = "/run/lydian/files"
BLOB_PORT = 61437


class _SocketConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost")
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self._path)


def main():
    path = os.environ["MODAL_SERVER_URL"].removeprefix("unix://")
    # A signal before there is a function is the end, without a word.
    signal.signal(signal.SIGINT, lambda *_: os._exit(0))
    sys.path.pop(0)  # This program's own directory.
    __import__(ENTRY_POINT)
    _trust_loopback()
    start = _ask(path)
    _place_files()
    os.environ.update(start.get("env", {}))
    if start.get("workdir"):
        os.chdir(start["workdir"])
    sys.path.insert(0, os.getcwd())
    os.environ["MODAL_CONTAINER_ARGUMENTS_PATH"] = _arguments(base64.b64decode(start["containerArguments"]))
    threading.Thread(target=_relay, args=(path,), name="lydian-relay", daemon=True).start()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv = [ENTRY_POINT]
    sys.modules.pop(ENTRY_POINT)
    runpy.run_module(ENTRY_POINT, run_name="__main__", alter_sys=True)


def _trust_loopback():
    """Clients of 1.6 speak to processes of sandboxes without TLS where they know that the server is on the same machine; a socket they do not
    know as such."""
    client = getattr(sys.modules.get("modal.client"), "_Client", None)
    if client is not None:
        client._is_localhost = True


def _ask(path):
    connection = _SocketConnection(path)
    connection.request("POST", START, body="{}", headers={"content-type": "application/json"})
    response = connection.getresponse()
    body = response.read()
    connection.close()
    if response.status != 200:
        answer = json.loads(body)
        if answer.get("code") == "aborted":
            os._exit(0)  # There is no function for this container any more.
        raise SystemExit(f"The server gave this container no function: {answer.get('message')}")
    return json.loads(body)


def _place_files():
    """Puts the files of a function where it expects them. One that was known when the container was made has them there already."""
    for directory, _, names in os.walk(FILES):
        target = os.path.join("/", os.path.relpath(directory, FILES))
        os.makedirs(target, exist_ok=True)
        for name in names:
            shutil.copy(os.path.join(directory, name), os.path.join(target, name))


def _arguments(data):
    """A path to read them from, in memory only."""
    fd = _memory_file()
    os.write(fd, data)
    return f"/proc/{os.getpid()}/fd/{fd}"


def _memory_file():
    if hasattr(os, "memfd_create"):
        return os.memfd_create("container-arguments", 0)
    # Python that was built for old C libraries, as with add_python.
    import tempfile

    fd, path = tempfile.mkstemp(dir="/dev/shm")
    os.unlink(path)
    return fd


def _relay(path):
    """Large payloads are read and written at http URLs, which cannot name a socket: this port is one."""
    listener = socket.create_server(("127.0.0.1", BLOB_PORT))
    while True:
        client, _ = listener.accept()
        server = socket.socket(socket.AF_UNIX)
        try:
            server.connect(path)
        except OSError:
            client.close()
            continue
        for source, sink in ((client, server), (server, client)):
            threading.Thread(target=_copy, args=(source, sink), daemon=True).start()


def _copy(source, sink):
    try:
        while data := source.recv(262144):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        sink.close()


if __name__ == "__main__":
    main()
