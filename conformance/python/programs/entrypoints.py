"""What a command line may start, and how."""

import datetime
import os
import sys
import time

import modal

app = modal.App("entrypoints", image=modal.Image.from_registry("python:3.11-slim-bookworm"))


@app.function()
def shout(text: str, times: int = 1):
    print(text.upper() * times)
    return "not printed"


@app.function()
def environment():
    return os.environ["MODAL_ENVIRONMENT"]


@app.function()
def forever():
    print("it runs", flush=True)
    try:
        time.sleep(3600)
    finally:
        print("it is stopped", flush=True)


@app.local_entrypoint()
def main(name: str, count: int = 2, ratio: float = 0.5, loud: bool = False, when: datetime.datetime = None):
    print("main", name, count, ratio, loud, when)
    print("in environment", environment.remote())


@app.local_entrypoint()
def raw(*arglist):
    print("raw", arglist)


@app.local_entrypoint()
def fail():
    raise RuntimeError("from the entrypoint")


@app.local_entrypoint()
def leave():
    sys.exit(7)


@app.local_entrypoint()
def wait():
    forever.remote()


@app.local_entrypoint()
def background():
    call = forever.spawn()
    print("call", call.object_id)
