"""A plain script: no command line of the client, an app within a `with`."""

import asyncio
import os

import modal

app = modal.App("script")
image = modal.Image.from_registry("python:3.11-slim-bookworm")


@app.function(image=image)
def double(x):
    print("doubling", x)
    return 2 * x


async def in_a_loop():
    async with app.run():
        return await asyncio.gather(*(double.remote.aio(x) for x in range(3)))


def in_place():
    """What is sent is the function itself, with what it encloses."""

    def make(offset):
        def closure(x):
            return x + offset

        return closure

    other = modal.App("serialized", image=image)
    shifted = other.function(serialized=True, name="shifted")(make(100))
    yielding = other.function(serialized=True, name="yielding")(lambda n: (yield n))
    with other.run():
        print("serialized", shifted.remote(1), list(yielding.remote_gen(3)))


if __name__ == "__main__":
    with modal.enable_output(), app.run():
        print("with output", double.remote(4), app.app_id.startswith("ap-"))
    with app.run():
        print("without output", double.remote(5))
    print("async", asyncio.run(in_a_loop()))
    try:
        double.remote(6)
    except modal.exception.ExecutionError as error:
        print("not running:", error)

    if os.environ.get("SERIALIZED"):
        in_place()
