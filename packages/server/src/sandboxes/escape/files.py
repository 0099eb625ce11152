"""Devices, and files that are not its own: those that were left open, those of the agent, of the machine and of neighbours."""
import os
import socket
import stat
from errno import EBUSY, ECONNREFUSED, ECONNRESET, ELOOP, ENODEV, ENOENT, ENOTDIR, ENXIO, EPIPE, ETXTBSY, EXDEV

from driver import FACTS, FIRST_FILES, Refused, attempt, can_open

AGENT, SOCKET = "/__modal/.bin/lydian-agent", "/__modal/run/agent.sock"


def make_device(path, kind, major, minor):
    os.mknod(path, kind | 0o600, os.makedev(major, minor))


@attempt()
def make_the_device_of_the_memory():
    make_device("/tmp/mem", stat.S_IFCHR, 1, 1)


@attempt()
def make_a_disk():
    major, minor = FACTS.get("disk", [254, 0])
    make_device("/tmp/disk", stat.S_IFBLK, major, minor)


@attempt()
def make_a_disk_in_memory():
    major, minor = FACTS.get("disk", [254, 0])
    make_device("/dev/shm/disk", stat.S_IFBLK, major, minor)


def opens_device(name):
    def open_it():
        can_open(f"/dev/{name}", os.O_RDWR | os.O_NONBLOCK)

    open_it.__name__ = f"open_/dev/{name}"
    open_it.__module__ = __name__
    attempt(ENOENT, ENXIO, ENODEV, control=False)(open_it)


for device in ("mem", "kmsg", "kvm", "loop-control", "fuse", "net/tun", "vda", "sda", "mapper/control", "vhost-net", "uinput", "console"):
    opens_device(device)


@attempt(control=False)
def see_terminals_of_the_machine():
    others = [name for name in os.listdir("/dev/pts") if name != "ptmx"]
    if not others:
        raise Refused("there are none")


@attempt(control=False)
def use_files_that_were_left_open():
    # The last one lists the directory.
    extra = [fd for fd in FIRST_FILES[:-1] if fd > 2]
    if not extra:
        raise Refused("there are none")


@attempt(ENOENT, control=False)
def find_the_machine_through_the_roots_of_processes():
    for pid in filter(str.isdigit, os.listdir("/proc")):
        for link in ("root", "cwd"):
            if os.path.exists(f"/proc/{pid}/{link}{FACTS['hostFile']}"):
                return
    raise Refused("all of them are its own")


@attempt(ENOENT, ENOTDIR, control=False)
def find_the_machine_through_open_directories():
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            names = os.listdir(f"/proc/{pid}/fd")
        except OSError:
            continue
        for name in names:
            up = f"/proc/{pid}/fd/{name}/" + "../" * 16
            if os.path.exists(up + FACTS["hostFile"]):
                return
    raise Refused("there is no way up")


@attempt(control=False)
def climb_out_of_a_root_within_the_root():
    os.makedirs("/tmp/cage", exist_ok=True)
    up = os.open("/", os.O_RDONLY | os.O_DIRECTORY)
    os.chroot("/tmp/cage")
    os.fchdir(up)
    for _ in range(64):
        os.chdir("..")
    os.chroot(".")
    if not os.path.exists(FACTS["hostFile"]):
        raise Refused("it is its own root again")


@attempt(ENOENT, control=False)
def follow_a_link_to_the_machine():
    if not os.path.lexists("/tmp/link"):
        os.symlink("../" * 40 + FACTS["hostFile"].lstrip("/"), "/tmp/link")
    can_open("/tmp/link", os.O_RDONLY)


@attempt(ENOENT, control=False)
def read_a_neighbours_files():
    can_open(FACTS["neighbourDir"], os.O_RDONLY)


@attempt(ENOENT, control=False)
def read_what_the_machine_shares_in_memory():
    can_open(FACTS["sharedFile"], os.O_RDONLY)


@attempt(ETXTBSY, control=False)
def overwrite_the_agent():
    can_open(AGENT, os.O_WRONLY)


@attempt(ETXTBSY, control=False)
def overwrite_the_agent_through_its_process():
    can_open("/proc/1/exe", os.O_WRONLY)


@attempt(ETXTBSY, ELOOP, control=False)
def overwrite_the_agent_through_a_descriptor():
    can_open(f"/proc/self/fd/{os.open('/proc/1/exe', os.O_PATH)}", os.O_WRONLY)


@attempt(EBUSY, EXDEV, control=False)
def put_another_agent_in_its_place():
    with open("/tmp/agent", "w") as file:
        file.write("#!/bin/sh\n")
    os.rename("/tmp/agent", AGENT)


@attempt(EBUSY, control=False)
def remove_the_agents_socket():
    os.unlink(SOCKET)


@attempt(control=False)
def put_a_file_where_the_server_looks():
    can_open("/__modal/run/x", os.O_WRONLY | os.O_CREAT)


@attempt(ECONNRESET, EPIPE, ECONNREFUSED, control=False)
def speak_for_the_agent():
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(SOCKET)
        connection.sendall(b"\xff" * 4096)
        if not connection.recv(64):
            raise Refused("it was hung up on")


@attempt()
def tell_the_overlay_to_show_another_directory():
    os.makedirs("/tmp/redirected", exist_ok=True)
    os.setxattr("/tmp/redirected", "trusted.overlay.redirect", b"/../../../../etc")


@attempt()
def make_a_file_unchangeable():
    import fcntl

    with open("/tmp/immutable", "w") as file:
        fcntl.ioctl(file, 0x40086602, (0x10).to_bytes(8, "little"))
        # So that it can be removed.
        fcntl.ioctl(file, 0x40086602, (0).to_bytes(8, "little"))
