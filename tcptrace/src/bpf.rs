//! The kernel programs, from user space: loading and attaching them, draining their ring, and reading their counters of lost
//! events and skipped frames. Connections are unknown here.

mod drop_program;
mod error;
mod held_sockets;
mod hint_programs;
pub mod kernel;
mod loading;
pub mod maps;
mod object;
mod program_log;
mod state_programs;
pub mod tc;

pub use drop_program::Drops;
pub use error::LoadError;
pub use held_sockets::HeldSockets;
pub use hint_programs::Hints;
pub use kernel::{
    features::{Survey, has_tcx},
    program_info::ProgramInfo,
};
pub use maps::{
    loss_counters::LossCounters,
    pending_states::Pending,
    ring::Ring,
    skip_counters::{SkipCounters, Skipped},
};
pub use object::{LoadSettings, Object};
pub use program_log::ProgramLog;
pub use state_programs::SocketAccess;
pub use tc::attach::{AttachMode, Attachments};
