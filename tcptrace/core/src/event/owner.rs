//! Processes that hold sockets, looked up rather than observed.

use strum::IntoStaticStr;

use super::{BootTime, Comm, Endpoint, Task};

/// A process.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Process {
    /// Thread group ID.
    pub pid: u32,
    /// Its name: that of its first thread.
    pub comm: Comm,
}

impl Process {
    /// Returns its name; `None` if only its ID is known, as of captures.
    pub fn name(&self) -> Option<Comm> {
        Some(self.comm).filter(|comm| !comm.bytes().is_empty())
    }
}

impl From<Task> for Process {
    fn from(task: Task) -> Self {
        Self { pid: task.pid, comm: task.comm }
    }
}

/// Source of the knowledge about an owner.
#[derive(Clone, Copy, Debug, Eq, IntoStaticStr, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize), serde(rename_all = "snake_case"))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(test, derive(strum::EnumIter))]
#[strum(serialize_all = "snake_case")]
pub enum OwnerSource {
    /// A state change of the socket ran in the process's context.
    Event,
    /// The kernel was asked for the socket's owner.
    SockDiag,
    /// The listener's process, assumed to be the one that accepts the connection.
    Listener,
    /// A capture names the process that sent a frame.
    Capture,
}

/// The process that holds a connection's socket.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SocketOwner {
    /// Time at which the answer arrived.
    pub at: BootTime,
    /// Time of the request to the kernel: a connection that began later is a different one.
    pub asked: BootTime,
    /// True if the connection had not been observed yet: a known one with the same ends is a different one.
    pub early: bool,
    /// Inode number of the socket's network namespace; none for the tracer's own.
    pub netns: Option<u32>,
    /// Local address and port.
    pub local: Endpoint,
    /// Remote address and port.
    pub remote: Endpoint,
    /// The process, if it is the only one.
    pub process: Option<Process>,
    /// Source of this knowledge.
    pub source: OwnerSource,
}

/// The process that holds the sockets listening at an address and port.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ListenerOwner {
    /// Time at which the answer arrived.
    pub at: BootTime,
    /// Time of the request to the kernel: sockets that began to listen by then are counted, later ones may be.
    pub asked: BootTime,
    /// Inode number of their network namespace; none for the tracer's own.
    pub netns: Option<u32>,
    /// Address and port they listen at.
    pub local: Endpoint,
    /// Number of such sockets; several with `SO_REUSEPORT`.
    pub sockets: u32,
    /// The process, if it is the only one.
    pub process: Option<Process>,
}
