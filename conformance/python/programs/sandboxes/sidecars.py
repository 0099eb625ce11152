"""Further containers of a sandbox: files and processes of their own, one network."""

import json

import modal

app = modal.App.lookup("sidecars", create_if_missing=True)
image = modal.Image.from_registry("python:3.11-slim-bookworm").build(app)
sandbox = modal.Sandbox.create(app=app, image=image, timeout=600)
sidecars = sandbox._experimental_sidecars
results = {}


def fails(name, work):
    try:
        work()
    except Exception as error:
        results[name] = [type(error).__name__, str(error)]
    else:
        results[name] = "nothing"


def said(process):
    process.wait()
    return process.stdout.read()


server = "import http.server; http.server.test(http.server.SimpleHTTPRequestHandler, port=8077, bind='127.0.0.1')"
web = sidecars.create(
    "python",
    "-c",
    server,
    name="web",
    image=image,
    workdir="/srv",
    env={"COLOR": "blue"},
    secrets=[modal.Secret.from_dict({"PASSWORD": "swordfish"})],
)
web.filesystem.write_text("from beside", "/srv/page.txt")
results["environment"] = said(web.exec("sh", "-c", "echo $COLOR $PASSWORD; pwd")).split()
get = """
import time, urllib.request
for attempt in range(200):
    try:
        print(urllib.request.urlopen("http://127.0.0.1:8077/page.txt").read().decode()); break
    except OSError:
        time.sleep(0.05)
"""
results["localhost"] = said(sandbox.exec("python", "-c", get)).strip()
results["own files"] = said(sandbox.exec("ls", "/srv")).strip()
results["own processes"] = said(web.exec("sh", "-c", "cat /proc/[0-9]*/cmdline")).count("http.server")
results["none of the others"] = said(sandbox.exec("sh", "-c", "cat /proc/[0-9]*/cmdline")).count("http.server.test")
results["running"] = web.poll()

once = sidecars.create("sh", "-c", "exit 42", name="once", image=image)
once.wait()
results["once"] = once.poll()
quiet = sidecars.create(name="quiet", image=image)
results["names"] = [each.name for each in sidecars.list()]
results["all names"] = [each.name for each in sidecars.list(include_terminated=True)]
results["found"] = sidecars.get(name="web").object_id == web.object_id
fails("ended", lambda: sidecars.get(name="once"))
results["found ended"] = sidecars.get(name="once", include_terminated=True).poll()
fails("taken", lambda: sidecars.create("true", name="web", image=image))
fails("no program", lambda: sidecars.create("no-such-program", name="bad", image=image))
fails("alone", lambda: sidecars.create("true", name="alone", image=image, outbound_cidr_allowlist=[]))

snapshot = web.snapshot_filesystem()
again = sidecars.create("sleep", "600", name="again", image=snapshot)
results["snapshot"] = again.filesystem.read_text("/srv/page.txt")
directory = web.snapshot_directory("/srv")
quiet.mount_image("/mnt/srv", directory)
results["mounted"] = quiet.filesystem.read_text("/mnt/srv/page.txt")
quiet.unmount_image("/mnt/srv")
fails("unmounted", lambda: quiet.filesystem.read_text("/mnt/srv/page.txt"))

results["terminated"] = quiet.terminate(wait=True)
fails("exec after end", lambda: said(quiet.exec("true")))
results["main goes on"] = said(sandbox.exec("echo", "yes")).strip()

sandbox.terminate()
sandbox.wait(raise_on_termination=False)
fails("with the sandbox", lambda: web.wait())
print(json.dumps(results))
