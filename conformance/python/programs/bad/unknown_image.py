import modal

app = modal.App("bad-unknown-image", image=modal.Image.from_registry("nowhere.example/nothing:1"))


@app.function()
def never():
    pass
