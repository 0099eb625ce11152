"""A program of several files: packages, data, and modules that are found by name."""

import pathlib

import modal

import beside

image = (
    modal.Image.from_registry("python:3.11-slim-bookworm")
    .add_local_python_source("greetings", "beside")
    .add_local_dir(pathlib.Path(__file__).parent / "files", "/files", ignore=["*.tmp"])
    .add_local_file(pathlib.Path(__file__).parent / "files/one.txt", "/etc/one.txt")
)
app = modal.App("project", image=image)


@app.function()
def greet(name):
    import greetings

    return greetings.greet(name), beside.WHERE


@app.function()
def files():
    return sorted(str(path) for path in pathlib.Path("/files").rglob("*") if path.is_file()), pathlib.Path("/etc/one.txt").read_text()


@app.function()
def own_sources():
    return sorted(path.name for path in pathlib.Path("/root").glob("*"))


@app.local_entrypoint()
def main():
    print("greet =", greet.remote("you"))
    print("files =", files.remote())
    print("sources =", own_sources.remote())
