//! Everything that talks to the kernel: loading the programs, attaching them, draining their ring, reading what they lost and
//! skipped. Nothing here knows what a connection is.

mod attach;
mod btf;
mod clsact;
mod error;
mod filters;
mod hints;
mod interfaces;
pub mod leftovers;
mod loss;
mod messages;
mod object;
mod owner;
mod pending;
mod private_tracefs;
mod program_info;
mod readiness;
mod ring;
mod skip_counters;
mod survey;
mod tracepoint;

pub use attach::{AttachMode, Attachments};
pub use error::{LoadError, with_causes};
pub use hints::Hints;
pub use interfaces::{Interface, InterfaceChange, Interfaces};
pub use loss::LossCounters;
pub use messages::Messages;
pub use object::{LoadSettings, Object};
pub use pending::Pending;
pub use program_info::ProgramInfo;
pub use ring::Ring;
pub use skip_counters::{SkipCounters, Skipped};
pub use survey::{Survey, has_tcx};
