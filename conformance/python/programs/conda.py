"""Packages of conda, with micromamba."""

import pathlib

import modal

app = modal.App("conda")
spec = str(pathlib.Path(__file__).parent / "context/environment.yml")
image = (
    modal.Image.micromamba("3.12")
    .micromamba_install("numpy=2.*", channels=["conda-forge"])
    .micromamba_install(spec_file=spec, channels=["conda-forge"])
)


@app.function(image=image if modal.is_local() else None)
def prefix():
    import sys

    return sys.prefix


@app.local_entrypoint()
def main():
    print("prefix =", prefix.remote())
