"""A client of a version that nobody has released."""

import modal_version

modal_version.__version__ = "1.99.0"

import modal  # noqa: E402

app = modal.App("bad-unknown-client", image=modal.Image.from_registry("python:3.11-slim-bookworm"))


@app.function()
def never():
    pass


if __name__ == "__main__":
    try:
        with app.run():
            print("run = accepted")
    except Exception as error:
        print(f"run = {type(error).__name__}: {error}".replace("\n", " "))
