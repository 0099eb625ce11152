"""Processes in a sandbox: everything that `exec` takes."""

import modal
from modal.stream_type import StreamType
from report import show

app = modal.App.lookup("sandboxes", create_if_missing=True)
sandbox = modal.Sandbox.create(app=app, image=modal.Image.debian_slim(), env={"OF_SANDBOX": "sandbox"}, timeout=120)
run = sandbox.exec


def output(*command, **options):
    process = run(*command, **options)
    return process.stdout.read(), process.stderr.read(), process.wait()


def feed(process, parts):
    for part in parts:
        process.stdin.write(part)
        process.stdin.drain()
    process.stdin.write_eof()
    process.stdin.drain()
    return process.stdout.read()


show("output", lambda: output("sh", "-c", "echo out; echo err >&2; exit 4"))
show("workdir", lambda: output("pwd", workdir="/usr/share")[0])
show("env", lambda: output("sh", "-c", "echo $OF_SANDBOX $OF_CALL", env={"OF_CALL": "call"})[0])
secrets = [modal.Secret.from_dict({"A": "first", "B": "first"}), modal.Secret.from_dict({"B": "second"})]
show("secrets", lambda: output("sh", "-c", "echo $A $B", secrets=secrets)[0])
show("secrets are of one process", lambda: output("sh", "-c", "echo [$A]")[0])
show("bytes", lambda: output("printf", "\\377\\000\\001", text=False)[0])
show("text of several bytes", lambda: output("printf", "h\\303\\244llo")[0])
show("wrong text", lambda: output("printf", "\\377")[0])
show("lines", lambda: list(run("sh", "-c", "echo one; echo; printf three", bufsize=1).stdout))
show("stdin", lambda: feed(run("cat"), ["one ", "two"]))
show("stdin of bytes", lambda: feed(run("cat", text=False), [b"\xff", b"\x00"]))
show("large stdin", lambda: len(feed(run("cat"), ["x" * (1 << 20)] * 6)))


def closed():
    process = run("true")
    process.wait()
    process.stdin.write("x")
    process.stdin.drain()


show("stdin of one that has ended", closed)
show("terminal", lambda: output("sh", "-c", "test -t 0 && stty size; echo $TERM >&2", pty=True, env={"TERM": "vt100"}))
show("no stdout", lambda: run("sh", "-c", "echo gone; exit 2", stdout=StreamType.DEVNULL).wait())
show("stdout of this program", lambda: run("echo", "printed by the sandbox", stdout=StreamType.STDOUT).wait())
show("timeout", lambda: run("sleep", "100", timeout=1).wait())
show("in time", lambda: run("true", timeout=100).wait())
show("killed", lambda: run("sh", "-c", "kill -9 $$").wait())
show("interrupted", lambda: run("sh", "-c", "kill -INT $$").wait())


def polled():
    process = run("cat")
    before = process.poll()
    process.stdin.write_eof()
    process.stdin.drain()
    return before, process.wait(), process.poll(), process.returncode


show("poll", polled)
many = [run("sh", "-c", f"echo {number}; exit {number}") for number in range(20)]
show("many at once", lambda: [process.wait() for process in many] == list(range(20)))
show("output of many", lambda: [process.stdout.read().strip() for process in many] == [str(number) for number in range(20)])
show("large output", lambda: len(output("sh", "-c", "head -c 20000000 /dev/zero | tr '\\0' x")[0]))
show("nobody reads", lambda: run("sh", "-c", "head -c 5000000 /dev/zero").wait())
show("a child that stays", lambda: output("sh", "-c", "sleep 100 & echo started")[0])
show("shared files", lambda: [run("sh", "-c", "echo kept >/tmp/kept").wait(), output("cat", "/tmp/kept")[0]][1])
show("no such program", lambda: run("no-such-program"))
show("no such directory", lambda: run("true", workdir="/nowhere"))
show("not executable", lambda: run("/etc/passwd"))
show("relative directory", lambda: run("true", workdir="here"))
show("nothing to run", lambda: run())
show("too long", lambda: run("echo", "x" * 70_000))
show("wrong name of a variable", lambda: run("true", env={"A-B": "c"}))
show("detach", sandbox.detach)
show("after detach", lambda: run("true"))
again = modal.Sandbox.from_id(sandbox.object_id)
show("found again", lambda: again.exec("cat", "/tmp/kept").stdout.read())
show("terminate", again.terminate)
show("after the end", lambda: again.exec("true"))
