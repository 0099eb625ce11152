"""Runs every attempt of the table in a process of its own and prints one line of JSON for each.

An attempt is a function. It has failed when the kernel answers with one of the errors that mean "no", or when it finds that what it got is
worth nothing (Refused). When it returns, it has succeeded; also with an error that comes only after the permission was given (`reached`).

With --control the same attempts run without any protection and must succeed, those excepted that are about the machine around: it shows
that they are refused for the right reason.
"""
import ctypes
import errno
import json
import os
import platform
import signal
import sys

FIRST_FILES = sorted(int(name) for name in os.listdir("/proc/self/fd"))
FACTS = json.loads(os.environ.get("ESCAPE_FACTS", "{}"))
LIMIT_SECONDS = 20
NO = {errno.EPERM, errno.EACCES, errno.EROFS, errno.ENOSYS}

ATTEMPTS = []
libc = ctypes.CDLL(None, use_errno=True)


class Refused(Exception):
    """What was got is worth nothing."""


def attempt(*also, reached=(), control=True):
    """`also`: further errors that mean "no". `control`: it succeeds where nothing protects."""

    def note(function):
        area = function.__module__
        ATTEMPTS.append((area, function.__name__.replace("_", " "), function, {*NO, *also}, set(reached), control))
        return function

    return note


# name: (x86-64, arm64). Those of 424 and above are the same everywhere.
NUMBERS = {
    "acct": (163, 89),
    "add_key": (248, 217),
    "adjtimex": (159, 171),
    "bpf": (321, 280),
    "clock_settime": (227, 112),
    "delete_module": (176, 106),
    "fanotify_init": (300, 262),
    "finit_module": (313, 273),
    "iopl": (172, None),
    "kexec_load": (246, 104),
    "keyctl": (250, 219),
    "mount": (165, 40),
    "open_by_handle_at": (304, 265),
    "perf_event_open": (298, 241),
    "pivot_root": (155, 41),
    "process_vm_readv": (310, 270),
    "ptrace": (101, 117),
    "reboot": (169, 142),
    "request_key": (249, 218),
    "sethostname": (170, 161),
    "setns": (308, 268),
    "shmget": (29, 194),
    "swapon": (167, 224),
    "syslog": (103, 116),
    "umount2": (166, 39),
    "unshare": (272, 97),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "open_tree": (428, 428),
    "fsopen": (430, 430),
    "pidfd_open": (434, 434),
    "clone3": (435, 435),
    "mount_setattr": (442, 442),
    "clone": (56, 220),
}


def call(name, *arguments):
    """A system call by name; raises OSError."""
    number = NUMBERS[name][0 if platform.machine() == "x86_64" else 1]
    if number is None:
        raise OSError(errno.ENOSYS, name)
    values = [a if isinstance(a, (bytes, ctypes.Array, ctypes.Structure)) or a is None else ctypes.c_long(a) for a in arguments]
    result = libc.syscall(ctypes.c_long(number), *values)
    if result < 0:
        raise OSError(ctypes.get_errno(), name)
    return result


def can_open(path, flags=os.O_WRONLY):
    os.close(os.open(path, flags))


def must_hold(path):
    """The file or directory has something in it."""
    if os.path.isdir(path):
        if not os.listdir(path):
            raise Refused("an empty directory")
        return
    with open(path, "rb") as file:
        if not file.read(64):
            raise Refused("an empty file")


def run(function, no, reached):
    try:
        function()
        return "succeeded", ""
    except Refused as reason:
        return "refused", str(reason)
    except OSError as error:
        name = errno.errorcode.get(error.errno, type(error).__name__)
        if error.errno in reached:
            return "succeeded", f"as far as {name}"
        return ("refused" if error.errno in no or isinstance(error, TimeoutError) else "odd"), name
    except BaseException as error:
        return "odd", repr(error)


def main():
    import files, kernel, machine, processes  # noqa: E401, F401

    is_control = "--control" in sys.argv
    if is_control:
        # The machine's root, which was exchanged for this one.
        libc.umount2(b"/old", 2)
    for area, name, function, no, reached, control in ATTEMPTS:
        if is_control and not control:
            continue
        source, sink = os.pipe()
        child = os.fork()
        if child == 0:
            signal.alarm(LIMIT_SECONDS)
            if is_control:
                # What one of them unmounts is there for the others.
                call("unshare", 0x20000)
            os.write(sink, json.dumps(run(function, no, reached)).encode())
            os._exit(0)
        os.close(sink)
        answer = os.read(source, 4096)
        os.close(source)
        _, status = os.waitpid(child, 0)
        outcome, detail = json.loads(answer) if answer else ("odd", f"ended with status {status}")
        print(json.dumps({"area": area, "name": name, "outcome": outcome, "detail": detail}), flush=True)


if __name__ == "__main__":
    # The table's modules import this one by its name.
    sys.modules["driver"] = sys.modules["__main__"]
    main()
