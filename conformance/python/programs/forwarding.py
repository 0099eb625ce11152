"""A function that lets its ports be reached from outside while it runs."""

import http.server
import os
import socket
import ssl
import threading
import urllib.request

import modal

app = modal.App("forwarding")


@app.function()
def serve():
    class Web(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"from the function")
            threading.Thread(target=server.shutdown).start()

        def log_message(self, *args):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 8000), Web)
    with modal.forward(8000, unencrypted=True) as tunnel:
        try:
            with modal.forward(8000):
                pass
        except modal.exception.InvalidError as error:
            yield str(error)
        yield tunnel.tls_socket
        yield tunnel.tcp_socket
        server.serve_forever()
    yield "closed"


@app.local_entrypoint()
def main():
    steps = serve.remote_gen()
    print("twice =", next(steps))
    host, port = next(steps)
    tcp = next(steps)
    context = ssl.create_default_context(cafile=os.environ["TUNNELS_CA"])
    with urllib.request.urlopen(f"https://{host}:{port}", context=context, timeout=30) as answer:
        print("got =", answer.read().decode())
    print("at last =", next(steps))
    for name, address in [("tls after", (host, port)), ("tcp after", tcp)]:
        try:
            socket.create_connection(address, timeout=30)
        except OSError as error:
            print(name, "=", type(error).__name__)
    try:
        with modal.forward(8000):
            pass
    except modal.exception.InvalidError as error:
        print("outside =", error)
