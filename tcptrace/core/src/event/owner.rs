//! Who holds sockets: found out, not seen.

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

/// Where an owner is known from.
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

/// Who holds a connection's socket in this namespace.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SocketOwner {
    /// When it was told.
    pub at: BootTime,
    /// When the kernel was asked: a connection that began later is another.
    pub asked: BootTime,
    /// Nothing of the connection has shown yet: what is known between the same ends is another.
    pub early: bool,
    /// Its own end.
    pub local: Endpoint,
    /// The other end.
    pub remote: Endpoint,
    /// The process, where it is the only one.
    pub process: Option<Process>,
    /// Where that is known from.
    pub source: OwnerSource,
}

/// Who holds the sockets that listen at an address and port of this namespace.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ListenerOwner {
    /// When it was told.
    pub at: BootTime,
    /// When the kernel was asked: what began to listen by then is counted, what did later may be or not.
    pub asked: BootTime,
    /// Where they listen.
    pub local: Endpoint,
    /// How many sockets do: several with `SO_REUSEPORT`.
    pub sockets: u32,
    /// The process, where it is the only one.
    pub process: Option<Process>,
}
