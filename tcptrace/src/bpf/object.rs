//! Loading the kernel programs, and attaching those that see state changes.

mod kernel_layout;
mod maps;

use std::hash::BuildHasher as _;

use aya::{Ebpf, EbpfLoader};
use log::{debug, info, warn};
use tcptrace_ebpf::{
    ABSENT, Config, MATCH_NETNS, PENDING_SOCKETS, SEGMENTS_CONTROL, SEGMENTS_NONE, SocketLayout, WATCHED_BUCKETS, names,
};
use zerocopy::IntoBytes as _;

use self::kernel_layout::{STATES, jiffy_ns, read_format, use_types};
use super::{
    drop_program,
    error::{LoadError, refusal},
    held_sockets::{self, HeldSockets},
    hint_programs,
    kernel::{btf::AttachTarget, program_info::ProgramInfo},
    loading,
    maps::filters::match_bits,
    program_log::ProgramLog,
    state_programs::{self, SocketAccess, StateLink},
};
use crate::{causes::with_causes, pid_namespace::PidNamespace};
use tcptrace_core::{event::KernelReasons, filter::Filter};

/// The kernel programs, as the build script compiled them.
static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/tcptrace-bpf"));

/// Index of the loopback interface in every network namespace (include/net/flow.h, LOOPBACK_IFINDEX).
const LOOPBACK: u32 = 1;

/// Settings that decide how the programs are loaded.
#[derive(Clone, Copy, Debug)]
pub struct LoadSettings<'a> {
    /// The filter.
    pub filter: &'a Filter,
    /// One of the `SEGMENTS_` constants.
    pub segments: u32,
    /// Size of the ring buffer in bytes, a power of two.
    pub ring_bytes: u32,
    /// Indices of the interfaces that the filter names.
    pub interfaces: &'a [u32],
    /// Inode number of this process's network namespace.
    pub netns: u32,
    /// Inode numbers of the network namespaces whose sockets are traced; `None` for all.
    pub namespaces: Option<&'a [u32]>,
    /// The PID namespace that numbers processes, unless it is the host's.
    pub(crate) pid_namespace: Option<PidNamespace>,
    /// The best way of accessing sockets that the programs of state changes may try.
    pub access: SocketAccess,
    /// True to let the kernel list the sockets that processes hold, with process IDs of the host's PID namespace.
    pub lists_holders: bool,
    /// ID of a control group whose sockets are marked, where the kernel's types allow it.
    pub group: Option<u64>,
    /// True if the programs' own messages are wanted.
    pub verbose: bool,
}

/// The loaded programs.
pub struct Object {
    /// Programs and maps, which the kernel frees when this is dropped.
    pub(super) ebpf: Ebpf,
    /// The way in which the programs of state changes access sockets.
    access: SocketAccess,
    /// True if the records of segments have the network namespace of their interface.
    pub tells_netns: bool,
    /// True if sockets of the control group are marked.
    pub marks_group: bool,
    /// Hints that this kernel can give.
    pub(super) hints: hint_programs::Available,
    /// Layout and reasons for the program of dropped segments, if this kernel gives reasons.
    pub(super) drops: Option<drop_program::Available>,
    /// True if the kernel lists the sockets that processes hold.
    lists_holders: bool,
    ring_bytes: u32,
    /// Links of the programs that see state changes; dropping one detaches its program.
    states: Vec<StateLink>,
}

