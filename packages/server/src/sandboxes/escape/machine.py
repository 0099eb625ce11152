"""The network: raw packets, settings of links, the machine, neighbours, the cloud's metadata."""
import errno
import os
import socket
import struct
from errno import EADDRNOTAVAIL, EAFNOSUPPORT, ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, EPROTONOSUPPORT, ESOCKTNOSUPPORT

from driver import FACTS, attempt

UNREACHABLE = (ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, EADDRNOTAVAIL)


@attempt()
def read_packets_of_the_link():
    socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)


@attempt()
def forge_packets():
    socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)


@attempt()
def send_control_messages():
    socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)


@attempt(EAFNOSUPPORT, ESOCKTNOSUPPORT, reached=(EAFNOSUPPORT,))
def use_the_kernels_ciphers():
    socket.socket(38, socket.SOCK_SEQPACKET, 0)


@attempt(EAFNOSUPPORT, ESOCKTNOSUPPORT, reached=(EAFNOSUPPORT,))
def speak_to_the_hypervisor():
    socket.socket(40, socket.SOCK_STREAM, 0)


def ask_kernel(protocol, kind, flags, body):
    """Sends a netlink message and raises what the kernel answers."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, protocol) as link:
        link.bind((0, 0))
        link.settimeout(5)
        link.send(struct.pack("=IHHII", 16 + len(body), kind, flags | 5, 1, 0) + body)
        _, answer, _, _, _, code = struct.unpack("=IHHIIi", link.recv(4096)[:20])
        if answer == 2 and code != 0:
            raise OSError(-code, os.strerror(-code))


@attempt(EPROTONOSUPPORT, errno.EOPNOTSUPP)
def give_itself_an_address():
    body = struct.pack("=BBBBI", socket.AF_INET, 32, 0, 0, 1) + struct.pack("=HH4s", 8, 2, socket.inet_aton("10.200.200.200"))
    ask_kernel(0, 20, 0x400, body)


@attempt(EPROTONOSUPPORT, errno.EOPNOTSUPP)
def take_a_link_down():
    ask_kernel(0, 16, 0, struct.pack("=BBHiII", 0, 0, 0, 1, 0, 1))


@attempt(EPROTONOSUPPORT, errno.EOPNOTSUPP)
def make_a_link():
    name = b"escape0\0"
    kind = struct.pack("=HH", 8, 1) + b"veth"
    info = struct.pack("=HH", 4 + len(kind), 18) + kind
    ask_kernel(0, 16, 0x600, struct.pack("=BBHiII", 0, 0, 0, 0, 0, 0) + struct.pack("=HH", 4 + len(name), 3) + name + info)


def sets(name, level, option, value, *also):
    def set_it():
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as connection:
            connection.setsockopt(level, option, value)

    set_it.__name__ = name
    set_it.__module__ = __name__
    attempt(errno.ENOPROTOOPT, errno.EINVAL, *also)(set_it)


sets("mark packets for the firewall", socket.SOL_SOCKET, 36, 7)
sets("take more buffers than allowed", socket.SOL_SOCKET, 33, 1 << 28)
sets("use addresses of others", socket.SOL_IP, 19, 1)
# Loose source route by way of 10.0.0.1.
sets("choose the way of packets", socket.SOL_IP, 4, bytes([131, 7, 4, 10, 0, 0, 1, 0]))


def connects(name, facts):
    """`facts`: gives the addresses. None of them may be reached."""

    def connect():
        last = None
        for address in facts():
            try:
                socket.create_connection(address, timeout=1).close()
                return
            except OSError as error:
                last = error
        raise last or OSError(ENETUNREACH, "no address")

    connect.__name__ = name
    connect.__module__ = __name__
    attempt(*UNREACHABLE, control=False)(connect)


connects("reach the machines loopback", lambda: [("127.0.0.1", FACTS["hostPort"])])
connects("reach the machine through its gateway", lambda: [(FACTS["gateway"], FACTS["hostPort"])])
connects("reach the machine by an address of its own", lambda: [(address, FACTS["hostPort"]) for address in FACTS["hostAddresses"]])
connects("reach a neighbour", lambda: [(FACTS["neighbour"], FACTS["neighbourPort"])])
connects("reach the metadata of the cloud", lambda: [("169.254.169.254", 80)])
connects("reach the metadata of containers", lambda: [("169.254.170.2", 80)])
connects("reach the metadata by IPv6", lambda: [("fd00:ec2::254", 80)])
connects("reach a link local address", lambda: [("fe80::1%eth0", FACTS["hostPort"])])


@attempt(*UNREACHABLE, control=False)
def reach_a_socket_of_the_machine_without_a_file():
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect("\0" + FACTS["abstract"])


@attempt(*UNREACHABLE, control=False)
def reach_a_socket_of_the_neighbour_without_a_file():
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect("\0" + FACTS["neighbourAbstract"])


@attempt(*UNREACHABLE, errno.EADDRINUSE, control=False)
def take_the_address_of_a_neighbour():
    with socket.socket(socket.AF_INET) as listener:
        listener.bind((FACTS["neighbour"], 0))
