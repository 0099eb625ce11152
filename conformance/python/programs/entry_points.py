"""An entry point of an image gets the container's command, and has to run it."""

import os

import modal

app = modal.App("entry-points")
base = modal.Image.from_registry("python:3.11-slim-bookworm")
wrapped = base.entrypoint(["/usr/bin/env", "ENTERED=by entrypoint()"])


@app.function(image=wrapped)
def with_entry_point():
    return os.environ.get("ENTERED")


@app.function(image=base.dockerfile_commands('ENTRYPOINT ["/usr/bin/env", "ENTERED=by a Dockerfile"]'))
def of_dockerfile():
    return os.environ.get("ENTERED")


@app.function(image=wrapped.entrypoint([]))
def without():
    return os.environ.get("ENTERED")


@app.function(image=base.entrypoint(["/bin/true"]))
def never():
    pass


@app.local_entrypoint()
def main():
    print("wrapped =", with_entry_point.remote())
    print("Dockerfile =", of_dockerfile.remote())
    print("taken away =", without.remote())
    try:
        never.remote()
    except Exception as error:
        print(f"command not run = {type(error).__name__}: {error}\n", end="")
