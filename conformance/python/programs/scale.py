"""Functions that TypeScript calls by name."""

import modal

app = modal.App("scales", image=modal.Image.from_registry("python:3.11-slim-bookworm"))


@app.function()
def scale(x, factor=2):
    return {"value": x * factor, "pair": (x, factor)}


@app.function()
def numbers(to):
    yield from range(to)


@app.function()
def fails():
    raise KeyError("no such scale")


@app.cls()
class Scale:
    name: str = modal.parameter()
    factor: int = modal.parameter(default=2)

    @modal.method()
    def weigh(self, x):
        return f"{self.name}: {x * self.factor}"
