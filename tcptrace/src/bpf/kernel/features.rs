//! Features of this kernel that can be found out without loading anything.

use std::{error::Error, io};

use aya::programs::{SchedClassifier, TcAttachType};

use super::{btf::KernelTypes, tracepoint_format};
use crate::{
    bpf::{drop_program, hint_programs::Available},
    causes::with_causes,
};
use tcptrace_core::event::reset_reason::ResetReasons;

/// Features according to the kernel's type information.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Survey {
    /// True if the tracepoint of state changes is among them.
    pub states: bool,
    /// The tracepoints that give hints, by their names.
    pub hints: Vec<&'static str>,
    /// True if they give the reason for a reset.
    pub reasons: bool,
    /// Number of reasons that the kernel may give for dropping a segment, or what it lacks to report dropped segments.
    pub drops: Result<usize, String>,
}

impl Survey {
    /// Reads the types.
    ///
    /// # Errors
    /// When they cannot be read, or lack what is needed to read sockets.
    pub fn of_types() -> io::Result<Self> {
        let types = KernelTypes::read().map_err(io::Error::other)?;
        types.socket_layout().map_err(io::Error::other)?;
        let (available, _) = Available::of(&types);
        let hints = available.programs.iter().map(|&(_, tracepoint)| tracepoint).collect();
        let drops = drop_program::Available::find(&types);
        Ok(Self {
            states: types.arguments(tracepoint_format::NAME).is_ok(),
            hints,
            reasons: available.reasons != ResetReasons::default(),
            drops: drops.map(|found| found.reasons.iter().count()).map_err(|error| with_causes(&error)),
        })
    }
}

/// Returns true if programs can be attached to interfaces as TCX links; `None` if this process may not ask.
pub fn has_tcx() -> Option<bool> {
    match SchedClassifier::query_tcx(c"lo", TcAttachType::Ingress) {
        Ok(_) => Some(true),
        Err(error) if says_not_permitted(&error) => None,
        Err(_) => Some(false),
    }
}

fn says_not_permitted(error: &(dyn Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.downcast_ref().is_some_and(|error: &io::Error| error.kind() == io::ErrorKind::PermissionDenied) {
            return true;
        }
        cause = error.source();
    }
    false
}
