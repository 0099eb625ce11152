"""Calls of every kind, from a local entrypoint."""

import asyncio
import sys
import time

import modal

app = modal.App("functions", image=modal.Image.from_registry("python:3.11-slim-bookworm"))


class OutOfRange(Exception):
    def __init__(self, value, limit):
        super().__init__(value, limit)
        self.value, self.limit = value, limit


@app.function()
def square(x, plus=0):
    return x * x + plus


@app.function()
async def add(x, y=1):
    await asyncio.sleep(0)
    return x + y


@app.function()
def check(x):
    if x > 2:
        raise OutOfRange(x, 2)
    return x


@app.function()
def count(n):
    for i in range(n):
        yield i


@app.function()
async def count_async(n):
    for i in range(n):
        yield i * 10


@app.function()
def broken_count(n):
    yield from range(n)
    raise OutOfRange(n, n - 1)


@app.function()
def wait(seconds):
    time.sleep(seconds)
    return seconds


@app.function()
def say(what):
    print("out", what)
    print("err", what, file=sys.stderr)


@app.function()
def size_of(data):
    return len(data)


@app.function()
def zeros(n):
    return bytes(n)


@app.function()
def sum_of_squares(n):
    return sum(square.map(range(n)))


@app.function()
def unpicklable():
    return (i for i in range(3))


def show(name, do):
    try:
        result = do()
    except Exception as error:
        result = f"{type(error).__name__}: {error}"
    # In one piece: what containers print comes in between otherwise.
    print(f"{name} = {result}\n", end="", flush=True)


async def calls_async():
    results = await asyncio.gather(*(square.remote.aio(x) for x in range(5)))
    mapped = [x async for x in add.map.aio(range(3))]
    yielded = [x async for x in count_async.remote_gen.aio(3)]
    call = await add.spawn.aio(1)
    return results, mapped, yielded, await call.get.aio()


@app.local_entrypoint()
def main():
    show("local", lambda: square.local(3))
    show("remote", lambda: square.remote(3, plus=1))
    show("async function", lambda: add.remote(2, y=3))
    show("map", lambda: list(square.map(range(20), kwargs={"plus": 1})))
    show("map of two", lambda: list(add.map([1, 2], [10, 20])))
    show("unordered", lambda: sorted(square.map(range(100), order_outputs=False)) == [x * x for x in range(100)])
    show("starmap", lambda: list(add.starmap([(1, 2), (3, 4)])))
    show("for_each", lambda: square.for_each([1, 2]))
    show("empty map", lambda: list(square.map([])))
    show("exception", lambda: check.remote(3))
    show("map with exceptions", lambda: list(check.map([1, 3, 2], return_exceptions=True)))
    show("map that fails", lambda: list(check.map([1, 3, 2])))
    show("generator", lambda: list(count.remote_gen(4)))
    show("async generator", lambda: list(count_async.remote_gen(3)))

    def until_broken():
        seen = []
        try:
            for value in broken_count.remote_gen(2):
                seen.append(value)
        except OutOfRange as error:
            return seen, error.value, error.limit

    show("broken generator", until_broken)
    call = add.spawn(5)
    show("spawn", call.get)
    show("from_id", lambda: modal.FunctionCall.from_id(call.object_id).get())
    show("gather", lambda: modal.FunctionCall.gather(add.spawn(1), square.spawn(3)))
    show("spawn_map", lambda: square.spawn_map(range(3)))
    slow = wait.spawn(60)
    show("not done", lambda: slow.get(timeout=0))
    show("cancel", slow.cancel)
    show("cancelled", slow.get)
    show("after cancel", lambda: wait.remote(0))
    show("async variants", lambda: asyncio.run(calls_async()))
    show("print", lambda: say.remote("hello"))
    show("large argument", lambda: size_of.remote(bytes(5_000_000)))
    show("large result", lambda: len(zeros.remote(5_000_000)))
    show("nested", lambda: sum_of_squares.remote(5))
    show("unpicklable argument", lambda: size_of.remote(i for i in range(3)))
    show("unpicklable result", lambda: unpicklable.remote())
    show("missing argument", lambda: square.remote())
    show("stats", lambda: square.get_current_stats().backlog)
    # Last, and not caught: the traceback of the container is shown, and the exit code tells.
    check.remote(7)
