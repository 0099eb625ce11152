"""Classes: what is entered once, methods, parameters, and how many inputs an instance takes."""

import asyncio

import modal

app = modal.App("classes", image=modal.Image.from_registry("python:3.11-slim-bookworm"))


@app.cls()
class Counter:
    size: int = modal.parameter(default=3)
    name: str = modal.parameter(default="plain")
    loud: bool = modal.parameter(default=False)
    key: bytes = modal.parameter(default=b"k")

    @modal.enter()
    def enter(self):
        self.entered = 1
        self.seen = []

    @modal.enter()
    async def enter_too(self):
        self.entered += 1

    @modal.exit()
    def leave(self):
        print("leaving", self.name, self.seen, flush=True)

    @modal.method()
    def see(self, x):
        self.seen.append(x)
        return self.entered, self.name, self.size, self.loud, self.key, list(self.seen)

    @modal.method()
    def fail(self):
        raise KeyError(self.name)

    @modal.method()
    def count(self, n):
        for i in range(n):
            yield i * self.size

    @modal.method()
    async def twice(self, x):
        return self.double.local(x), await self.double.remote.aio(x)

    @modal.method()
    def double(self, x):
        return 2 * x


@app.cls()
class NoParameters:
    @modal.method()
    def hello(self):
        return "hello"

    def helper(self):
        return "helper"


@app.cls(max_containers=1)
@modal.concurrent(max_inputs=4)
class Concurrent:
    @modal.enter()
    def enter(self):
        self.here, self.most, self.all_here = 0, 0, asyncio.Event()

    @modal.method()
    async def meet(self, others):
        self.here += 1
        self.most = max(self.most, self.here)
        if self.here >= others:
            self.all_here.set()
        await self.all_here.wait()
        return self.most


@app.cls()
class Batched:
    times: int = modal.parameter(default=1)

    @modal.batched(max_batch_size=4, wait_ms=1000)
    def scale(self, xs):
        return [(x * self.times, len(xs)) for x in xs]


@app.cls()
class Requires:
    name: str = modal.parameter()

    @modal.method()
    def hello(self):
        return f"hello {self.name}"


class Base:
    @modal.method()
    def inherited(self):
        return type(self).__name__


@app.cls()
class Derived(Base):
    @modal.method()
    def own(self):
        return "own"


def show(name, do):
    try:
        result = do()
    except Exception as error:
        result = f"{type(error).__name__}: {error}"
    # In one piece: what containers print comes in between otherwise.
    print(f"{name} = {result}\n", end="", flush=True)


@app.local_entrypoint()
def main():
    counter = Counter()
    show("defaults", lambda: counter.see.remote(1))
    show("same container", lambda: counter.see.remote(2)[-1])
    show("parameters", lambda: Counter(size=9, name="nine", loud=True, key=b"\0").see.remote(1))
    show("own pool", lambda: counter.see.remote(3)[-1])
    show("generator", lambda: list(counter.count.remote_gen(3)))
    show("local", lambda: Counter(size=1).see.local(0))
    show("from inside", lambda: counter.twice.remote(4))
    show("map", lambda: list(counter.double.map(range(5))))
    show("spawn", lambda: counter.double.spawn(21).get())
    show("exception", lambda: counter.fail.remote())
    show("no parameters", lambda: NoParameters().hello.remote())
    show("concurrent", lambda: list(Concurrent().meet.map([4] * 4)))
    show("batched", lambda: sorted(Batched(times=10).scale.map(range(4))))
    show("batched, one", lambda: Batched().scale.remote(5))
    show("required", lambda: Requires(name="you").hello.remote())
    show("inherited", lambda: (Derived().inherited.remote(), Derived().own.remote()))
    show("parameter missing", lambda: Requires().hello.remote())
    show("parameter unknown", lambda: Counter(colour="red").see.remote(1))
    show("parameter of a wrong type", lambda: Counter(size="large").see.remote(1))
    show("helper", lambda: NoParameters().helper())
    show("with_options", lambda: Counter.with_options(max_containers=1, timeout=30)(name="options").see.remote(1))
    show("with_concurrency meets", lambda: sorted(Concurrent.with_concurrency(max_inputs=6)().meet.map([6] * 6))[-1])
    show("with_batching", lambda: sorted(Batched.with_batching(max_batch_size=2, wait_ms=1000)().scale.map(range(2))))
    with_environment = Counter.with_options(secrets=[modal.Secret.from_dict({"A": "b"})])
    show("with secrets", lambda: with_environment(name="secret").see.remote(1)[1])
