//! Processes that hold sockets, as they were looked up rather than observed.

use strum::IntoStaticStr;

use super::{BootTime, Comm, Endpoint, Task};

/// A process.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Process {
    /// Thread group.
    pub pid: u32,
    /// The name of one of its threads: of the one that acted, or of the first.
    pub comm: Comm,
}

impl From<Task> for Process {
    fn from(task: Task) -> Self {
        Self { pid: task.pid, comm: task.comm }
    }
}

/// Source of the knowledge of an owner.
#[derive(Clone, Copy, Debug, Eq, IntoStaticStr, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize), serde(rename_all = "snake_case"))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(test, derive(strum::EnumIter))]
#[strum(serialize_all = "snake_case")]
pub enum OwnerSource {
    /// A change of the socket's state ran in the process.
    Event,
    /// The kernel was asked who holds the socket.
    SockDiag,
    /// It is the process of the listener, which stands for whoever accepts the connection.
    Listener,
}

/// The process that holds a connection's socket in this namespace.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SocketOwner {
    /// Time at which the answer arrived.
    pub at: BootTime,
    /// Time of the request to the kernel: a connection that began later is another one.
    pub asked: BootTime,
    /// The connection had not been observed yet; a known one between the same ends is another.
    pub early: bool,
    /// Its own end.
    pub local: Endpoint,
    /// The other end.
    pub remote: Endpoint,
    /// The process, where it is the only one.
    pub process: Option<Process>,
    /// Source of this knowledge.
    pub source: OwnerSource,
}

/// The process that holds the sockets listening at an address and port of this namespace.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ListenerOwner {
    /// Time at which the answer arrived.
    pub at: BootTime,
    /// Time of the request to the kernel: sockets that began to listen by then are counted, later ones may be.
    pub asked: BootTime,
    /// Address and port they listen at.
    pub local: Endpoint,
    /// Number of such sockets; several with `SO_REUSEPORT`.
    pub sockets: u32,
    /// The process, where it is the only one.
    pub process: Option<Process>,
}
