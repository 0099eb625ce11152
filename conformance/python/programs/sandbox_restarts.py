"""Sandboxes over restarts of the server. The first argument says which part."""

import json
import sys

import modal

part = sys.argv[1]
app = modal.App.lookup("sandbox-restarts", create_if_missing=True)

COUNT = "i=0; while [ $i -lt %d ]; do echo %s $i; echo e$i >&2; i=$((i+1)); sleep 0.01; done;"


def say(*words):
    print(*words, flush=True)


if part == "read":
    # What is read goes on where it was; what comes after works as before.
    # It lasts until everything else is over.
    sb = modal.Sandbox.create("sh", "-c", COUNT % (300, "line") + "read over; exit 7", app=app, timeout=300)
    process = sb.exec("sh", "-c", COUNT % (300, "out") + "read x; echo got $x; exit 3")
    printed = ""
    told = False
    for text in process.stdout:
        printed += text
        if not told and "out 20\n" in printed:
            told = True
            say("now")
        if printed.endswith("out 299\n"):
            process.stdin.write("word\n")
            process.stdin.write_eof()
            process.stdin.drain()
    assert printed == "".join(f"out {i}\n" for i in range(300)) + "got word\n", printed
    assert process.stderr.read() == "".join(f"e{i}\n" for i in range(300))
    assert process.wait() == 3
    echo = sb.exec("echo", "again")
    assert echo.stdout.read() == "again\n" and echo.wait() == 0
    sb.stdin.write("over\n")
    sb.stdin.drain()
    assert sb.wait(raise_on_termination=False) is None and sb.returncode == 7
    assert sb.stdout.read() == "".join(f"line {i}\n" for i in range(300))
    say("read all")

elif part == "flow":
    # Output that is always on its way, more than anybody holds in memory.
    sb = modal.Sandbox.create(app=app, timeout=300)
    process = sb.exec("seq", "1", "3000000")
    total = 0
    next_number = 1
    rest = ""
    for text in process.stdout:
        *whole, rest = (rest + text).split("\n")
        for number in whole:
            assert int(number) == next_number, (number, next_number)
            next_number += 1
        if total < 2_000_000 <= total + len(text):
            say("now")
        total += len(text)
    assert next_number == 3_000_001
    assert process.wait() == 0
    sb.terminate()
    say("read all")

elif part == "leave":
    sb = modal.Sandbox.create(
        "sh",
        "-c",
        "echo ready; read a; echo $a; read b; echo $b; exit 5",
        app=app,
        name="left",
        timeout=300,
        secrets=[modal.Secret.from_dict({"WORD": "of mouth"})],
    )
    sb.set_tags({"kind": "left"})
    sb.exec("sh", "-c", "echo kept >/root/file").wait()
    for text in sb.stdout:
        break
    say(json.dumps([sb.object_id]))

elif part == "find":
    sb = modal.Sandbox.from_id(sys.argv[2])
    assert modal.Sandbox.from_name("sandbox-restarts", "left").object_id == sb.object_id
    assert [each.object_id for each in modal.Sandbox.list(app_id=app.app_id, tags={"kind": "left"})] == [sb.object_id]
    assert sb.poll() is None
    assert sb.get_tags() == {"kind": "left"}
    process = sb.exec("sh", "-c", "cat /root/file; echo $WORD")
    assert process.stdout.read() == "kept\nof mouth\n"
    try:
        modal.Sandbox.create(app=app, name="left")
        raise AssertionError("the name was given twice")
    except modal.exception.AlreadyExistsError:
        pass
    image = sb.snapshot_filesystem()
    copy = modal.Sandbox.create("cat", "/root/file", app=app, image=image)
    copy.wait()
    assert copy.stdout.read() == "kept\n"
    # Each client counts what it writes from nothing: only one may write.
    sb.stdin.write("first\nsecond\n")
    sb.stdin.write_eof()
    sb.stdin.drain()
    sb.wait(raise_on_termination=False)
    assert sb.returncode == 5, sb.returncode
    printed = sb.stdout.read()
    assert printed == "ready\nfirst\nsecond\n", printed
    say("found")

elif part == "many":
    # Killed somewhere in here, again and again: whatever was made is told of before and after.
    say("now")
    for turn in range(1000):
        sb = modal.Sandbox.create("sleep", "1000", app=app, timeout=300)
        say(sb.object_id)
        sb.exec("sh", "-c", "head -c 100000 /dev/zero >/root/zero").wait()
        sb.snapshot_filesystem()
        if turn % 2 == 1:
            sb.terminate()

elif part == "judge":
    # Every state is true: what runs works and can be ended, what has ended says so.
    running = 0
    for sandbox_id in sys.argv[2:]:
        sb = modal.Sandbox.from_id(sandbox_id)
        if sb.poll() is None:
            running += 1
            assert sb.exec("true").wait() == 0
            sb.terminate(wait=True)
        assert sb.poll() is not None
    listed = [each.object_id for each in modal.Sandbox.list(app_id=app.app_id)]
    for each in listed:
        # One whose creation nobody was told of.
        modal.Sandbox.from_id(each).terminate(wait=True)
    say("true", running, len(listed))

elif part == "short":
    sb = modal.Sandbox.create("sleep", "1000", app=app, timeout=2)
    sb.exec("true").wait()
    say(json.dumps([sb.object_id]))

elif part == "how":
    sb = modal.Sandbox.from_id(sys.argv[2])
    try:
        sb.wait()
        say("ended", sb.returncode)
    except Exception as error:
        say(type(error).__name__, error)
