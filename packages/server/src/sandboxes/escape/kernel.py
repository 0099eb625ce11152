"""The kernel itself: its settings, its modules, its clocks, mounts, namespaces, and what is rarely needed and often broken."""
import ctypes
import os
from errno import E2BIG, EBADF, EBUSY, EFAULT, EINVAL, ENODEV, ENOENT, ENOEXEC, ENOTDIR, ESTALE

from driver import Refused, attempt, call, can_open, must_hold

MS_REMOUNT, MS_BIND, MNT_DETACH = 32, 4096, 2
NEW_NS, NEW_CGROUP, NEW_USER, NEW_PID, NEW_NET = 0x20000, 0x2000000, 0x10000000, 0x20000000, 0x40000000


def mount(source, target, kind, flags=0, data=None):
    os.makedirs(target, exist_ok=True)
    call("mount", source, target.encode(), kind, flags, data)


@attempt()
def mount_a_file_system_of_memory():
    mount(b"x", "/tmp/m1", b"tmpfs")


@attempt()
def mount_another_proc():
    mount(b"proc", "/tmp/m2", b"proc")


@attempt()
def mount_another_sysfs():
    mount(b"sysfs", "/tmp/m3", b"sysfs")


@attempt(ENODEV, EBUSY)
def mount_a_control_group_hierarchy_of_its_own():
    mount(b"none", "/tmp/m4", b"cgroup", 0, b"none,name=lydian-escape")


@attempt(ENODEV)
def mount_the_machines_control_groups():
    mount(b"none", "/tmp/m5", b"cgroup2")


@attempt(ENODEV)
def mount_an_overlay_of_the_root():
    os.makedirs("/dev/shm/u", exist_ok=True)
    os.makedirs("/dev/shm/w", exist_ok=True)
    mount(b"none", "/tmp/m6", b"overlay", 0, b"lowerdir=/,upperdir=/dev/shm/u,workdir=/dev/shm/w")


@attempt()
def bind_a_directory_elsewhere():
    mount(b"/proc", "/tmp/m7", None, MS_BIND)


@attempt(reached=(EINVAL,))
def make_the_kernels_settings_writable():
    call("mount", None, b"/proc/sys", None, MS_REMOUNT | MS_BIND, None)


@attempt()
def make_sys_writable():
    call("mount", None, b"/sys", None, MS_REMOUNT | MS_BIND, None)


@attempt(reached=(EINVAL,))
def uncover_what_is_masked():
    call("umount2", b"/proc/interrupts", MNT_DETACH)


@attempt()
def take_the_file_system_of_proc_away():
    call("umount2", b"/proc", MNT_DETACH)


@attempt()
def clone_a_mount():
    call("open_tree", -100, b"/", 1)


@attempt()
def open_a_file_system_by_the_new_calls():
    call("fsopen", b"tmpfs", 0)


@attempt(reached=(EINVAL,))
def change_what_a_mount_allows():
    call("mount_setattr", -100, b"/proc", 0, (ctypes.c_uint64 * 4)(0, 1, 0, 0), 32)


@attempt(reached=(EBUSY, EINVAL))
def exchange_the_root():
    os.makedirs("/tmp/new/old", exist_ok=True)
    call("pivot_root", b"/tmp/new", b"/tmp/new/old")


@attempt()
def make_a_namespace_of_mounts():
    call("unshare", NEW_NS)


@attempt()
def make_a_namespace_of_users():
    call("unshare", NEW_USER)


@attempt()
def make_a_namespace_of_control_groups():
    call("unshare", NEW_CGROUP)


@attempt()
def make_a_network():
    call("unshare", NEW_NET)


@attempt()
def make_users_and_mounts_with_a_process():
    if call("clone", NEW_USER | NEW_NS | 17, 0, 0, 0, 0) == 0:
        os._exit(0)


@attempt()
def make_users_with_a_process_by_the_new_call():
    # flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls
    if call("clone3", (ctypes.c_uint64 * 8)(NEW_USER, 0, 0, 0, 17, 0, 0, 0), 64) == 0:
        os._exit(0)


@attempt(EINVAL)
def enter_the_mounts_of_the_first_process():
    call("setns", os.open("/proc/1/ns/mnt", os.O_RDONLY), NEW_NS)


@attempt(EINVAL)
def enter_the_network_of_the_first_process():
    call("setns", os.open("/proc/1/ns/net", os.O_RDONLY), NEW_NET)


