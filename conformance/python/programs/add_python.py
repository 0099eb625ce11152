"""Images without a Python that get one with add_python."""

import os
import pathlib
import sys

import modal

app = modal.App("add-python")
# The name of an image in a registry, without Python.
BARE = os.environ.get("BARE", "debian:12-slim")
here = pathlib.Path(__file__).parent

registry = modal.Image.from_registry(BARE, add_python=os.environ.get("PYTHON", "3.12"))
dockerfile = modal.Image.from_dockerfile(
    here / "context/bare/Dockerfile", context_dir=here / "context/bare", build_args={"BARE": BARE}, add_python="3.13"
).pip_install("six==1.17.0")


@app.function(image=registry)
def from_registry():
    import sqlite3
    import ssl

    return sys.version_info[:2], sys.executable, sqlite3.sqlite_version > "3", ssl.HAS_TLSv1_3


@app.function(image=dockerfile)
def from_dockerfile():
    import six

    return sys.version_info[:2], six.__version__, pathlib.Path("/words.txt").read_text().strip()


@app.local_entrypoint()
def main():
    print("registry =", from_registry.remote())
    print("dockerfile =", from_dockerfile.remote())
