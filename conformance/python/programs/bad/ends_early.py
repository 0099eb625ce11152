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
    for what, call in {
        "exit 0": Leaves(code=0).never.remote,
        "exit 5": Leaves(code=5).never.remote,
        "enter fails": Fails().never.remote,
    }.items():
        try:
            call()
        except Exception as error:
            print(f"{what} = {type(error).__name__}: {error}\n", end="")
