// Which system calls a container may make: an allow-list, so that a call added to the kernel later is refused until
// someone has looked at it.
//
// Left out: everything that acts on the whole machine (mounts, modules, clocks, reboot, kexec, swap, keys, bpf, perf),
// that makes namespaces (a way to more kernel surface), NUMA placement, and io_uring (past holes; and a process that has
// a ring cannot be checkpointed). Debugging calls stay: they only reach processes of the same container.

const ALLOWED_TEXT = `
accept accept4 access alarm arch_prctl bind brk cachestat capget capset chdir chmod chown chroot clock_getres
clock_gettime clock_nanosleep close close_range connect copy_file_range creat dup dup2 dup3 epoll_create epoll_create1
epoll_ctl epoll_pwait epoll_pwait2 epoll_wait eventfd eventfd2 execve execveat exit exit_group faccessat faccessat2
fadvise64 fallocate fchdir fchmod fchmodat fchmodat2 fchown fchownat fcntl fdatasync fgetxattr flistxattr flock fork
fremovexattr fsetxattr fstat fstatat fstatfs fsync ftruncate futex futex_requeue futex_wait futex_waitv futex_wake
futimesat get_robust_list get_thread_area getcpu getcwd getdents getdents64 getegid geteuid getgid getgroups getitimer
getpeername getpgid getpgrp getpid getppid getpriority getrandom getresgid getresuid getrlimit getrusage getsid
getsockname getsockopt gettid gettimeofday getuid getxattr inotify_add_watch inotify_init inotify_init1
inotify_rm_watch io_cancel io_destroy io_getevents io_pgetevents io_setup io_submit ioctl ioprio_get ioprio_set kill
landlock_add_rule landlock_create_ruleset landlock_restrict_self lchown lgetxattr link linkat listen listxattr
llistxattr lremovexattr lseek lsetxattr lstat madvise map_shadow_stack membarrier memfd_create mincore mkdir mkdirat
mknod mknodat mlock mlock2 mlockall mmap mprotect mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedsend
mq_unlink mremap msgctl msgget msgrcv msgsnd msync munlock munlockall munmap nanosleep newfstatat open openat openat2
pause pidfd_getfd pidfd_open pidfd_send_signal pipe pipe2 pkey_alloc pkey_free pkey_mprotect poll ppoll prctl pread64
preadv preadv2 prlimit64 process_madvise process_mrelease process_vm_readv process_vm_writev pselect6 ptrace pwrite64
pwritev pwritev2 read readahead readlink readlinkat readv recvfrom recvmmsg recvmsg remap_file_pages removexattr
rename renameat renameat2 restart_syscall rmdir rseq rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo
rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_tgsigqueueinfo sched_get_priority_max sched_get_priority_min
sched_getaffinity sched_getattr sched_getparam sched_getscheduler sched_rr_get_interval sched_setaffinity
sched_setattr sched_setparam sched_setscheduler sched_yield seccomp select semctl semget semop semtimedop sendfile
sendmmsg sendmsg sendto set_robust_list set_thread_area set_tid_address setfsgid setfsuid setgid setgroups setitimer
setpgid setpriority setregid setresgid setresuid setreuid setrlimit setsid setsockopt setuid setxattr shmat shmctl
shmdt shmget shutdown sigaltstack signalfd signalfd4 socketpair splice stat statfs statx symlink symlinkat sync
sync_file_range sync_file_range2 syncfs sysinfo tee tgkill time timer_create timer_delete timer_getoverrun
timer_gettime timer_settime timerfd_create timerfd_gettime timerfd_settime times tkill truncate umask uname unlink
unlinkat utime utimensat utimes vfork vmsplice wait4 waitid write writev
`;

/** Names of the calls that are allowed whatever their arguments are. */
export const ALLOWED_CALLS: readonly string[] = ALLOWED_TEXT.trim().split(/\s+/);

/** Flags of `clone` that make namespaces. */
export const NAMESPACE_FLAGS = 0x7e02_0000;
/** Socket families that reach past the network namespace: AF_ALG (kernel crypto), AF_VSOCK (the hypervisor). */
export const REFUSED_FAMILIES: readonly number[] = [38, 40];
/** Execution domains that only change this process: Linux, 32-bit uname, no address randomisation, and "ask". */
export const ALLOWED_PERSONALITIES: readonly number[] = [0x0, 0x8, 0x2_0000, 0x2_0008, 0x4_0000, 0xffff_ffff];

const EPERM = 1;
const ENOSYS = 38;

/** The profile as OCI runtimes take it, for those that compile it themselves. */
export function seccompProfile(arch: "x64" | "arm64"): object {
  const allow = (names: readonly string[], args?: readonly object[]) => ({
    names,
    action: "SCMP_ACT_ALLOW",
    ...(args === undefined ? {} : { args }),
  });
  return {
    defaultAction: "SCMP_ACT_ERRNO",
    defaultErrnoRet: EPERM,
    architectures: [arch === "x64" ? "SCMP_ARCH_X86_64" : "SCMP_ARCH_AARCH64"],
    syscalls: [
      allow(ALLOWED_CALLS),
      allow(["clone"], [{ index: 0, value: NAMESPACE_FLAGS, valueTwo: 0, op: "SCMP_CMP_MASKED_EQ" }]),
      // glibc falls back to clone, whose flags a filter can read, only on this answer.
      { names: ["clone3"], action: "SCMP_ACT_ERRNO", errnoRet: ENOSYS },
      ...ALLOWED_PERSONALITIES.map((value) => allow(["personality"], [{ index: 0, value, op: "SCMP_CMP_EQ" }])),
      allow(
        ["socket"],
        REFUSED_FAMILIES.map((value) => ({ index: 0, value, op: "SCMP_CMP_NE" })),
      ),
    ],
  };
}
