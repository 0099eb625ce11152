"""Other processes, and rights that it has not got."""
import ctypes
import os
import resource
import shutil
import signal
import subprocess
import sys
from errno import EINVAL, ENOENT, ESRCH

from driver import FACTS, Refused, attempt, call, libc

CAP_SYS_ADMIN, CAP_SYS_RESOURCE, CAP_NET_RAW = 21, 24, 13
NOBODY = 65_534


@attempt(ESRCH, control=False)
def signal_a_process_of_the_machine():
    os.kill(FACTS["hostPid"], 0)


@attempt(ESRCH, control=False)
def trace_a_process_of_the_machine():
    call("ptrace", 16, FACTS["hostPid"], None, None)


@attempt(ESRCH, control=False)
def read_the_memory_of_a_process_of_the_machine():
    buffer = ctypes.create_string_buffer(8)
    local = (ctypes.c_uint64 * 2)(ctypes.addressof(buffer), 8)
    remote = (ctypes.c_uint64 * 2)(4096, 8)
    call("process_vm_readv", FACTS["hostPid"], local, 1, remote, 1, 0)


@attempt(ESRCH, EINVAL, control=False)
def hold_a_process_of_the_machine():
    call("pidfd_open", FACTS["hostPid"], 0)


@attempt(ENOENT, control=False)
def look_at_a_process_of_the_machine():
    os.listdir(f"/proc/{FACTS['hostPid']}")


@attempt(control=False)
def end_all_processes():
    # Its own may end; the neighbour and the server are looked at afterwards.
    if os.fork() == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os._exit(0)
    os.wait()
    pids = [int(pid) for pid in os.listdir("/proc") if pid.isdigit()]
    if FACTS["hostPid"] not in pids and len(pids) < 20:
        raise Refused("it sees its own only")


@attempt(ENOENT, control=False)
def find_memory_shared_by_a_key():
    call("shmget", FACTS["sharedKey"], 0, 0)


@attempt()
def gain_a_capability():
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    bit = 1 << CAP_SYS_ADMIN
    if libc.capset(header, (ctypes.c_uint32 * 6)(bit, bit, bit, 0, 0, 0)) < 0:
        raise OSError(ctypes.get_errno(), "capset")


@attempt()
def hand_a_capability_on():
    # Inheritable first, then ambient.
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    bit = 1 << CAP_SYS_ADMIN
    libc.capset(header, (ctypes.c_uint32 * 6)(bit, bit, bit, 0, 0, 0))
    if libc.prctl(47, 2, CAP_SYS_ADMIN, 0, 0) < 0:
        raise OSError(ctypes.get_errno(), "prctl")


def look_as_nobody(program, code):
    """What a copy of Python prints that is started by an ordinary user."""

    def become():
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)

    done = subprocess.run([program, "-c", code], preexec_fn=become, capture_output=True, text=True, check=False, cwd="/")
    return done.stdout.strip()


@attempt()
def become_root_by_a_bit_of_a_file():
    os.chmod("/tmp", 0o1777)
    shutil.copy(sys.executable, "/tmp/python-s")
    os.chmod("/tmp/python-s", 0o4755)
    if look_as_nobody("/tmp/python-s", "import os; print(os.geteuid())") != "0":
        raise Refused("the bit has no effect")


@attempt()
def gain_a_capability_by_a_file():
    os.chmod("/tmp", 0o1777)
    shutil.copy(sys.executable, "/tmp/python-c")
    os.chmod("/tmp/python-c", 0o755)
    mask = (1 << CAP_SYS_ADMIN).to_bytes(4, "little")
    os.setxattr("/tmp/python-c", "security.capability", (0x02000001).to_bytes(4, "little") + mask + mask + bytes(8))
    status = look_as_nobody("/tmp/python-c", "print(open('/proc/self/status').read())")
    held = [int(line.split()[1], 16) for line in status.splitlines() if line.startswith("CapEff")]
    if not held or not held[0] >> CAP_SYS_ADMIN & 1:
        raise Refused("the file gives nothing")


@attempt(control=False)
def take_off_the_ban_on_new_privileges():
    if libc.prctl(38, 0, 0, 0, 0) < 0:
        raise Refused("it cannot be taken off")


@attempt(control=False)
def take_off_the_filter_of_calls():
    if libc.prctl(22, 0, 0, 0, 0) < 0:
        raise Refused("it cannot be taken off")


@attempt(control=False)
def outlive_a_lack_of_memory():
    with open("/proc/self/oom_score_adj", "w") as file:
        file.write("-1000")


def set_limit(which, value):
    if libc.setrlimit(which, (ctypes.c_ulong * 2)(value, value)) < 0:
        raise OSError(ctypes.get_errno(), "setrlimit")


@attempt(control=False)
def raise_a_hard_limit():
    set_limit(resource.RLIMIT_CORE, 4096)


@attempt(control=False)
def run_before_everybody_else():
    os.setpriority(os.PRIO_PROCESS, 0, -20)


@attempt(control=False)
def run_in_real_time():
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(50))


@attempt(control=False)
def hold_the_machines_memory():
    set_limit(resource.RLIMIT_MEMLOCK, 1 << 40)
