"""An image that does not build."""

import modal

app = modal.App("bad-image", image=modal.Image.from_registry("python:3.11-slim-bookworm").run_commands("echo a line of the build", "exit 3"))


@app.function()
def never():
    pass
