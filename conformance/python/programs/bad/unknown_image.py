"""An image of a registry that is nowhere."""

import modal

app = modal.App("bad-unknown-image", image=modal.Image.from_registry("nowhere.invalid/nothing:1"))


@app.function()
def never():
    pass
