"""Containers that commands are run in from outside."""

import os
import subprocess
import sys

import modal

image = modal.Image.from_registry("python:3.11-slim-bookworm").env({"COLOR": "blue"}).workdir("/srv")
app = modal.App("inside", image=image)
secret = modal.Secret.from_dict({"PASSWORD": "swordfish"})


@app.function(secrets=[secret])
def leave(text):
    """Leaves something behind, and says where."""
    with open("/tmp/left", "w") as file:
        file.write(text)
    return os.environ["MODAL_TASK_ID"]


@app.function(secrets=[secret])
def sandboxed():
    """Uses a sandbox of its own, with its own secret, and then what it may not."""
    sandbox = modal.Sandbox.create(app=modal.App.lookup("inside-boxes", create_if_missing=True), image=image, secrets=[secret], timeout=60)
    process = sandbox.exec("sh", "-c", "echo $PASSWORD $COLOR")
    said = process.stdout.read()
    sandbox.filesystem.write_text("kept", "/srv/file")
    found = [other.object_id == sandbox.object_id for other in modal.Sandbox.list()]
    kept = sandbox.filesystem.read_text("/srv/file")
    sandbox.terminate()
    try:
        modal.Sandbox.create(app=app, image=image, secrets=[modal.Secret.from_name("not-its-own")])
        refused = "nothing"
    except modal.exception.PermissionDeniedError as error:
        refused = str(error)
    return [said, process.wait(), kept, found, refused]


@app.function()
def intrude(task_id):
    """A container tries to run something in another one."""
    env = {**os.environ, "MODAL_TOKEN_ID": "ak-none", "MODAL_TOKEN_SECRET": "as-none"}
    command = [sys.executable, "-m", "modal", "container", "exec", task_id, "--", "touch", "/tmp/intruder"]
    ended = subprocess.run(command, env=env, capture_output=True, text=True)
    return ended.returncode, ended.stdout + ended.stderr
