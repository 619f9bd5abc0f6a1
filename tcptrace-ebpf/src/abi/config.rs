//! The settings that user space fills in before it loads the kernel programs. They are in read-only data, so the
//! verifier sees constants and drops every branch that cannot be taken.

mod layout;

pub use layout::{
    ABSENT, DropLayout, EventField, HeadMember, HintLayout, HolderLayout, KernelValue, Place, SOCKET_HEAD,
    SocketLayout, TracepointLayout,
};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// No record for any segment; the TC programs are not attached.
pub const SEGMENTS_NONE: u32 = 0;
/// Records for what opens and closes connections.
pub const SEGMENTS_CONTROL: u32 = 1;
/// A record for every TCP header.
pub const SEGMENTS_ALL: u32 = 2;

/// Bit of [`Config::matches`]: either end's port has to be in the bitmap [`PORTS_EITHER`].
pub const MATCH_PORTS: u32 = 1 << 0;
/// Bit of [`Config::matches`]: the local port has to be in the bitmap [`PORTS_LOCAL`].
pub const MATCH_LOCAL_PORTS: u32 = 1 << 1;
/// Bit of [`Config::matches`]: the remote port has to be in the bitmap [`PORTS_REMOTE`].
pub const MATCH_REMOTE_PORTS: u32 = 1 << 2;
/// Bit of [`Config::matches`]: either end's address has to be in the trie.
pub const MATCH_HOSTS: u32 = 1 << 3;
/// Bit of [`Config::matches`]: IPv4 only.
pub const MATCH_FAMILY_V4: u32 = 1 << 4;
/// Bit of [`Config::matches`]: IPv6 only.
pub const MATCH_FAMILY_V6: u32 = 1 << 5;
/// Bit of [`Config::matches`]: the socket has to use one of the interfaces in the map.
pub const MATCH_INTERFACES: u32 = 1 << 6;

/// Bit of [`Config::matches`]: the socket has to be in one of the network namespaces in the map.
pub const MATCH_NETNS: u32 = 1 << 7;

/// 64-bit words of one port bitmap.
pub const PORT_WORDS: u32 = 65536 / 64;
/// Index of the bitmap of `--port`.
pub const PORTS_EITHER: u32 = 0;
/// Index of the bitmap of `--local-port`.
pub const PORTS_LOCAL: u32 = 1;
/// Index of the bitmap of `--remote-port`.
pub const PORTS_REMOTE: u32 = 2;

/// `PF_KTHREAD` of `task_struct.flags` (include/linux/sched.h): the task is a kernel thread.
pub const PF_KTHREAD: u32 = 0x0020_0000;

/// `PF_EXITING` of `task_struct.flags`: the task is exiting.
pub const PF_EXITING: u32 = 0x0000_0004;

/// Maximum number of sockets that wait until their port or peer is known. Without a filter none has to.
pub const PENDING_SOCKETS: u32 = 16384;

/// Buckets of the table of watched flows, a power of two.
pub const WATCHED_BUCKETS: u32 = 1 << 15;

/// Size of the set of drop reasons, which are numbers of `enum skb_drop_reason`. Those of the networking core are below
/// it.
pub const DROP_REASONS: u32 = 256;

/// Settings of the kernel programs, which user space writes before they are loaded.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, Immutable, IntoBytes, KnownLayout)]
pub struct Config {
    /// Offsets for the raw tracepoint programs.
    pub socket: SocketLayout,
    /// Offsets for the programs that record hints.
    pub hints: HintLayout,
    /// Offsets for the program that records dropped segments.
    pub drops: DropLayout,
    /// Offsets for the iterator of sockets that processes hold.
    pub holders: HolderLayout,
    /// Offsets for the tracepoint program.
    pub tracepoint: TracepointLayout,
    /// 1 if the tracepoint `tcp:tcp_send_reset` has a third argument, the reason (Linux 6.10), else 0.
    pub has_reset_reason: u32,
    /// One of the `SEGMENTS_` constants.
    pub segments: u32,
    /// `MATCH_` bits: which filters there are. A record has to pass all of them.
    pub matches: u32,
    /// Inode number of the network namespace whose interfaces are watched.
    pub netns: u32,
    /// Index of the loopback interface, which has two ends here.
    pub loopback: u32,
    /// 1 to mark the sockets of one control group with [`PROOF_IN_GROUP`](super::PROOF_IN_GROUP), else 0.
    pub marks_group: u32,
    #[doc(hidden)]
    pub pad: u32,
    /// Random, so that no peer can aim at a slot of the table of watched flows.
    pub seed: u64,
    /// ID of that control group (`kernfs_node.id`).
    pub group: u64,
    /// Length of a jiffy in nanoseconds; 0 if unknown.
    pub jiffy_ns: u64,
    /// Device of the PID namespace that numbers processes.
    pub pid_ns_device: u64,
    /// Its inode number; 0 for the host's.
    pub pid_ns_inode: u64,
    /// A bit for each number of `enum skb_drop_reason` for which dropped segments are recorded.
    pub drop_reasons: [u64; DROP_REASONS as usize / 64],
}

impl Config {
    /// The contents of the object file, which user space overrides.
    pub const EMPTY: Self = Self {
        socket: SocketLayout::EMPTY,
        hints: HintLayout::EMPTY,
        drops: DropLayout::EMPTY,
        holders: HolderLayout::EMPTY,
        tracepoint: TracepointLayout::EMPTY,
        has_reset_reason: 0,
        segments: SEGMENTS_CONTROL,
        matches: 0,
        netns: 0,
        loopback: 0,
        marks_group: 0,
        pad: 0,
        seed: 0,
        group: 0,
        jiffy_ns: 0,
        pid_ns_device: 0,
        pid_ns_inode: 0,
        drop_reasons: [0; DROP_REASONS as usize / 64],
    };
}
