"""What sandboxes may reach, when they are made and later. Nobody has the addresses: it is told apart whether a rule refuses them."""

import modal
from report import show

app = modal.App.lookup("sandboxes", create_if_missing=True)
image = modal.Image.debian_slim()
ONE, TWO = "203.0.113.1", "198.51.100.1"
PROBE = """
import socket, sys
for address in sys.argv[1:]:
    try:
        socket.create_connection((address, 9), timeout=1).close()
        print("let through")
    except ConnectionRefusedError:
        print("refused")
    except OSError:
        print("let through")
"""


def create(**options):
    return modal.Sandbox.create(app=app, image=image, timeout=120, **options)


def probe(sandbox, *addresses):
    process = sandbox.exec("python3", "-c", PROBE, *(addresses or (ONE, TWO)))
    return process.stdout.read().split("\n")[:-1] or process.stderr.read()


def made_with(**options):
    return probe(create(**options))


show("open", made_with)
show("blocked", lambda: made_with(block_network=True))
show("a list of ranges", lambda: made_with(outbound_cidr_allowlist=[f"{ONE}/32"]))
show("an empty list", lambda: made_with(outbound_cidr_allowlist=[]))
show("a wrong range", lambda: create(outbound_cidr_allowlist=["203.0.113.0/99"]))
show("blocked with a list", lambda: create(block_network=True, outbound_cidr_allowlist=["203.0.113.0/24"]))
if hasattr(modal.Sandbox, "_experimental_set_outbound_network_policy"):
    show("a list of domains", lambda: made_with(outbound_domain_allowlist=["example.com"]))
    show("a wrong domain", lambda: create(outbound_domain_allowlist=["exa mple"]))
    running = create()
    change = running._experimental_set_outbound_network_policy
    show("later", lambda: [change(outbound_cidr_allowlist=[f"{TWO}/32"]), probe(running)][1])
    show("and back", lambda: [change(), probe(running)][1])
    show("to a wrong range", lambda: change(outbound_cidr_allowlist=["x"]))
    show("as it was", lambda: probe(running))
for sandbox in modal.Sandbox.list(app_id=app.app_id):
    sandbox.terminate()
