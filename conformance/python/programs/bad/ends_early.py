"""Containers that end before their first input."""

import os

import modal

app = modal.App("bad-ends-early", image=modal.Image.from_registry("python:3.11-slim-bookworm"))


@app.cls()
class Leaves:
    code: int = modal.parameter()

    @modal.enter()
    def enter(self):
        os._exit(self.code)

    @modal.method()
    def never(self):
        pass


@app.cls()
class Fails:
    @modal.enter()
    def enter(self):
        raise ValueError("on enter")

    @modal.method()
    def never(self):
        pass


@app.local_entrypoint()
def main():
    for call in (Leaves(code=0).never.remote, Leaves(code=5).never.remote, Fails().never.remote):
        try:
            print(call())
        except Exception as error:
            print(f"{type(error).__name__}: {error}")
