//! Loading the kernel programs, and attaching the one that sees state changes.

use std::{
    fs::File,
    hash::BuildHasher as _,
    io,
    os::fd::{AsFd as _, AsRawFd as _},
};

use aya::{
    Ebpf, EbpfLoader,
    maps::{Array, HashMap, LpmTrie, MapData, RingBuf, lpm_trie::Key},
    programs::{
        ProgramError, ProgramFd, RawTracePoint, TracePoint, raw_trace_point::RawTracePointLink,
        trace_point::TracePointLink,
    },
};
use log::{debug, warn};
use tcptrace_ebpf::{
    Config, MATCH_FAMILY_V4, MATCH_FAMILY_V6, MATCH_HOSTS, MATCH_INTERFACES, MATCH_LOCAL_PORTS, MATCH_PORTS,
    MATCH_REMOTE_PORTS, PORT_WORDS, PORTS_EITHER, PORTS_LOCAL, PORTS_REMOTE, SEGMENTS_CONTROL, TracepointLayout, names,
};
use zerocopy::IntoBytes as _;

use super::{
    btf::{BtfError, KernelTypes},
    hints,
    loss::LossCounters,
    messages::Messages,
    private_tracefs::with_tracefs,
    ring::Ring,
    tracepoint::{self, CATEGORY, NAME},
};
use crate::{
    filter::{Family, Filter, PortSet},
    reset_reason::ResetReasons,
};

/// The kernel programs, as the build script compiled them.
static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/tcptrace-bpf"));

/// Index of the loopback interface in every network namespace (include/net/flow.h, LOOPBACK_IFINDEX).
const LOOPBACK: u32 = 1;

/// Why tracing could not begin.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The object as a whole.
    #[error("the kernel refused the tracer's maps: {0}; `ulimit -l unlimited` helps on kernels before 5.11")]
    Object(aya::EbpfError),
    /// One program.
    #[error("the kernel refused the program {program}: {cause}; run with -v for what its verifier said")]
    Program {
        /// Its name.
        program: &'static str,
        /// What the kernel said.
        cause: io::Error,
    },
    /// Neither of the two ways to see state changes works.
    #[error("state changes cannot be traced: {raw}, and as for the tracepoint instead, {tracepoint}")]
    NoStates {
        /// Why not by the raw tracepoint.
        raw: String,
        /// Why not by the tracepoint.
        tracepoint: String,
    },
    /// A map of the object.
    #[error("the map {map} cannot be used: {cause}")]
    Map {
        /// Its name.
        map: &'static str,
        /// Why.
        cause: io::Error,
    },
}

/// What decides how the programs are loaded.
#[derive(Clone, Copy, Debug)]
pub struct LoadSettings<'a> {
    /// What matches.
    pub filter: &'a Filter,
    /// One of the `SEGMENTS_` constants.
    pub segments: u32,
    /// Size of the ring buffer in bytes, a power of two.
    pub ring_bytes: u32,
    /// Indices of the interfaces that the filter names.
    pub interfaces: &'a [u32],
    /// Inode number of this process's network namespace.
    pub netns: u32,
    /// Whether to read sockets at offsets from BTF.
    pub use_btf: bool,
    /// Whether the programs' own messages are wanted.
    pub verbose: bool,
}

/// The loaded programs.
pub struct Object {
    /// Programs, maps and links: all of it goes when this is dropped.
    pub(super) ebpf: Ebpf,
    /// Whether sockets are read at offsets from BTF, or only the tracepoint's own fields are known.
    pub btf: bool,
    /// Which hints there can be.
    pub(super) hints: hints::Available,
    ring_bytes: u32,
    /// Dropping it detaches.
    states: Option<States>,
}

/// The link of the program that sees state changes.
#[expect(dead_code, reason = "links are held for what dropping them does")]
enum States {
    Raw(RawTracePointLink),
    Tracepoint(TracePointLink),
}

impl std::fmt::Debug for Object {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Object").field("btf", &self.btf).finish_non_exhaustive()
    }
}

impl Object {
    /// Loads the programs. Nothing is attached yet.
    ///
    /// # Errors
    /// When the kernel refuses them.
    pub fn load(settings: &LoadSettings<'_>) -> Result<Self, LoadError> {
        let mut config = Config {
            segments: settings.segments,
            matches: match_bits(settings.filter),
            netns: settings.netns,
            loopback: LOOPBACK,
            seed: std::hash::RandomState::new().hash_one(OBJECT.len()),
            ..Config::EMPTY
        };
        let mut hints = hints::Available::default();
        let no_btf = if settings.use_btf {
            use_types(&mut config, &mut hints).err().map(|error| error.to_string())
        } else {
            Some("BTF is not wanted".to_owned())
        };
        if let Some(reason) = &no_btf {
            config.tracepoint = read_format(reason)?;
        }
        let mut object = Self {
            ebpf: open(settings, &config)?,
            btf: no_btf.is_none(),
            hints,
            ring_bytes: settings.ring_bytes,
            states: None,
        };
        object.fill_maps(settings)?;
        if let Some(reason) = no_btf {
            warn!(
                "{reason}: the tracepoint's own fields are used, which tell no network namespace and no error, and there are \
                 no hints"
            );
        }
        Ok(object)
    }

