"""What is deployed; VERSION tells deployments apart."""

import os
import time

import modal

VERSION = os.environ.get("VERSION", "0")
image = modal.Image.from_registry("python:3.11-slim-bookworm").env({"VERSION": VERSION})
app = modal.App(os.environ.get("APP_NAME", "deployed"), image=image, tags={"team": "conformance"})


@app.function(max_containers=3)
def version():
    print("version", VERSION, flush=True)
    return VERSION


@app.function(min_containers=1, buffer_containers=1)
def warm():
    return os.environ["MODAL_TASK_ID"]


@app.function()
def linger(seconds):
    print("lingering", flush=True)
    time.sleep(seconds)
    return VERSION


@app.function()
def echo(*args, **kwargs):
    return args, kwargs


@app.function()
def represent(value):
    return value, repr(value)


@app.function()
def fail(text):
    raise ValueError(text)


@app.function()
def forever():
    while True:
        time.sleep(0.1)


@app.function()
def count(n):
    yield from range(n)


@app.cls()
class Greeter:
    name: str = modal.parameter(default="nobody")

    @modal.method()
    def greet(self, greeting="hello"):
        return f"{greeting} {self.name} of {VERSION}"