@attempt(reached=(ESTALE, EINVAL))
def open_a_file_by_its_number():
    handle = (ctypes.c_uint32 * 8)(8, 1, 2, 0)
    call("open_by_handle_at", os.open("/", os.O_RDONLY), handle, 0)


@attempt(reached=(EFAULT, ENOEXEC, EBADF))
def load_a_module():
    call("finit_module", -1, b"", 0)


@attempt(reached=(ENOENT,))
def unload_a_module():
    call("delete_module", b"lydian_no_such_module", 0)


@attempt()
def load_another_kernel():
    call("kexec_load", 0, 0, None, 0)


@attempt(reached=(EINVAL,))
def reboot():
    call("reboot", 0xFEE1DEAD, 672274793, 0, None)


@attempt(reached=(ENOENT,))
def swap_to_a_file():
    call("swapon", b"/lydian-no-such-file", 0)


@attempt(reached=(ENOENT,))
def keep_accounts_of_all_processes():
    call("acct", b"/lydian-no-such-file")


@attempt(control=False)
def set_the_clock():
    import time

    now = time.time_ns()
    call("clock_settime", 0, (ctypes.c_long * 2)(now // 10**9, now % 10**9))


@attempt(control=False)
def bend_the_clock():
    call("adjtimex", (ctypes.c_long * 32)(0x2000))


@attempt()
def rename_the_machine():
    call("sethostname", b"escaped", 7)


@attempt()
def reach_the_ports_of_the_processor():
    call("iopl", 3)


@attempt()
def read_the_log_of_the_kernel():
    call("syslog", 10, None, 0)


@attempt(reached=(EINVAL, E2BIG))
def load_a_program_into_the_kernel():
    call("bpf", 5, (ctypes.c_uint64 * 16)(), 48)


@attempt(reached=(ENOENT, EINVAL))
def watch_the_processor():
    # type 1 (software), size 112, config 0 (the clock of the processor)
    call("perf_event_open", (ctypes.c_uint32 * 28)(1, 112), -1, 0, -1, 0)


@attempt()
def handle_page_faults():
    call("userfaultfd", 1)


@attempt()
def make_a_ring_of_system_calls():
    call("io_uring_setup", 1, (ctypes.c_uint32 * 32)())


@attempt()
def watch_all_files():
    call("fanotify_init", 0, 0)


@attempt()
def keep_a_key():
    call("add_key", b"user", b"escape", b"secret", 6, -2)


@attempt()
def join_a_keyring():
    call("keyctl", 1, None, 0, 0, 0)


@attempt(reached=(ENOENT, 126))
def ask_for_a_key():
    call("request_key", b"user", b"escape-no-such-key", None, 0)


def writes(path, *also, control=True):
    def open_it():
        can_open(path)

    open_it.__name__ = f"write_{path}"
    open_it.__module__ = __name__
    # What a kernel does not have at all is no way out, and cannot be shown.
    attempt(ENOENT, *also, control=control and os.path.exists(path))(open_it)


def reads(path):
    def read_it():
        must_hold(path)

    read_it.__name__ = f"read_{path}"
    read_it.__module__ = __name__
    attempt(ENOENT, ENOTDIR, control=False)(read_it)


for setting in ("kernel/core_pattern", "kernel/modprobe", "vm/panic_on_oom", "net/ipv4/ip_forward", "kernel/randomize_va_space", "fs/protected_symlinks"):
    writes(f"/proc/sys/{setting}")
writes("/proc/sysrq-trigger")
writes("/proc/irq/default_smp_affinity")
writes("/proc/sys/fs/binfmt_misc/register", control=False)
writes("/sys/kernel/uevent_helper", control=False)
writes("/sys/kernel/mm/transparent_hugepage/enabled", control=False)
writes("/sys/power/state", control=False)
writes("/sys/kernel/profiling", control=False)
for secret in ("/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/interrupts", "/proc/sched_debug", "/sys/firmware", "/sys/kernel/debug", "/sys/kernel/security"):
    reads(secret)


@attempt(ENOENT, control=False)
def set_a_release_agent():
    for directory, _, files in os.walk("/sys/fs/cgroup"):
        if "release_agent" in files:
            return can_open(os.path.join(directory, "release_agent"))
    raise Refused("no control group can be seen")


@attempt(ENOENT, control=False)
def lift_its_own_limits():
    for directory, _, files in os.walk("/sys/fs/cgroup"):
        for file in files:
            if file in ("memory.max", "memory.limit_in_bytes", "pids.max"):
                return can_open(os.path.join(directory, file))
    raise Refused("no control group can be seen")
