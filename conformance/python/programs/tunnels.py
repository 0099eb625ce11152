"""Ports of a sandbox, reached from outside through the official client. Prints what was seen, one `name = value` a line."""

import hashlib
import json
import os
import socket
import ssl
import threading
import urllib.error
import urllib.request
import warnings

import modal

app = modal.App.lookup("tunnels", create_if_missing=True)
trusting = ssl.create_default_context(cafile=os.environ["TUNNELS_CA"])

# What runs inside: a web server that shows the headers it gets, and one that sends back whatever comes.
SERVERS = """
import http.server, json, socketserver, threading
class Web(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.answer(b"")
    def do_POST(self):
        self.answer(self.rfile.read(int(self.headers["Content-Length"])))
    def answer(self, body):
        said = json.dumps({"path": self.path, "headers": {k.lower(): v for k, v in self.headers.items()}, "body": body.decode()}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)
    def log_message(self, *args):
        pass
class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        while data := self.request.recv(65536):
            self.request.sendall(data)
class Echoes(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
threading.Thread(target=Echoes(("127.0.0.1", 9000), Echo).serve_forever).start()
http.server.ThreadingHTTPServer(("0.0.0.0", 8000), Web).serve_forever()
"""


def show(name, value):
    print(f"{name} = {value}", flush=True)


def fetch(url, headers={}, context=trusting, data=None):
    with urllib.request.urlopen(urllib.request.Request(url, data, headers), context=context, timeout=30) as answer:
        return answer, json.load(answer)


def echoed(connection, data):
    """What comes back when all of it was sent and the sending side was closed."""
    connection.settimeout(60)

    def send():
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)

    sender = threading.Thread(target=send)
    sender.start()
    back = hashlib.sha256()
    count = 0
    while count < len(data) and (part := connection.recv(1 << 20)):
        back.update(part)
        count += len(part)
    sender.join()
    return count, back.hexdigest() == hashlib.sha256(data).hexdigest()


def refused(what):
    try:
        what()
    except Exception as error:
        return type(error).__name__
    return "not refused"


sandbox = modal.Sandbox.create(
    "python3", "-c", SERVERS,
    app=app, encrypted_ports=[8000], h2_ports=[8001], unencrypted_ports=[9000],
    readiness_probe=modal.Probe.with_tcp(8000), timeout=300,
)  # fmt: skip
sandbox.wait_until_ready()
tunnels = sandbox.tunnels()
show("ports", sorted(tunnels))
web, echo = tunnels[8000], tunnels[9000]

show("socket is url", web.url == f"https://{web.tls_socket[0]}:{web.tls_socket[1]}")
show("get", fetch(web.url + "/a/path?q=1")[1]["path"])
show("post", fetch(web.url, data=b"a body")[1]["body"])
show("untrusted", refused(lambda: fetch(web.url, context=ssl.create_default_context())))
show("no tcp", refused(lambda: web.tcp_socket))

with socket.create_connection(echo.tcp_socket) as plain:
    show("tcp", echoed(plain, os.urandom(20_000_000)))
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    show("tls too", echo.url.startswith("https://"))
with socket.create_connection(echo.tls_socket) as plain, trusting.wrap_socket(plain, server_hostname=echo.host) as tls:
    tls.sendall(b"through TLS")
    show("tls", tls.recv(100).decode())
show("nobody listens", refused(lambda: fetch(tunnels[8001].url)))

for name, port, offered in [("h2", 8001, ["h2", "http/1.1"]), ("not h2", 8000, ["h2", "http/1.1"]), ("other", 9000, ["postgresql"])]:
    context = ssl.create_default_context(cafile=os.environ["TUNNELS_CA"])
    context.set_alpn_protocols(offered)
    with socket.create_connection(tunnels[port].tls_socket) as plain, context.wrap_socket(plain, server_hostname=tunnels[port].host) as tls:
        show("alpn " + name, tls.selected_alpn_protocol())

credentials = sandbox.create_connect_token(user_metadata={"user": "ü"}, port=8000)
bearer = {"Authorization": f"Bearer {credentials.token}", "X-Verified-User-Data": "forged", "X_Verified_User_Data": "forged"}
answer, seen = fetch(credentials.url + "/who", bearer)
show("verified", seen["headers"]["x-verified-user-data"])
show("hidden", sorted(name for name in seen["headers"] if name in ("authorization", "x_verified_user_data", "cookie")))
show("posted", fetch(credentials.url, bearer, data=b"x" * 100_000)[1]["body"] == "x" * 100_000)
answer, seen = fetch(f"{credentials.url}/page?a=1&_modal_connect_token={credentials.token}&b=2")
show("query", seen["path"])
cookie = answer.headers["Set-Cookie"].split(";")[0]
show("cookie", fetch(credentials.url + "/next", {"Cookie": f"a=b; {cookie}"})[1]["headers"]["cookie"])
for name, headers in [("no token", {}), ("wrong token", {"Authorization": "Bearer ct-x.y"})]:
    try:
        fetch(credentials.url, headers)
    except urllib.error.HTTPError as error:
        show(name, error.code)
unused = sandbox.create_connect_token(port=7)
try:
    fetch(unused.url, {"Authorization": f"Bearer {unused.token}"})
except urllib.error.HTTPError as error:
    show("no program", error.code)

other = modal.Sandbox.create(app=app, timeout=120, encrypted_ports=[80], inbound_cidr_allowlist=["192.0.2.0/24"])
theirs = other.create_connect_token(port=8000)
try:
    fetch(credentials.url, {"Authorization": f"Bearer {theirs.token}"})
except urllib.error.HTTPError as error:
    show("another's token", error.code)
show("not allowed", refused(lambda: fetch(other.tunnels()[80].url)))
other.terminate(wait=True)

sandbox.terminate(wait=True)
show("over", refused(lambda: socket.create_connection(web.tls_socket, timeout=30)))
show("over too", refused(lambda: socket.create_connection(echo.tcp_socket, timeout=30)))
show("no tunnels", refused(lambda: modal.Sandbox.from_id(sandbox.object_id).tunnels()))