    /// Attaches the program that sees state changes. Returns its `/proc/self/fdinfo`, where the kernel counts how often it
    /// skipped the program, if that can be read.
    ///
    /// # Errors
    /// When the kernel refuses it.
    pub fn attach_states(&mut self) -> Result<Option<File>, LoadError> {
        let name = if self.btf { names::SET_STATE } else { names::SET_STATE_TP };
        let refused = |error: &dyn std::error::Error| LoadError::Program { program: name, cause: refusal(error) };
        let program = self.ebpf.program_mut(name).ok_or(LoadError::Program { program: name, cause: missing() })?;
        let fdinfo = if self.btf {
            let program: &mut RawTracePoint = program.try_into().map_err(|e| refused(&e))?;
            program.load().map_err(|e| refused(&e))?;
            let id = program.attach(NAME).map_err(|e| refused(&e))?;
            self.states = Some(States::Raw(program.take_link(id).map_err(|e| refused(&e))?));
            fdinfo(program.fd())
        } else {
            let program: &mut TracePoint = program.try_into().map_err(|e| refused(&e))?;
            program.load().map_err(|e| refused(&e))?;
            let attached = with_tracefs(|_| program.attach(CATEGORY, NAME).map_err(|e| refused(&e)));
            let id = attached.map_err(|cause| LoadError::Program { program: name, cause })??;
            self.states = Some(States::Tracepoint(program.take_link(id).map_err(|e| refused(&e))?));
            fdinfo(program.fd())
        };
        if fdinfo.is_none() {
            warn!("/proc/self/fdinfo cannot be read: state changes that the kernel skips will not be counted");
        }
        Ok(fdinfo)
    }

    /// Detaches the program that sees state changes.
    pub fn detach_states(&mut self) {
        self.states = None;
    }

    /// What the numbers of reasons mean that this kernel gives for resets.
    pub fn reset_reasons(&self) -> ResetReasons {
        self.hints.reasons.clone()
    }

    /// Takes the ring buffer.
    ///
    /// # Errors
    /// When it cannot be mapped or waited for.
    pub fn take_ring(&mut self) -> Result<Ring, LoadError> {
        let unusable = |cause| LoadError::Map { map: names::EVENTS, cause };
        let map = self.ebpf.take_map(names::EVENTS).ok_or_else(|| unusable(missing()))?;
        let ring = RingBuf::try_from(map).map_err(|e| unusable(io::Error::other(e)))?;
        Ring::new(ring, self.ring_bytes).map_err(unusable)
    }

    /// Takes the counters of what was lost.
    ///
    /// # Errors
    /// When they cannot be used.
    pub fn take_loss_counters(&mut self) -> Result<LossCounters, LoadError> {
        let unusable = |cause| LoadError::Map { map: names::LOST, cause };
        let map = self.ebpf.take_map(names::LOST).ok_or_else(|| unusable(missing()))?;
        let lost = Array::try_from(map).map_err(|e| unusable(io::Error::other(e)))?;
        Ok(LossCounters::new(lost))
    }

    /// The programs' own messages, for `-v`.
    pub fn messages(&mut self) -> Option<Messages> {
        Messages::of(&mut self.ebpf)
    }

    /// Tells the programs what the filter says.
    fn fill_maps(&mut self, settings: &LoadSettings<'_>) -> Result<(), LoadError> {
        let filter = settings.filter;
        let lists =
            [(PORTS_EITHER, &filter.ports), (PORTS_LOCAL, &filter.local_ports), (PORTS_REMOTE, &filter.remote_ports)];
        for (list, ports) in lists {
            if let Some(ports) = ports {
                self.fill_ports(list, ports).map_err(|cause| LoadError::Map { map: names::PORTS, cause })?;
            }
        }
        if let Some(hosts) = &filter.hosts {
            self.fill_hosts(hosts.keys()).map_err(|cause| LoadError::Map { map: names::HOSTS, cause })?;
        }
        self.fill_interfaces(settings.interfaces).map_err(|cause| LoadError::Map { map: names::INTERFACES, cause })
    }

    fn fill_ports(&mut self, list: u32, ports: &PortSet) -> io::Result<()> {
        let map = self.ebpf.map_mut(names::PORTS).ok_or_else(missing)?;
        let mut map: Array<&mut MapData, u64> = map.try_into().map_err(io::Error::other)?;
        for (word, bits) in (list * PORT_WORDS..).zip(ports.words()) {
            if bits != 0 {
                map.set(word, &bits, 0).map_err(io::Error::other)?;
            }
        }
        Ok(())
    }

    fn fill_hosts(&mut self, keys: impl Iterator<Item = (u32, [u8; 17])>) -> io::Result<()> {
        let map = self.ebpf.map_mut(names::HOSTS).ok_or_else(missing)?;
        let mut map: LpmTrie<&mut MapData, [u64; 3], u8> = map.try_into().map_err(io::Error::other)?;
        for (prefix, [family, address @ ..]) in keys {
            let mut data = [0_u64; 3];
            let (head, tail) = data.as_mut_bytes().split_at_mut(8);
            head[0] = family;
            tail.copy_from_slice(&address);
            // The family takes a word here, of which the key counts one byte.
            map.insert(&Key::new(prefix + 56, data), &1, 0).map_err(io::Error::other)?;
        }
        Ok(())
    }