impl std::fmt::Debug for Object {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Object").field("access", &self.access).finish_non_exhaustive()
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
            matches: match_bits(settings.filter) | settings.namespaces.map_or(0, |_| MATCH_NETNS),
            netns: settings.netns,
            loopback: LOOPBACK,
            seed: std::hash::RandomState::new().hash_one(OBJECT.len()),
            jiffy_ns: jiffy_ns(),
            ..Config::EMPTY
        };
        if let Some(PidNamespace { device, inode }) = settings.pid_namespace {
            (config.pid_ns_device, config.pid_ns_inode) = (device, inode);
        }
        let mut hints = hint_programs::Available::default();
        let mut drops = None;
        let types = if settings.access == SocketAccess::Fields {
            Err("BTF is not wanted".to_owned())
        } else {
            use_types(&mut config, &mut hints, &mut drops).map_err(|error| with_causes(&error))
        };
        if let Err(reason) = &types {
            config.tracepoint = read_format(reason)?;
        }
        let SocketLayout { cgroup, cgroup_kn, kn_id, .. } = config.socket;
        if let Some(group) = settings.group
            && [cgroup, cgroup_kn, kn_id].iter().all(|&offset| offset != ABSENT)
        {
            (config.marks_group, config.group) = (1, group);
        }
        let mut targets = types.as_ref().cloned().unwrap_or_default();
        targets.retain(|&(target, _)| target != STATES || settings.access == SocketAccess::Typed);
        targets.retain(|&(target, _)| target != held_sockets::TARGET || settings.lists_holders);
        let has = |wanted: AttachTarget| targets.iter().any(|&(target, _)| target == wanted);
        let access = match types {
            Err(_) => SocketAccess::Fields,
            Ok(_) if has(STATES) => SocketAccess::Typed,
            Ok(_) => SocketAccess::Untyped,
        };
        let mut object = Self {
            marks_group: config.marks_group != 0,
            ebpf: open(settings, &config)?,
            access,
            tells_netns: config.hints.dev != ABSENT,
            hints,
            drops,
            lists_holders: has(held_sockets::TARGET),
            ring_bytes: settings.ring_bytes,
            states: Vec::new(),
        };
        object.fill_maps(settings)?;
        object.load_programs(settings.segments != SEGMENTS_NONE, &targets)?;
        if let Err(reason) = types {
            warn!(
                "{reason}: the tracepoint's own fields are used, which have neither the network namespace nor the error, and \
                 there are no hints"
            );
        }
        Ok(object)
    }

    /// Has the kernel verify the programs that will be used. If it refuses programs of hints, drops or holders, these
    /// are left out, which is logged. If it refuses those of state changes that load from sockets, those that read
    /// through a helper take their place.
    fn load_programs(&mut self, segments: bool, targets: &[(AttachTarget, u32)]) -> Result<(), LoadError> {
        let classifiers: &[_] = if segments { &[names::TC_INGRESS, names::TC_EGRESS] } else { &[] };
        let hints: Vec<_> = self.hints.programs.iter().map(|&(name, _)| name).collect();
        let drops: &[_] = if segments && self.drops.is_some() { &[names::DROP_SEGMENT] } else { &[] };
        let holders: &[_] = if self.lists_holders { &[names::HELD_SOCKETS] } else { &[] };
        let wanted = [self.access.programs(), classifiers, &hints, drops, holders].concat();
        let typed = SocketAccess::Typed.programs();
        for (program, loaded) in loading::load(&mut self.ebpf, &wanted, targets) {
            let Err(cause) = loaded else { continue };
            if ![&hints, drops, typed, holders].iter().any(|optional| optional.contains(&program)) {
                return Err(LoadError::Program { program, cause });
            }
            info!("the kernel refused the program {program}: {cause}");
            self.hints.programs.retain(|&(name, _)| name != program);
            self.drops.take_if(|_| drops.contains(&program));
            self.lists_holders &= !holders.contains(&program);
            if typed.contains(&program) {
                self.access = SocketAccess::Untyped;
            }
        }
        let instead: Vec<_> = self.access.programs().iter().copied().filter(|name| !wanted.contains(name)).collect();
        for (program, loaded) in loading::load(&mut self.ebpf, &instead, &[]) {
            loaded.map_err(|cause| LoadError::Program { program, cause })?;
        }
        Ok(())
    }

    /// Returns true if the kernel's types are known; otherwise only the tracepoint's own fields are.
    pub fn has_types(&self) -> bool {
        self.access != SocketAccess::Fields
    }

    /// Attaches the programs that see state changes. Returns the kernel's information on each, if it can be read.
    ///
    /// # Errors
    /// When the kernel refuses them.
    pub fn attach_states(&mut self) -> Result<Vec<ProgramInfo>, LoadError> {
        let mut programs = Vec::new();
        for name in self.access.programs() {
            let (link, info) = state_programs::attach(&mut self.ebpf, name)?;
            self.states.push(link);
            if info.is_none() {
                warn!("/proc/self/fdinfo cannot be read: state changes that the kernel skips will not be counted");
            }
            programs.extend(info);
        }
        Ok(programs)
    }

    /// Detaches the programs that see state changes.
    pub fn detach_states(&mut self) {
        self.states.clear();
    }

    /// Names of this kernel's reasons for resets and drops, by number.
    pub fn reasons(&self) -> KernelReasons {
        let drops = self.drops.as_ref().map(|available| available.reasons.clone());
        KernelReasons { resets: self.hints.reasons.clone(), drops: drops.unwrap_or_default() }
    }

    /// The kernel's list of the sockets that processes hold, if it has one.
    pub fn held_sockets(&mut self) -> Option<HeldSockets> {
        if self.lists_holders { HeldSockets::of(self) } else { None }
    }

    /// The programs' own messages, for `-v`.
    pub fn messages(&mut self) -> Option<ProgramLog> {
        ProgramLog::of(&mut self.ebpf)
    }
}

/// Opens the object file: creates its maps, but does not load programs yet.
fn open(settings: &LoadSettings<'_>, config: &Config) -> Result<Ebpf, LoadError> {
    let hosts = settings.filter.hosts.as_ref().map_or(1, |hosts| hosts.keys().count());
    let pending = if config.matches == 0 { 1 } else { PENDING_SOCKETS };
    let watched = if config.segments == SEGMENTS_CONTROL { WATCHED_BUCKETS } else { 1 };
    let log_level = if settings.verbose { u8::MAX } else { 0 };
    // Before 5.11 maps count against this limit. Without the capability to raise it, it may be sufficient all the same.
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
        .map_max_entries(names::WATCHED, watched)
        .load(OBJECT)
        .map_err(|error| LoadError::Object(refusal(&error)))
}

#[cfg(test)]
mod tests;
