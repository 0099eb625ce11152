"""Work of every kind that is under way while the server is killed and comes back."""

import time

import modal

app = modal.App("restarts", image=modal.Image.from_registry("python:3.11-slim-bookworm"))


@app.function(max_containers=2)
def slow_square(x):
    time.sleep(0.2)
    return x * x


@app.function()
def slow_count(n):
    for i in range(n):
        time.sleep(0.2)
        yield i


@app.function()
def once(seconds):
    time.sleep(seconds)
    return "done"


@app.local_entrypoint()
def in_a_map():
    total = 0
    for result in slow_square.map(range(40)):
        total += result
        if result == 25:
            print("now", flush=True)
    print("sum", total)


@app.local_entrypoint()
def in_calls():
    calls = [slow_square.spawn(x) for x in range(20)]
    long = once.spawn(3)
    print("now", flush=True)
    print("sum", sum(modal.FunctionCall.gather(*calls)), long.get())


@app.local_entrypoint()
def in_a_generator():
    seen = []
    for value in slow_count.remote_gen(5):
        seen.append(value)
        if value == 2:
            print("now", flush=True)
    print("counted", *seen)


@app.local_entrypoint()
def before_anything():
    print("now", flush=True)
    print("call", once.remote(0))
