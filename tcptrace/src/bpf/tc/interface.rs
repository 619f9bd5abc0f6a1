//! The network interfaces that the TC programs are attached to.

/// A network interface.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Interface {
    /// Index in this network namespace.
    pub index: u32,
    /// Name, which may change.
    pub name: String,
    /// The interface is up (`IFF_UP`).
    pub up: bool,
    /// The interface is loopback (`IFF_LOOPBACK`).
    pub loopback: bool,
    /// The interface is a bridge, whose ports show again what goes out through it.
    pub bridge: bool,
    /// Packets of all protocols received and sent, by the interface's own counters. On loopback each packet counts once.
    pub packets: u64,
}
