#define _GNU_SOURCE
// Makes ready what a container starts in: namespaces with a network and a writable layer, and membership in its control groups. It becomes
// the command that is given, which finds all that. Everything vanishes with that process.
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tool.h"

static const char INSIDE_LINK[] = "eth0";

// One request to the kernel about a network, with room for what is put behind it.
struct request {
  struct nlmsghdr head;
  union {
    struct ifinfomsg link;
    struct ifaddrmsg address;
    struct rtmsg route;
  };
  char rest[512];
};

static struct rtattr *put(struct request *request, unsigned short type, const void *data, size_t size) {
  struct rtattr *attribute = (struct rtattr *)((char *)request + NLMSG_ALIGN(request->head.nlmsg_len));
  attribute->rta_type = type;
  attribute->rta_len = (unsigned short)RTA_LENGTH(size);
  if (size > 0) memcpy(RTA_DATA(attribute), data, size);
  request->head.nlmsg_len = NLMSG_ALIGN(request->head.nlmsg_len) + (uint32_t)RTA_SPACE(size);
  return attribute;
}

// What was put since belongs to it.
static void close_nest(struct request *request, struct rtattr *nest) {
  nest->rta_len = (unsigned short)((char *)request + request->head.nlmsg_len - (char *)nest);
}

static void send_request(int network, struct request *request, const char *what) {
  request->head.nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
  struct {
    struct nlmsghdr head;
    struct nlmsgerr error;
    char rest[1024];
  } answer;
  if (send(network, request, request->head.nlmsg_len, 0) < 0) fail(what);
  if (recv(network, &answer, sizeof answer, 0) < (ssize_t)NLMSG_LENGTH(sizeof answer.error)) fail(what);
  if (answer.head.nlmsg_type != NLMSG_ERROR) refuse("%s: the kernel gave another answer than was asked for", what);
  errno = -answer.error.error;
  if (errno != 0) fail(what);
}

static int open_network(void) {
  int network = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  if (network < 0) fail("cannot ask the kernel about networks");
  return network;
}

// By a socket of the namespace that has it.
static int index_of(int any_socket, const char *name) {
  struct ifreq request = {0};
  strncpy(request.ifr_name, name, IFNAMSIZ - 1);
  if (ioctl(any_socket, SIOCGIFINDEX, &request) < 0) fail(name);
  return request.ifr_ifindex;
}

// A pair of links: one here under this name, the other in the process's own namespace.
static void add_link(int network, const char *name) {
  struct request request = {.head = {.nlmsg_len = NLMSG_LENGTH(sizeof request.link), .nlmsg_type = RTM_NEWLINK}};
  request.head.nlmsg_flags = NLM_F_CREATE | NLM_F_EXCL;
  put(&request, IFLA_IFNAME, name, strlen(name) + 1);
  struct rtattr *info = put(&request, IFLA_LINKINFO, NULL, 0);
  put(&request, IFLA_INFO_KIND, "veth", strlen("veth"));
  struct rtattr *data = put(&request, IFLA_INFO_DATA, NULL, 0);
  struct ifinfomsg other = {0};
  struct rtattr *peer = put(&request, VETH_INFO_PEER, &other, sizeof other);
  put(&request, IFLA_IFNAME, INSIDE_LINK, sizeof INSIDE_LINK);
  uint32_t pid = (uint32_t)getpid();
  put(&request, IFLA_NET_NS_PID, &pid, sizeof pid);
  close_nest(&request, peer);
  close_nest(&request, data);
  close_nest(&request, info);
  send_request(network, &request, "cannot make the link");
}

