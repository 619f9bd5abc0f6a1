//! The program of segments that the kernel drops. A kernel that gives no reasons (before 5.17) does not distinguish
//! them from other buffers that it frees: then the program is not loaded, and nothing else changes.

use aya::programs::raw_trace_point::RawTracePointLink;
use log::info;
use tcptrace_ebpf::{Config, DROP_REASONS, DropLayout, names};

use super::{
    hint_programs::attach_optional,
    kernel::btf::{BtfError, KernelTypes},
    object::Object,
};
use crate::causes::with_causes;
use tcptrace_core::event::DropReasons;

/// The tracepoint, as the kernel names it, and the types of the arguments that are read.
const TRACEPOINT: &str = "kfree_skb";
const ARGUMENTS: [&str; 3] = ["sk_buff", "", REASONS];
const REASONS: &str = "skb_drop_reason";

/// The types of this kernel that the program depends on.
#[derive(Debug)]
pub(super) struct Available {
    pub(super) layout: DropLayout,
    /// Names of the reasons for which dropped segments are recorded.
    pub(super) reasons: DropReasons,
}

impl Available {
    /// Looks in the kernel's types; `None` if the kernel gives no reasons.
    pub(super) fn of(types: &KernelTypes) -> Option<Self> {
        Self::find(types).inspect_err(|error| info!("dropped segments are not reported: {}", with_causes(error))).ok()
    }

    /// Looks in the kernel's types.
    ///
    /// # Errors
    /// When the kernel lacks the tracepoint's arguments or the reasons.
    pub(super) fn find(types: &KernelTypes) -> Result<Self, BtfError> {
        if types.arguments(TRACEPOINT)?.get(..ARGUMENTS.len()).is_none_or(|found| found != ARGUMENTS) {
            return Err(BtfError::Arguments(TRACEPOINT));
        }
        let members = types.enumerators(REASONS);
        let members = members.iter().map(|(name, number)| (name.as_str(), *number));
        let reasons = DropReasons::of_kernel(members.filter(|&(_, number)| number < DROP_REASONS));
        Ok(Self { layout: types.drop_layout()?, reasons })
    }

    /// The reasons as a set: bit N stands for the reason with number N.
    pub(super) fn reason_set(&self) -> [u64; Config::EMPTY.drop_reasons.len()] {
        let mut set = Config::EMPTY.drop_reasons;
        for (number, _) in self.reasons.iter() {
            if let Some(word) = set.get_mut(number as usize / 64) {
                *word |= 1 << (number % 64);
            }
        }
        set
    }
}

/// The program, if it is attached; dropping this detaches it.
#[derive(Default)]
pub struct Drops {
    link: Option<RawTracePointLink>,
}

impl std::fmt::Debug for Drops {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Drops").finish_non_exhaustive()
    }
}

impl Drops {
    /// Attaches the program, if this kernel gives reasons and accepts it.
    ///
    /// The kernel skips a run where an interrupt frees a buffer while the program handles another. Such runs are not
    /// counted as lost events, since nearly all of these buffers hold no matching segment.
    pub fn attach(object: &mut Object) -> Self {
        let attached = object.drops.is_some().then(|| attach_optional(object, names::DROP_SEGMENT, TRACEPOINT));
        Self { link: attached.flatten().map(|(link, _)| link) }
    }

    /// Returns true if the program runs.
    pub fn is_attached(&self) -> bool {
        self.link.is_some()
    }
}
