"""The life of a sandbox: made with options, found again, waited for, ended."""

import uuid

import modal
from report import show

app = modal.App.lookup("sandboxes", create_if_missing=True)
image = modal.Image.debian_slim().env({"OF_IMAGE": "image", "OVER": "image"})
mine = uuid.uuid4().hex
name = f"named-{mine}"


def create(*command, **options):
    return modal.Sandbox.create(*command, **{"app": app, "image": image, "timeout": 120, **options})


def output(*command, **options):
    """What it prints, and its exit code."""
    sandbox = create(*command, **options)
    sandbox.wait()
    return sandbox.stdout.read(), sandbox.stderr.read(), sandbox.returncode


show("command", lambda: output("sh", "-c", "echo out; echo err >&2; exit 3"))
show("no command", lambda: create().exec("echo", "alive").stdout.read())
show("no image", lambda: modal.Sandbox.create("echo", "default", app=app).stdout.read())
show("workdir", lambda: output("pwd", workdir="/usr/share")[0])
show("env", lambda: output("sh", "-c", "echo $OF_IMAGE $OVER $OF_CALL", env={"OVER": "env", "OF_CALL": "call"})[0])
secrets = [modal.Secret.from_dict({"A": "first", "B": "first"}), modal.Secret.from_dict({"B": "second"})]
show("secrets", lambda: output("sh", "-c", "echo $A $B $C", secrets=secrets, env={"C": "env"})[0])
show("named secret", lambda: output("printenv", "FROM_STORE", secrets=[modal.Secret.from_name("of-sandboxes")])[0])
show("cpu and memory", lambda: output("echo", "small", cpu=(0.5, 1.0), memory=(64, 128))[0])
show("too much memory", lambda: output("python3", "-c", "x = bytearray(400 << 20)", memory=(64, 128))[2] != 0)
show("terminal", lambda: output("sh", "-c", "test -t 0 && test -t 1 && echo tty >&2", pty=True)[:2])
show("verbose", lambda: output("true", verbose=True)[2])
show("large output", lambda: len(output("sh", "-c", "head -c 3000000 /dev/zero | tr '\\0' x")[0]))
show("bytes that are no text", lambda: output("printf", "\\303\\244\\n")[0])
show("signal", lambda: output("sh", "-c", "kill -TERM $$")[2])

sandbox = create("sh", "-c", "while read word; do echo got $word; done; echo end", name=name, tags={"suite": mine, "part": "a"})
other = create("sleep", "100", tags={"suite": mine, "part": "b"})
show("stdin", lambda: [sandbox.stdin.write(b"one\n"), sandbox.stdin.drain()][1])
reader = iter(sandbox.stdout)
show("first line", lambda: next(reader))
show("poll", lambda: (sandbox.poll(), sandbox.returncode))
show("by id", lambda: modal.Sandbox.from_id(sandbox.object_id).object_id == sandbox.object_id)
show("by name", lambda: modal.Sandbox.from_name("sandboxes", name).object_id == sandbox.object_id)
show("taken name", lambda: create(name=name))


def listed(**options):
    order = {sandbox.object_id: "first", other.object_id: "second"}
    return [order.get(each.object_id, "unknown") for each in modal.Sandbox.list(app_id=app.app_id, **options)]


show("list by tag", lambda: listed(tags={"suite": mine}))
show("list by tags", lambda: listed(tags={"suite": mine, "part": "b"}))
show("list by a tag of none", lambda: listed(tags={"suite": mine, "part": "c"}))
show("tags", lambda: sorted(sandbox.get_tags().items()) == [("part", "a"), ("suite", mine)])
show("set tags", lambda: [sandbox.set_tags({"part": "new"}), sandbox.get_tags()][1])
show("list after", lambda: listed(tags={"part": "new"}))
show("end of input", lambda: [sandbox.stdin.write_eof(), sandbox.stdin.drain()][1])
show("wait", lambda: [sandbox.wait(), sandbox.returncode][1])
show("rest of the lines", lambda: list(reader))
show("poll after", sandbox.poll)
show("list of the running", lambda: listed(tags={"part": "new"}))
show("name is free", lambda: create("true", name=name).wait())
show("terminate", other.terminate)
show("terminate again", other.terminate)
show("wait for the terminated", lambda: other.wait())
show("wait without raising", lambda: [other.wait(raise_on_termination=False), other.returncode][1])
show("exec after", lambda: other.exec("true"))
show("timeout", lambda: create("sleep", "100", timeout=1).wait())
show("idle timeout", lambda: create(idle_timeout=1).wait(raise_on_termination=False))
show("waited while it goes on", lambda: create("sh", "-c", "sleep 0.2; exit 9", timeout=30).wait())
probe = modal.sandbox.Probe.with_exec("test", "-e", "/tmp/ready", interval_ms=20)
ready = create("sh", "-c", "sleep 0.3; touch /tmp/ready; sleep 100", readiness_probe=probe)
show("ready", ready.wait_until_ready)
show("never ready", lambda: create(readiness_probe=modal.sandbox.Probe.with_tcp(9)).wait_until_ready(timeout=1))
for number in range(3):
    create("sleep", "100", tags={"many": mine})
show("many", lambda: len(list(modal.Sandbox.list(app_id=app.app_id, tags={"many": mine}))))
show("stop of the app", lambda: [each.terminate() for each in modal.Sandbox.list(app_id=app.app_id)][:0])
show("none left", lambda: list(modal.Sandbox.list(app_id=app.app_id)))
