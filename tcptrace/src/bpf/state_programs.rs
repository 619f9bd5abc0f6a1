//! The programs that see state changes: their kinds, and how they are attached.

use aya::{
    Ebpf,
    programs::{
        Program, ProgramError, RawTracePoint, TracePoint, raw_trace_point::RawTracePointLink,
        tp_btf::BtfTracePointLink, trace_point::TracePointLink,
    },
};
use tcptrace_ebpf::names;

use super::{
    error::{LoadError, missing, refusal},
    kernel::{
        program_info::ProgramInfo,
        tracefs::with_tracefs,
        tracepoint_format::{CATEGORY, NAME},
    },
};

/// The way in which the programs access a socket. There is a kind of program for each.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SocketAccess {
    /// By loads that the verifier checks against the kernel's types (since 5.15, with BTF).
    Typed,
    /// By a helper, at offsets from the kernel's types (BTF).
    Untyped,
    /// Not at all: they use the tracepoint's own fields.
    Fields,
}

impl SocketAccess {
    /// Returns the programs of this kind in the order in which they must be attached: the kernel runs them in that
    /// order, and the first leaves marks for the second.
    pub(super) const fn programs(self) -> &'static [&'static str] {
        match self {
            Self::Typed => &[names::SET_STATE_BTF, names::SET_STATE_BTF_2],
            Self::Untyped => &[names::SET_STATE, names::SET_STATE_2],
            Self::Fields => &[names::SET_STATE_TP],
        }
    }
}

/// The link of a program, which is detached when this is dropped.
#[expect(dead_code, reason = "links are held for what dropping them does")]
pub(super) enum StateLink {
    Typed(BtfTracePointLink),
    Raw(RawTracePointLink),
    Event(TracePointLink),
}

/// Attaches the program called `name`. Returns its link, and the kernel's information on it, if that can be read.
///
/// # Errors
/// When the kernel refuses it.
pub(super) fn attach(ebpf: &mut Ebpf, name: &'static str) -> Result<(StateLink, Option<ProgramInfo>), LoadError> {
    let refused = |cause| LoadError::Program { program: name, cause };
    let program = ebpf.program_mut(name).ok_or_else(|| refused(missing()))?;
    let link = match program {
        Program::TracePoint(program) => with_tracefs(|_| attach_to_event(program)).map_err(refused)?,
        _ => attach_to_function(program),
    };
    let link = link.map_err(|error| refused(refusal(&error)))?;
    Ok((link, ProgramInfo::of(program.fd())))
}

/// Attaches a program to the tracepoint's event, through tracefs.
fn attach_to_event(program: &mut TracePoint) -> Result<StateLink, ProgramError> {
    let id = program.attach(CATEGORY, NAME)?;
    program.take_link(id).map(StateLink::Event)
}

/// Attaches a program to the tracepoint itself, without tracefs.
fn attach_to_function(program: &mut Program) -> Result<StateLink, ProgramError> {
    if let Program::BtfTracePoint(program) = program {
        let id = program.attach()?;
        return program.take_link(id).map(StateLink::Typed);
    }
    let program: &mut RawTracePoint = program.try_into()?;
    let id = program.attach(NAME)?;
    program.take_link(id).map(StateLink::Raw)
}