    fn fill_interfaces(&mut self, interfaces: &[u32]) -> io::Result<()> {
        let map = self.ebpf.map_mut(names::INTERFACES).ok_or_else(missing)?;
        let mut map: HashMap<&mut MapData, u32, u8> = map.try_into().map_err(io::Error::other)?;
        interfaces.iter().try_for_each(|index| map.insert(index, &1, 0).map_err(io::Error::other))
    }

    /// Tells the programs that an interface the filter names has this index now.
    ///
    /// # Errors
    /// When the map is full.
    pub fn add_interface(&mut self, index: u32) -> Result<(), LoadError> {
        self.fill_interfaces(&[index]).map_err(|cause| LoadError::Map { map: names::INTERFACES, cause })
    }
}

/// Takes from the kernel's own types what the programs need to know.
fn use_types(config: &mut Config, hints: &mut hints::Available) -> Result<(), BtfError> {
    let types = KernelTypes::read()?;
    config.socket = types.socket_layout()?;
    let (available, layout) = hints::Available::of(&types);
    *hints = available;
    config.hints = layout.unwrap_or(config.hints);
    Ok(())
}

/// What the kernel tells of a program, for as long as it is open.
pub(super) fn fdinfo(program: Result<&ProgramFd, ProgramError>) -> Option<File> {
    let fd = program.ok()?.as_fd().as_raw_fd();
    File::open(format!("/proc/self/fdinfo/{fd}")).ok()
}

/// Opens the object: maps are made, programs are not loaded yet.
fn open(settings: &LoadSettings<'_>, config: &Config) -> Result<Ebpf, LoadError> {
    let hosts = settings.filter.hosts.as_ref().map_or(1, |hosts| hosts.keys().count());
    let pending = if config.matches == 0 { 1 } else { 16384 };
    let watched = if config.segments == SEGMENTS_CONTROL { 1 << 15 } else { 1 };
    let log_level = if settings.verbose { u8::MAX } else { 0 };
    // Before 5.11 maps count against this limit; where the capability to raise it is missing, that may still suffice.
    let unlimited = rustix::process::Rlimit { current: None, maximum: None };
    if let Err(error) = rustix::process::setrlimit(rustix::process::Resource::Memlock, unlimited) {
        debug!("the limit of locked memory stays as it is: {error}");
    }
    EbpfLoader::new()
        .override_global(names::CONFIG, config.as_bytes(), true)
        .override_global("AYA_LOG_LEVEL", &log_level, false)
        .map_max_entries(names::EVENTS, settings.ring_bytes)
        .map_max_entries(names::HOSTS, u32::try_from(hosts).unwrap_or(u32::MAX).max(1))
        .map_max_entries(names::PENDING, pending)
        .map_max_entries("WATCHED", watched)
        .load(OBJECT)
        .map_err(LoadError::Object)
}

/// The layout of the tracepoint's record.
fn read_format(no_btf: &str) -> Result<TracepointLayout, LoadError> {
    let no_states = |tracepoint: String| LoadError::NoStates { raw: no_btf.to_owned(), tracepoint };
    let text = with_tracefs(|tracefs| {
        let file = tracefs.join("events").join(CATEGORY).join(NAME).join("format");
        std::fs::read_to_string(&file).map_err(|error| format!("{} cannot be read: {error}", file.display()))
    });
    let text = text.map_err(|error| no_states(format!("tracefs cannot be mounted: {error}")))?.map_err(no_states)?;
    tracepoint::layout(&text).map_err(|error| no_states(error.to_string()))
}

/// The filters there are, as bits.
fn match_bits(filter: &Filter) -> u32 {
    let bits = [
        (filter.ports.is_some(), MATCH_PORTS),
        (filter.local_ports.is_some(), MATCH_LOCAL_PORTS),
        (filter.remote_ports.is_some(), MATCH_REMOTE_PORTS),
        (filter.hosts.is_some(), MATCH_HOSTS),
        (filter.family == Some(Family::V4), MATCH_FAMILY_V4),
        (filter.family == Some(Family::V6), MATCH_FAMILY_V6),
        (!filter.interfaces.is_empty(), MATCH_INTERFACES),
    ];
    bits.iter().filter(|(wanted, _)| *wanted).fold(0, |all, (_, bit)| all | bit)
}

/// What the kernel said about a program: the innermost error in one line, and the verifier's words at debug level only.
pub(super) fn refusal(error: &dyn std::error::Error) -> io::Error {
    debug!("{error}");
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    let line = innermost.to_string();
    io::Error::other(line.lines().next().unwrap_or_default().to_owned())
}

/// The object does not hold what it should: it was not built from this source.
pub(super) fn missing() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "it is not in the object file")
}

#[cfg(test)]
mod tests;