static void bring_up(int network, int index) {
  struct request request = {.head = {.nlmsg_len = NLMSG_LENGTH(sizeof request.link), .nlmsg_type = RTM_NEWLINK}};
  request.link = (struct ifinfomsg){.ifi_index = index, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
  send_request(network, &request, "cannot bring the link up");
}

static void add_address(int network, int index, struct in_addr address) {
  struct request request = {.head = {.nlmsg_len = NLMSG_LENGTH(sizeof request.address), .nlmsg_type = RTM_NEWADDR}};
  request.head.nlmsg_flags = NLM_F_CREATE | NLM_F_EXCL;
  request.address = (struct ifaddrmsg){.ifa_family = AF_INET, .ifa_prefixlen = 32, .ifa_index = (uint32_t)index};
  put(&request, IFA_LOCAL, &address, sizeof address);
  put(&request, IFA_ADDRESS, &address, sizeof address);
  send_request(network, &request, "cannot give the link its address");
}

struct route {
  int index;
  // Undefined: everything that has no other route.
  const struct in_addr *to;
  const struct in_addr *from;
  const struct in_addr *by;
};

static void add_route(int network, struct route route) {
  struct request request = {.head = {.nlmsg_len = NLMSG_LENGTH(sizeof request.route), .nlmsg_type = RTM_NEWROUTE}};
  request.head.nlmsg_flags = NLM_F_CREATE | NLM_F_EXCL;
  request.route = (struct rtmsg){.rtm_family = AF_INET,
                                 .rtm_dst_len = route.to == NULL ? 0 : 32,
                                 .rtm_table = RT_TABLE_MAIN,
                                 .rtm_protocol = RTPROT_BOOT,
                                 .rtm_scope = route.by == NULL ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE,
                                 .rtm_type = RTN_UNICAST};
  if (route.to != NULL) put(&request, RTA_DST, route.to, sizeof *route.to);
  if (route.from != NULL) put(&request, RTA_PREFSRC, route.from, sizeof *route.from);
  if (route.by != NULL) put(&request, RTA_GATEWAY, route.by, sizeof *route.by);
  put(&request, RTA_OIF, &route.index, sizeof route.index);
  send_request(network, &request, "cannot add a route");
}

static struct in_addr address_of(const char *text) {
  struct in_addr address;
  if (inet_pton(AF_INET, text, &address) != 1) refuse("\"%s\" is no address", text);
  return address;
}

// From the launcher's network, in which `outside` and `outside_socket` are, to the process's own.
static void connect_network(int outside, int outside_socket, const char *link, struct in_addr own, struct in_addr gateway) {
  add_link(outside, link);
  int index = index_of(outside_socket, link);
  add_address(outside, index, gateway);
  bring_up(outside, index);
  add_route(outside, (struct route){.index = index, .to = &own, .from = &gateway});

  int inside = open_network();
  int inside_socket = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (inside_socket < 0) fail("cannot look at the network");
  bring_up(inside, index_of(inside_socket, "lo"));
  index = index_of(inside_socket, INSIDE_LINK);
  add_address(inside, index, own);
  bring_up(inside, index);
  add_route(inside, (struct route){.index = index, .to = &gateway});
  add_route(inside, (struct route){.index = index, .by = &gateway});
  close(inside);
  close(inside_socket);
}

// What is not written in the template is a hole in the copy.
static void copy_disk(const char *template, const char *to) {
  int source = open(template, O_RDONLY | O_CLOEXEC);
  if (source < 0) fail(template);
  int copy = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  struct stat info;
  if (copy < 0 || fstat(source, &info) < 0 || ftruncate(copy, info.st_size) < 0) fail(to);
  for (off_t at = 0; (at = lseek(source, at, SEEK_DATA)) >= 0;) {
    off_t end = lseek(source, at, SEEK_HOLE);
    if (end < 0) fail(template);
    off_t written = at;
    while (at < end) {
      ssize_t copied = copy_file_range(source, &at, copy, &written, (size_t)(end - at), 0);
      if (copied < 0) fail(to);
      if (copied == 0) refuse("%s: the template became shorter", to);
    }
  }
  if (errno != ENXIO) fail(template);
  close(source);
  close(copy);
}

// The file is unlinked at once: the mount keeps it, and nothing is left when that goes.
static void mount_disk(const char *image) {
  int file = open(image, O_RDWR | O_CLOEXEC);
  int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
  if (file < 0 || control < 0) fail(file < 0 ? image : "/dev/loop-control");
  struct loop_config config = {.fd = (uint32_t)file, .info = {.lo_flags = LO_FLAGS_AUTOCLEAR}};
  snprintf((char *)config.info.lo_file_name, sizeof config.info.lo_file_name, "%s", image);
  char path[32];
  int device;
  for (;;) {
    int free = ioctl(control, LOOP_CTL_GET_FREE);
    if (free < 0) fail("there is no loop device");
    snprintf(path, sizeof path, "/dev/loop%d", free);
    device = open(path, O_RDWR | O_CLOEXEC);
    if (device < 0) fail(path);
    if (ioctl(device, LOOP_CONFIGURE, &config) == 0) break;
    // Another process was faster.
    if (errno != EBUSY) fail(path);
    close(device);
  }
  if (mount(path, "W", "ext4", MS_NOATIME | MS_NODEV, NULL) < 0) fail("cannot mount the writable layer");
  close(device);
  close(control);
  close(file);
  if (unlink(image) < 0) fail(image);
}

static void write_to(const char *path, const char *text) {
  int file = open(path, O_WRONLY | O_CLOEXEC);
  if (file < 0 || write(file, text, strlen(text)) < 0) fail(path);
  close(file);
}

// LINK ADDRESS GATEWAY TEMPLATE HIDE [PROCS-FILE…] -- COMMAND…. TEMPLATE: a file system to copy for the writable layer; empty: that is a directory.
// HIDE: "-PATH" is unmounted, "+PATH" covered by an empty file system. In the working directory is the directory W.
int make_slot(int argc, char **argv) {
  int command = 5;
  while (command < argc && strcmp(argv[command], "--") != 0) command++;
  if (command + 1 >= argc) refuse("there is no command to become");
  const char *template = argv[3], *hide = argv[4];
  umask(022);
  int outside = open_network();
  int outside_socket = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (outside_socket < 0) fail("cannot look at the network");
  if (*template != 0) copy_disk(template, "disk");
  if (unshare(CLONE_NEWNS | CLONE_NEWNET) < 0) fail("cannot make namespaces");
  if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0) fail("cannot keep mounts from going outside");
  if (*hide == '-' && umount2(hide + 1, 0) < 0) fail(hide + 1);
  if (*hide == '+' && mount("none", hide + 1, "tmpfs", 0, NULL) < 0) fail(hide + 1);
  if (*template != 0) mount_disk("disk");
  for (const char *const *each = (const char *const[]){"W/u", "W/w", "W/m", NULL}; *each != NULL; each++)
    if (mkdir(*each, 0777) < 0) fail(*each);
  int ipv6 = open("/proc/sys/net/ipv6/conf/all/disable_ipv6", O_WRONLY | O_CLOEXEC);
  // A kernel without IPv6 has nothing to switch off.
  if (ipv6 >= 0 && write(ipv6, "1", 1) < 0) fail("cannot switch IPv6 off");
  if (ipv6 >= 0) close(ipv6);
  connect_network(outside, outside_socket, argv[0], address_of(argv[1]), address_of(argv[2]));
  close(outside);
  close(outside_socket);
  char pid[16];
  snprintf(pid, sizeof pid, "%d", (int)getpid());
  for (int i = 5; i < command; i++) write_to(argv[i], pid);
  execvp(argv[command + 1], argv + command + 1);
  fail(argv[command + 1]);
}

// OPTIONS: the root file system of a container, of layers and a writable one, in `rootfs`.
int mount_rootfs(int argc, char **argv) {
  (void)argc;
  if (mount("lydian", "rootfs", "overlay", MS_NODEV, argv[0]) < 0) fail("cannot mount the layers");
  return 0;
}
