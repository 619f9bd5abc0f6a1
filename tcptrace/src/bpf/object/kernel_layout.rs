//! Facts about the running kernel with which the programs are loaded: offsets from its types or, without these, from
//! the tracepoint's description.

use log::info;
use tcptrace_ebpf::{ABSENT, Config, SocketLayout, TracepointLayout};

use crate::{
    bpf::{
        drop_program,
        error::LoadError,
        held_sockets, hint_programs,
        kernel::{
            btf::{AttachTarget, BtfError, KernelTypes},
            tracefs::with_tracefs,
            tracepoint_format::{self, CATEGORY, NAME},
        },
    },
    causes::with_causes,
};

/// The tracepoint of state changes.
pub(super) const STATES: AttachTarget = AttachTarget::Tracepoint(NAME);

/// Returns the length of a jiffy in nanoseconds, by which the coarse clocks advance (`KTIME_LOW_RES` of
/// include/linux/hrtimer.h).
pub(super) fn jiffy_ns() -> u64 {
    let resolution = rustix::time::clock_getres(rustix::time::ClockId::MonotonicCoarse);
    u64::try_from(resolution.tv_nsec).unwrap_or(0)
}

/// Sets the offsets and properties that the kernel's types give, and finds out which hints and drops it can report.
/// Returns what programs with typed arguments can attach to, with the numbers of the types.
pub(super) fn use_types(
    config: &mut Config,
    hints: &mut hint_programs::Available,
    drops: &mut Option<drop_program::Available>,
) -> Result<Vec<(AttachTarget, u32)>, BtfError> {
    let types = KernelTypes::read()?;
    config.socket = types.socket_layout()?;
    let (available, layout) = hint_programs::Available::of(&types);
    config.has_reset_reason = u32::from(available.has_reset_reason);
    if let Some(layout) = layout {
        config.hints = layout;
        // The program of drops also reads buffers at these offsets.
        *drops = drop_program::Available::of(&types);
    }
    if let Some(available) = drops {
        (config.drops, config.drop_reasons) = (available.layout, available.reason_set());
    }
    *hints = available;
    let mut targets = Vec::new();
    match types.attach_type(STATES) {
        Ok(number) => targets.push((STATES, number)),
        Err(error) => info!("sockets are read through a helper: {}", with_causes(&error)),
    }
    let SocketLayout { group_leader, task_comm, .. } = config.socket;
    let names_processes = [group_leader, task_comm].iter().all(|&offset| offset != ABSENT);
    match types.holder_layout().and_then(|layout| Ok((layout, types.attach_type(held_sockets::TARGET)?))) {
        Ok((layout, number)) if names_processes => {
            config.holders = layout;
            targets.push((held_sockets::TARGET, number));
        }
        Ok(_) => {}
        Err(error) => info!("the owners of sockets are looked up in /proc: {}", with_causes(&error)),
    }
    Ok(targets)
}

/// Reads the layout of the tracepoint's record from tracefs. `no_btf` is the reason why there are no types.
pub(super) fn read_format(no_btf: &str) -> Result<TracepointLayout, LoadError> {
    let no_states = |tracepoint: String| LoadError::NoStates { raw: no_btf.to_owned(), tracepoint };
    let text = with_tracefs(|tracefs| {
        let file = tracefs.join("events").join(CATEGORY).join(NAME).join("format");
        std::fs::read_to_string(&file).map_err(|error| format!("{} cannot be read: {error}", file.display()))
    });
    let text = text.map_err(|error| no_states(format!("tracefs cannot be mounted: {error}")))?.map_err(no_states)?;
    tracepoint_format::layout(&text).map_err(|error| no_states(error.to_string()))
}
