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


@app.function()
def intrude(task_id):
    """A container tries to run something in another one."""
    env = {**os.environ, "MODAL_TOKEN_ID": "ak-none", "MODAL_TOKEN_SECRET": "as-none"}
    command = [sys.executable, "-m", "modal", "container", "exec", task_id, "--", "touch", "/tmp/intruder"]
    ended = subprocess.run(command, env=env, capture_output=True, text=True)
    return ended.returncode, ended.stdout + ended.stderr
