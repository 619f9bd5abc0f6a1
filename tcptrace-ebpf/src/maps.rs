//! All maps and settings except the table of watched flows.

use aya_ebpf::{
    macros::map,
    maps::{Array, HashMap, LpmTrie, PerCpuArray, RingBuf, lpm_trie::Key},
};
use tcptrace_ebpf::{
    Config, LOST_SOURCES, MATCH_NETNS, PENDING_SOCKETS, PORT_WORDS, Skip, StateRecord, filter::Lists,
    seen_changes::SeenChanges,
};

use crate::kernel_memory::ScratchUser;

/// The settings, which user space fills in before it loads the programs.
#[unsafe(no_mangle)]
pub(crate) static CONFIG: Config = Config::EMPTY;

/// Reads a setting. The read is volatile, since the compiler would otherwise take the values in the object file as
/// final.
macro_rules! setting {
    ($($field:ident).+) => {
        $crate::maps::read_setting(&raw const $crate::maps::CONFIG.$($field).+)
    };
}
pub(crate) use setting;

/// The function behind `setting!`.
#[inline(always)]
pub(crate) fn read_setting<T: Copy>(field: *const T) -> T {
    // SAFETY: `setting!` passes a field of a static.
    unsafe { field.read_volatile() }
}

/// One ring for all programs, so that the order of reservation is the order of events.
#[map]
pub(crate) static EVENTS: RingBuf = RingBuf::with_byte_size(16 << 20, 0);

/// Not 0 while user space polls the ring and need not be woken.
#[map]
pub(crate) static AWAKE: Array<u32> = Array::with_max_entries(1, 0);

/// Number of records lost because the ring was full, by source.
#[map]
pub(crate) static LOST: Array<u64> = Array::with_max_entries(LOST_SOURCES, 0);

/// Counts of skipped frames, by reason.
#[map]
pub(crate) static SKIPPED: PerCpuArray<u64> = PerCpuArray::with_max_entries(Skip::ALL.len() as u32, 0);

/// Three port bitmaps.
#[map]
pub(crate) static PORTS: Array<u64> = Array::with_max_entries(3 * PORT_WORDS, 0);

/// Addresses that match: a word whose first byte is the family, so that `::/0` is no IPv4 address, then 16 bytes.
#[map]
pub(crate) static HOSTS: LpmTrie<[u64; 3], u8> = LpmTrie::with_max_entries(1024, 0);

/// Interfaces that match, by index.
#[map]
pub(crate) static INTERFACES: HashMap<u32, u8> = HashMap::with_max_entries(1024, 0);

/// Network namespaces that match, by inode number.
#[map]
pub(crate) static NETNS: HashMap<u32, u8> = HashMap::with_max_entries(1024, 0);

/// State changes that match or not depending on a port or a peer that the socket does not have yet, by socket.
#[map]
pub(crate) static PENDING: HashMap<u64, StateRecord> = HashMap::with_max_entries(PENDING_SOCKETS, 0);

/// The state changes that the first of the two programs has seen and the second has not.
#[map]
pub(crate) static SEEN: PerCpuArray<SeenChanges> = PerCpuArray::with_max_entries(1, 0);

/// Places where programs turn pointers into numbers: Linux 5.10 refuses a pointer on the stack as a map key.
#[map]
pub(crate) static SCRATCH: PerCpuArray<u64> = PerCpuArray::with_max_entries(ScratchUser::COUNT, 0);

/// Returns true if sockets of this namespace match.
#[inline(always)]
pub(crate) fn matches_netns(netns: u32) -> bool {
    // SAFETY: the value is not looked at.
    setting!(matches) & MATCH_NETNS == 0 || unsafe { NETNS.get(&netns) }.is_some()
}

/// The filter's lists, in the maps.
#[derive(Clone, Copy)]
pub(crate) struct FilterMaps;

impl Lists for FilterMaps {
    #[inline(always)]
    fn matches(&self) -> u32 {
        setting!(matches)
    }

    #[inline(always)]
    fn port_word(&self, index: u32) -> u64 {
        PORTS.get(index).copied().unwrap_or(0)
    }

    #[inline(always)]
    fn has_host(&self, key: [u64; 3]) -> bool {
        HOSTS.get(&Key::new(24 * 8, key)).is_some()
    }

    #[inline(always)]
    fn has_interface(&self, ifindex: u32) -> bool {
        // SAFETY: the value is not looked at.
        unsafe { INTERFACES.get(&ifindex) }.is_some()
    }
}
