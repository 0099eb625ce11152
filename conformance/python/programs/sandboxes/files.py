"""Files of a sandbox: everything of `sandbox.filesystem`."""

import os
import tempfile
import threading

import modal
from report import show

app = modal.App.lookup("sandboxes", create_if_missing=True)
sandbox = modal.Sandbox.create(app=app, image=modal.Image.debian_slim(), timeout=120)
files = sandbox.filesystem
here = tempfile.mkdtemp()


def shell(line):
    process = sandbox.exec("sh", "-c", line)
    text = process.stdout.read()
    assert process.wait() == 0, process.stderr.read()
    return text


show("write text", lambda: files.write_text("héllo\n", "/data/deep/text"))
show("read text", lambda: files.read_text("/data/deep/text"))
show("in a process", lambda: shell("cat /data/deep/text"))
show("write bytes", lambda: files.write_bytes(bytes(range(256)), "/data/bytes"))
show("read bytes", lambda: files.read_bytes("/data/bytes") == bytes(range(256)))
show("overwrite", lambda: [files.write_text("short", "/data/bytes"), files.read_text("/data/bytes")][1])
show("empty", lambda: [files.write_bytes(b"", "/data/empty"), files.read_bytes("/data/empty")][1])
shell("ln -s deep/text /data/link; ln -s nowhere /data/dangling; mkfifo /data/pipe; chmod 640 /data/bytes")
show("list", lambda: [(each.name, str(each.type.value if hasattr(each.type, "value") else each.type)) for each in files.list_files("/data")])
show("stat", lambda: [getattr(files.stat("/data/bytes"), field) for field in ("name", "path", "size", "permissions", "owner", "group")])
show("stat of a link", lambda: [getattr(files.stat("/data/link"), field) for field in ("name", "symlink_target")])
show("through a link", lambda: files.read_text("/data/link"))
show("make directories", lambda: files.make_directory("/data/a/b/c"))
show("again", lambda: files.make_directory("/data/a/b/c"))
show("without parents", lambda: files.make_directory("/data/x/y", create_parents=False))
show("remove", lambda: [files.remove("/data/empty"), shell("ls /data/empty 2>&1 || true")][1])
show("remove one that is full", lambda: files.remove("/data/a"))
show("remove a tree", lambda: [files.remove("/data/a", recursive=True), shell("ls -d /data/a 2>&1 || true")][1])
show("remove a link", lambda: [files.remove("/data/link"), files.read_text("/data/deep/text")][1])

large = os.urandom(24 << 20)
local = os.path.join(here, "large")
with open(local, "wb") as file:
    file.write(large)
show("upload", lambda: files.copy_from_local(local, "/data/large"))
show("its sum", lambda: int(shell("wc -c </data/large")) == len(large))
show("download", lambda: files.copy_to_local("/data/large", local + ".back"))
show("is the same", lambda: open(local + ".back", "rb").read() == large)
show("upload of nothing", lambda: files.copy_from_local(os.path.join(here, "nothing"), "/data/nothing"))

show("no such file", lambda: files.read_text("/nowhere"))
show("a directory", lambda: files.read_text("/data"))
show("below a file", lambda: files.write_text("x", "/data/bytes/x"))
show("list a file", lambda: files.list_files("/data/bytes"))
show("list nothing", lambda: files.list_files("/nowhere"))
show("remove nothing", lambda: files.remove("/nowhere"))
show("relative path", lambda: files.read_text("data"))
show("not text", lambda: [files.write_bytes(b"\xff", "/data/wrong"), files.read_text("/data/wrong")][1])
shell("truncate -s 6G /data/huge")
show("too large", lambda: files.read_bytes("/data/huge"))


def watched():
    timer = threading.Timer(0.3, lambda: files.write_text("new", "/data/new"))
    timer.start()
    for event in files.watch("/data", timeout=20):
        if any(path.endswith("/new") for path in event.paths):
            return str(getattr(event, "type", getattr(event, "event_type", None))).rsplit(".", 1)[-1].lower()


show("watch", watched)
show("watch in vain", lambda: list(files.watch("/data", timeout=1)))
sandbox.terminate()
show("after the end", lambda: files.read_text("/data/deep/text"))
