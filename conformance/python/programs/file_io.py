"""Files of a sandbox by `Sandbox.open` and its companions, which clients before 1.6 have."""

import json
import threading
import warnings

import modal

warnings.simplefilter("ignore")
app = modal.App.lookup("files", create_if_missing=True)
sandbox = modal.Sandbox.create(app=app, image=modal.Image.from_registry("python:3.11-slim-bookworm"), workdir="/srv")
results = {}


def fails(name, work):
    try:
        work()
    except Exception as error:
        results[name] = [type(error).__name__, str(error)]
    else:
        results[name] = "nothing"


with sandbox.open("/srv/a.txt", "w") as file:
    file.write("one\ntwo\n")
    file.flush()
    file.write("größer")
with sandbox.open("a.txt", "r") as file:
    results["line"] = file.readline()
    results["part"] = file.read(2)
    file.seek(-7, 2)
    results["end"] = file.read()
    results["nothing"] = file.read()
    file.seek(0)
    results["lines"] = file.readlines()
with sandbox.open("/srv/a.txt", "a+") as file:
    file.write("!")
    file.seek(0)
    results["whole"] = file.read()
with sandbox.open("/srv/a.txt", "r+") as file:
    file.write("ONE")
with sandbox.open("/srv/a.txt", "rb") as file:
    results["bytes"] = file.read().hex()

# More than fits into one message.
large = bytes(range(256)) * (80 * 1024)
with sandbox.open("/srv/large", "wb") as file:
    file.write(large)
with sandbox.open("/srv/large", "rb") as file:
    results["large"] = file.read() == large

sandbox.mkdir("/srv/d/e", parents=True)
results["list"] = sandbox.ls("/srv")
fails("missing", lambda: sandbox.open("/srv/none", "r"))
fails("directory", lambda: sandbox.open("/srv/d", "r"))
fails("exists", lambda: sandbox.open("/srv/a.txt", "x"))
fails("no directory", lambda: sandbox.ls("/srv/a.txt"))
fails("made twice", lambda: sandbox.mkdir("/srv/d"))
fails("not empty", lambda: sandbox.rm("/srv/d"))
sandbox.rm("/srv/d", recursive=True)
results["left"] = sandbox.ls("/srv")

ended = sandbox.open("/srv/a.txt", "r")
seen = []


def change():
    # Until the watch has seen it: when it began is known to nobody else.
    number = 0
    while not seen and number < 100:
        number += 1
        with sandbox.open(f"/srv/w{number}", "w") as file:
            file.write("x")


changing = threading.Thread(target=change)
changing.start()
for event in sandbox.watch("/srv", timeout=60):
    seen.append([event.type.value, event.paths])
    break
changing.join()
results["seen"] = seen[0][0] in ("Create", "Modify") and seen[0][1][0].startswith("/srv/w")
results["quiet"] = [event for event in sandbox.watch("/srv", timeout=1)]

sandbox.terminate()
sandbox.wait(raise_on_termination=False)
fails("over", lambda: ended.read())
print(json.dumps(results))
