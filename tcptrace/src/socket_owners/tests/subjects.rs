//! The sockets and processes that the tests scan, and what a scan should find of them.

use std::{
    net::{SocketAddr, TcpListener, TcpStream},
    os::fd::OwnedFd,
    process::{Child, Command},
    thread,
};

use tcptrace_core::{
    event::{BootTime, Endpoint},
    tcp::TcpState,
};

use crate::{
    host_clock,
    socket_owners::{FourTuple, OwnedSocket, Snapshot, scan::Scan, scan_schedule::Job},
};

pub(super) fn endpoint(addr: SocketAddr) -> Endpoint {
    Endpoint { addr: addr.ip().to_canonical(), port: addr.port() }
}

/// A listener, and both ends of a connection to it.
pub(super) struct Connection {
    pub(super) listener: TcpListener,
    pub(super) client: TcpStream,
    pub(super) server: TcpStream,
}

impl Connection {
    pub(super) fn open(addr: &str) -> Self {
        let listener = TcpListener::bind(addr).unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, _) = listener.accept().unwrap();
        Self { listener, client, server }
    }

    pub(super) fn client(&self) -> FourTuple {
        ends_of(&self.client)
    }

    pub(super) fn server(&self) -> FourTuple {
        ends_of(&self.server)
    }
}

pub(super) fn ends_of(stream: &TcpStream) -> FourTuple {
    FourTuple { local: endpoint(stream.local_addr().unwrap()), remote: endpoint(stream.peer_addr().unwrap()) }
}

pub(super) fn connections(ends: &[FourTuple], likely: &[u32]) -> Job {
    Job::Connections { tuples: ends.iter().copied().collect(), likely: likely.iter().copied().collect() }
}

pub(super) fn scan(job: &Job) -> Snapshot {
    Scan::open(None).unwrap().run(job, BootTime(1)).unwrap()
}

/// Scans until the result is as expected: while another test starts a child, that holds everything of this process for a
/// moment, and the other end of a connection takes a moment to notice what this end did.
#[track_caller]
pub(super) fn eventually(job: &Job, expected: impl Fn(&Snapshot) -> bool) -> Snapshot {
    let began = host_clock::now();
    let mut scanner = Scan::open(None).unwrap();
    loop {
        let snapshot = scanner.run(job, BootTime(1)).unwrap();
        if expected(&snapshot) {
            return snapshot;
        }
        assert!(host_clock::now().since(began) < 10_000_000_000, "{snapshot:#?}");
        thread::yield_now();
    }
}

pub(super) fn socket(snapshot: &Snapshot, ends: FourTuple) -> Option<&OwnedSocket> {
    let mut sockets = snapshot.sockets.iter();
    let found = sockets.find(|owned| owned.socket.local == ends.local && owned.socket.remote == ends.remote);
    assert!(!sockets.any(|owned| Some(owned) == found), "listed twice: {found:?}");
    found
}

pub(super) fn pids(owned: &OwnedSocket) -> Vec<u32> {
    owned.owners.iter().map(|owner| owner.pid).collect()
}

/// Returns true if there is a socket with these ends, in this state, held by these processes.
pub(super) fn is(snapshot: &Snapshot, ends: FourTuple, state: TcpState, owners: &[u32]) -> bool {
    socket(snapshot, ends).is_some_and(|owned| owned.socket.state == state && pids(owned) == owners)
}

pub(super) fn listening(listener: &TcpListener) -> FourTuple {
    let local = endpoint(listener.local_addr().unwrap());
    let unspecified = if local.addr.is_ipv4() { "0.0.0.0" } else { "::" };
    FourTuple { local, remote: Endpoint { addr: unspecified.parse().unwrap(), port: 0 } }
}

/// A process that holds `fd` and is killed on drop.
pub(super) struct Holder(pub(super) Child);

impl Holder {
    pub(super) fn start(fd: impl Into<OwnedFd>) -> Self {
        Self(Command::new("sleep").arg("60").stdin(fd.into()).spawn().unwrap())
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(super) fn me() -> u32 {
    std::process::id()
}
