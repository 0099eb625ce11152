"""What bench/src/python.ts measures: first and warm calls of functions through the official Python client."""

import json
import os
import time

import modal

app = modal.App("bench-python", image=modal.Image.from_registry("python:3.11-slim-bookworm"))
COLD = 23
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


def make_echo():
    """Defined inside, so that it travels by value."""

    def echo(x):
        return x

    return echo


echo = make_echo()
# Of every function the first call is measured. Without a network of its own a container cannot be one that was started for nobody.
with_warm = [app.function(serialized=True, name=f"with_{i}")(echo) for i in range(COLD)]
without_warm = [app.function(serialized=True, name=f"without_{i}", block_network=True)(echo) for i in range(COLD)]
warm = app.function(serialized=True, name="warm")(echo)


def first_call(function):
    time.sleep(2)  # The container for the next one is made when nothing else is done.
    start = time.perf_counter()
    function.remote(1)
    return (time.perf_counter() - start) * 1000


def server_cpu_ms():
    with open(f"/proc/{os.environ['BENCH_SERVER_PID']}/stat") as stat:
        fields = stat.read().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) * 1000 / CLOCK_TICKS


def calls(count):
    for _ in range(200):
        warm.remote(0)
    taken, cpu = [], server_cpu_ms()
    for i in range(count):
        start = time.perf_counter()
        warm.remote(i)
        taken.append((time.perf_counter() - start) * 1000)
    return {"ms": taken, "serverMs": (server_cpu_ms() - cpu) / count}


def mapped(count):
    list(warm.map(range(count)))
    start, cpu = time.perf_counter(), server_cpu_ms()
    list(warm.map(range(count)))
    seconds = time.perf_counter() - start
    return {"rate": count / seconds, "serverPercent": (server_cpu_ms() - cpu) / seconds / 10}


@app.local_entrypoint()
def main():
    result = {
        "with": [first_call(function) for function in with_warm],
        "without": [first_call(function) for function in without_warm],
        "calls": calls(1000),
        "map": mapped(2000),
    }
    with open(os.environ["BENCH_OUT"], "w") as out:
        json.dump(result, out)
