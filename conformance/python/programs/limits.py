"""Retries, timeouts, batches, concurrent inputs and secrets of functions."""

import asyncio
import os
import sys
import time

import modal

app = modal.App("limits", image=modal.Image.from_registry("python:3.11-slim-bookworm"))
attempts = 0


@app.function(retries=2, max_containers=1)
def flaky(until):
    global attempts
    attempts += 1
    if attempts < until:
        raise ValueError(f"attempt {attempts}")
    attempts, made = 0, attempts
    return made


@app.function(retries=modal.Retries(max_retries=1, initial_delay=0.0, backoff_coefficient=1.0))
def hopeless():
    print("an attempt", flush=True)
    raise ValueError("hopeless")


@app.function(timeout=1, startup_timeout=60)
def slow():
    time.sleep(60)


@app.function(timeout=1, startup_timeout=60, retries=1)
def slow_twice():
    print("slow again", flush=True)
    time.sleep(60)


@app.function(max_containers=1)
@modal.concurrent(max_inputs=5)
async def meet(others):
    global attempts
    attempts += 1
    while attempts < others:
        await asyncio.sleep(0.01)
    return os.environ["MODAL_TASK_ID"]


@app.function(max_containers=1)
@modal.batched(max_batch_size=3, wait_ms=1000)
def batch(xs, ys):
    return [(x + y, len(xs)) for x, y in zip(xs, ys)]


@app.function(
    secrets=[
        modal.Secret.from_dict({"A": "a", "B": "b", "E": "of a secret"}),
        modal.Secret.from_name("limits-named", required_keys=["C"]),
        modal.Secret.from_local_environ(["FROM_SHELL"]) if modal.is_local() else modal.Secret.from_dict({}),
    ],
    env={"E": "of the function"},
)
def secrets():
    return [os.environ.get(name) for name in ["A", "B", "C", "FROM_SHELL", "E"]]


@app.function(single_use_containers=True)
def once():
    return os.environ["MODAL_TASK_ID"]


@app.function()
def exits(code):
    sys.exit(code)


@app.function()
def dies():
    os._exit(3)


@app.function(memory=(64, 128))
def hungry():
    return len(bytearray(os.urandom(1)) * 1_000_000_000)


@app.function(cpu=0.5, memory=256, ephemeral_disk=1024, startup_timeout=60, scaledown_window=2, min_containers=0, buffer_containers=1)
def options():
    return "options"


def show(name, do):
    try:
        result = do()
    except (Exception, SystemExit) as error:
        result = f"{type(error).__name__}: {error}"
    # In one piece: what containers print comes in between otherwise.
    print(f"{name} = {result}\n", end="", flush=True)


@app.local_entrypoint()
def main():
    show("retries", lambda: flaky.remote(3))
    show("retries in a map", lambda: list(flaky.map([2, 2])))
    show("retries are used up", lambda: flaky.remote(9))
    show("hopeless", hopeless.remote)
    show("timeout", slow.remote)
    show("timeouts", slow_twice.remote)
    show("concurrent", lambda: len(set(meet.map([5] * 5))))
    show("batched", lambda: list(batch.map(range(3), range(3))))
    show("secrets", secrets.remote)
    show("single use", lambda: once.remote() != once.remote())
    show("sys.exit", lambda: exits.remote(0))
    show("sys.exit with a code", lambda: exits.remote(4))
    show("dies", dies.remote)
    show("too much memory", hungry.remote)
    show("options", options.remote)
