//! The programs of hints. If a kernel lacks the tracepoints, their description or an argument, there are fewer hints,
//! and nothing else changes.

use aya::programs::{RawTracePoint, raw_trace_point::RawTracePointLink};
use log::info;
use tcptrace_ebpf::{HintLayout, names};

use super::{
    error::refusal,
    kernel::{
        btf::{BtfError, KernelTypes},
        program_info::ProgramInfo,
    },
    object::Object,
};
use crate::causes::with_causes;
use tcptrace_core::event::reset_reason::ResetReasons;

/// The tracepoints, as the kernel names them.
const SEND_RESET: &str = "tcp_send_reset";
const RETRANSMIT_SYNACK: &str = "tcp_retransmit_synack";

/// Hints that this kernel can give: their programs, and the names of reasons.
#[derive(Debug, Default)]
pub(super) struct Available {
    /// Programs with their tracepoints.
    pub(super) programs: Vec<(&'static str, &'static str)>,
    /// True if the tracepoint of resets has the reason as an argument.
    pub(super) has_reset_reason: bool,
    /// Names of the reasons by their numbers.
    pub(super) reasons: ResetReasons,
}

impl Available {
    /// Finds the available hints in the kernel's types. Also returns the offsets that the programs need, if there are
    /// any hints.
    pub(super) fn of(types: &KernelTypes) -> (Self, Option<HintLayout>) {
        let expected = |tracepoint, arguments: &[&str]| {
            let found = types.arguments(tracepoint)?;
            let fits = found.iter().map(String::as_str).take(arguments.len()).eq(arguments.iter().copied());
            if fits { Ok(found) } else { Err(BtfError::Arguments(tracepoint)) }
        };
        let reset = found_or_logged(expected(SEND_RESET, &["sock", "sk_buff"]));
        let synack = found_or_logged(expected(RETRANSMIT_SYNACK, &["sock", "request_sock"]));
        let reason = reset.as_ref().and_then(|arguments| arguments.get(2)).filter(|name| *name == "sk_rst_reason");
        let Some(layout) = found_or_logged(types.hint_layout()) else { return (Self::default(), None) };
        let has_reset_reason = reason.is_some();
        let mut reasons = ResetReasons::default();
        if let Some(name) = reason {
            let members = types.enumerators(name);
            reasons = ResetReasons::of_kernel(members.iter().map(|(name, number)| (name.as_str(), *number)));
        }
        let reset = reset.map(|_| (names::SEND_RESET, SEND_RESET));
        let synack = synack.map(|_| (names::RETRANSMIT_SYNACK, RETRANSMIT_SYNACK));
        (Self { programs: reset.into_iter().chain(synack).collect(), has_reset_reason, reasons }, Some(layout))
    }
}

/// Returns what was found; an error goes to the log.
fn found_or_logged<T>(found: Result<T, BtfError>) -> Option<T> {
    found.inspect_err(|error| info!("hints are left out: {}", with_causes(error))).ok()
}

/// The attached programs; dropping this detaches them.
#[derive(Default)]
pub struct Hints {
    #[expect(dead_code, reason = "links are held for what dropping them does")]
    links: Vec<RawTracePointLink>,
}

impl std::fmt::Debug for Hints {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hints").finish_non_exhaustive()
    }
}

impl Hints {
    /// Attaches the programs that this kernel accepts. Also returns the kernel's information on each, like
    /// [`Object::attach_states`].
    pub fn attach(object: &mut Object) -> (Self, Vec<ProgramInfo>) {
        let (mut links, mut files) = (Vec::new(), Vec::new());
        for (name, tracepoint) in object.hints.programs.clone() {
            if let Some((link, file)) = attach_optional(object, name, tracepoint) {
                links.push(link);
                files.extend(file);
            }
        }
        (Self { links }, files)
    }
}

/// Attaches a program; `None` if the kernel refuses it, which is logged.
pub(super) fn attach_optional(
    object: &mut Object,
    name: &str,
    tracepoint: &str,
) -> Option<(RawTracePointLink, Option<ProgramInfo>)> {
    let refused = |error: &dyn std::error::Error| info!("the kernel refused the program {name}: {}", refusal(error));
    let program: &mut RawTracePoint = object.ebpf.program_mut(name)?.try_into().inspect_err(|e| refused(e)).ok()?;
    let id = program.attach(tracepoint).inspect_err(|e| refused(e)).ok()?;
    let link = program.take_link(id).inspect_err(|e| refused(e)).ok()?;
    Some((link, ProgramInfo::of(program.fd())))
}
