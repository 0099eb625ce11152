"""What is larger than the server takes. The client uploads large arguments by itself: it is kept from that here."""

import modal
from modal._utils import function_utils

image = modal.Image.from_registry("python:3.11-slim-bookworm")
app = modal.App("bad-too-large", image=image)
MIB = 1 << 20


@app.function()
def size(value):
    return len(value)


def show(what, run):
    try:
        print(f"{what} = {run()}")
    except Exception as error:
        print(f"{what} = {type(error).__name__}: {error}".replace("\n", " "))


def secret(variables):
    other = modal.App("bad-large-secret", image=image)
    other.function(serialized=True, secrets=[modal.Secret.from_dict(variables)])(lambda: None)
    with other.run():
        return "accepted"


if __name__ == "__main__":
    show("value of a secret", lambda: secret({"LARGE": "x" * 70_000}))
    show("variables of a secret", lambda: secret({f"V{at}": "x" for at in range(300)}))
    with app.run():
        show("uploaded arguments", lambda: size.remote(b"x" * (40 * MIB)))
        function_utils.should_upload = lambda *_args, **_options: False
        show("arguments in a message", lambda: size.remote(b"x" * (40 * MIB)))
        show("message", lambda: size.remote(b"x" * (130 * MIB)))
        show("afterwards", lambda: size.remote(b"x"))
