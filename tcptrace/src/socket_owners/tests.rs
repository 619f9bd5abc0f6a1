//! Scans of real sockets: those of this process and of its children.

mod subjects;

use std::{
    fs,
    io::Read as _,
    net::{Shutdown, TcpListener, TcpStream},
    os::fd::{AsFd as _, OwnedFd},
    sync::Arc,
    thread,
    time::Duration,
};

use caps::CapSet;
use rustix::{
    io::Errno,
    net::{AddressFamily, SocketFlags, SocketType, connect, listen, socket_with},
};

use self::subjects::{
    Connection, Holder, connections, endpoint, ends_of, eventually, is, listening, me, pids, scan, socket,
};
use super::{scan_schedule::Job, *};
use crate::host_clock;
use tcptrace_core::{
    event::{AcceptQueue, Endpoint},
    tcp::TcpState::*,
};

/// An IPv4 socket, an IPv6 one, and an IPv6 socket that uses IPv4.
const FAMILIES: [&str; 3] = ["127.0.0.1:0", "[::1]:0", "[::ffff:127.0.0.1]:0"];

#[test]
fn everything_includes_a_listener_and_both_ends_of_a_connection() {
    for family in FAMILIES {
        let connection = Connection::open(family);
        let snapshot = eventually(&Job::Everything, |snapshot| {
            is(snapshot, listening(&connection.listener), Listen, &[me()])
                && is(snapshot, connection.client(), Established, &[me()])
                && is(snapshot, connection.server(), Established, &[me()])
        });
        let listener = socket(&snapshot, listening(&connection.listener)).unwrap();
        assert!(listener.socket.accepts(connection.server().local));
        let comm = fs::read("/proc/self/comm").unwrap();
        assert_eq!(listener.owners[0].comm.bytes(), comm.strip_suffix(b"\n").unwrap());
    }
}

#[test]
fn single_connections_are_found_alone() {
    for family in FAMILIES {
        let connection = Connection::open(family);
        let ends = [connection.client(), connection.server()];
        for likely in [&[][..], &[me()], &[1], &[u32::MAX]] {
            let snapshot = eventually(&connections(&ends, likely), |snapshot| {
                ends.iter().all(|&ends| is(snapshot, ends, Established, &[me()]))
            });
            assert_eq!(snapshot.sockets.len(), 2);
        }
    }
}

#[test]
fn no_other_process_is_looked_at_when_the_likely_one_holds_all() {
    let connection = Connection::open(FAMILIES[0]);
    let _other = Holder::start(connection.server.try_clone().unwrap());
    let snapshot = scan(&connections(&[connection.server()], &[me()]));
    assert_eq!(pids(&snapshot.sockets[0]), [me()]);
    assert!(!snapshot.hidden);
}

#[test]
fn a_connection_that_is_not_there_is_not_found_although_its_listener_is() {
    for family in FAMILIES {
        let connection = Connection::open(family);
        let FourTuple { local, remote } = connection.server();
        let none = FourTuple { local, remote: Endpoint { port: remote.port ^ 1, ..remote } };
        assert_eq!(scan(&connections(&[none], &[])).sockets, []);
    }
}

#[test]
fn a_socket_that_was_not_accepted_yet_belongs_to_nobody() {
    let listener = TcpListener::bind(FAMILIES[0]).unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let FourTuple { local, remote } = ends_of(&client);
    let server = FourTuple { local: remote, remote: local };
    let snapshot = eventually(&connections(&[server], &[]), |snapshot| is(snapshot, server, Established, &[]));
    assert_eq!(snapshot.sockets[0].socket.inode, None);
}

#[test]
fn closing_sockets_are_found_and_closed_ones_belong_to_nobody() {
    let Connection { client, mut server, .. } = Connection::open(FAMILIES[0]);
    let (client_ends, server_ends) = (ends_of(&client), ends_of(&server));
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(server.read(&mut [0]).unwrap(), 0);
    eventually(&connections(&[client_ends, server_ends], &[]), |snapshot| {
        is(snapshot, client_ends, FinWait2, &[me()]) && is(snapshot, server_ends, CloseWait, &[me()])
    });
    drop(client);
    for job in [Job::Everything, connections(&[client_ends], &[])] {
        let snapshot = eventually(&job, |snapshot| is(snapshot, client_ends, FinWait2, &[]));
        assert_eq!(socket(&snapshot, client_ends).unwrap().socket.inode, None);
    }
    drop(server);
    // Now one end is gone and the other is in TIME_WAIT.
    for job in [Job::Everything, connections(&[client_ends, server_ends], &[])] {
        eventually(&job, |snapshot| socket(snapshot, client_ends).or(socket(snapshot, server_ends)).is_none());
    }
}

#[test]
fn who_waits_for_an_answer_to_a_syn_is_found() {
    let listener = TcpListener::bind(FAMILIES[0]).unwrap();
    // The queue has room for one.
    listen(&listener, 0).unwrap();
    let addr = listener.local_addr().unwrap();
    let _first = TcpStream::connect(addr).unwrap();
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let second = TcpStream::from(socket_with(AddressFamily::INET, SocketType::STREAM, flags, None).unwrap());
    assert_eq!(connect(second.as_fd(), &addr), Err(Errno::INPROGRESS));
    let ends = FourTuple { local: endpoint(second.local_addr().unwrap()), remote: endpoint(addr) };
    for job in [Job::Everything, connections(&[ends], &[])] {
        eventually(&job, |snapshot| is(snapshot, ends, SynSent, &[me()]));
    }
}

#[test]
fn the_listener_that_does_not_answer_is_found_with_its_queue() {
    for family in FAMILIES {
        let listener = TcpListener::bind(family).unwrap();
        listen(&listener, 1).unwrap();
        let local = endpoint(listener.local_addr().unwrap());
        let ends = FourTuple { local, remote: Endpoint { port: 9, ..local } };
        let job = Job::Listeners([ends].into());
        let waiting = |length| Some(AcceptQueue { length, limit: 1 });
        let found = |length| {
            let expected = |snapshot: &Snapshot| matches!(snapshot.listeners[..], [(of, socket)] if of == ends && socket.queue == waiting(length));
            assert_eq!(eventually(&job, expected).sockets, [], "nobody was looked for");
        };
        found(0);
        let _first = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        found(1);
        let second = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        found(2);
        // A connected pair has no listener between its ends.
        let FourTuple { local, remote } = ends_of(&second);
        let taken = Job::Listeners([FourTuple { local: remote, remote: local }].into());
        assert_eq!(scan(&taken).listeners, []);
        drop(listener);
        assert_eq!(scan(&job).listeners, []);
    }
}

#[test]
fn two_processes_that_share_a_listener_both_own_it() {
    for family in FAMILIES {
        let listener = TcpListener::bind(family).unwrap();
        let other = Holder::start(listener.try_clone().unwrap());
        let mut owners = [me(), other.0.id()];
        owners.sort_unstable();
        let ends = listening(&listener);
        let snapshot = eventually(&Job::Everything, |snapshot| is(snapshot, ends, Listen, &owners));
        let names = socket(&snapshot, ends).unwrap().owners.iter().map(|owner| (owner.pid, owner.comm));
        assert!(names.into_iter().any(|(pid, comm)| pid == other.0.id() && comm.bytes() == b"sleep"));
    }
}

#[test]
fn a_process_that_holds_a_socket_twice_is_one_owner() {
    let connection = Connection::open(FAMILIES[0]);
    let _twice = connection.server.try_clone().unwrap();
    eventually(&connections(&[connection.server()], &[]), |snapshot| {
        is(snapshot, connection.server(), Established, &[me()])
    });
}

#[test]
fn without_rights_its_own_sockets_are_found_and_it_is_said_that_others_may_be_hidden() {
    let connection = Connection::open(FAMILIES[0]);
    let (client, server) = (connection.client(), connection.server());
    let other = Holder::start(OwnedFd::from(connection.server));
    let look = move || {
        let powerful = !caps::read(None, CapSet::Effective).unwrap().is_empty();
        // Capabilities belong to threads.
        caps::clear(None, CapSet::Effective).unwrap();
        // A child with rights that this thread lacks may not be inspected, any other may.
        let owners = if powerful { vec![] } else { vec![other.0.id()] };
        let snapshot = eventually(&connections(&[client, server], &[]), |snapshot| {
            is(snapshot, client, Established, &[me()]) && is(snapshot, server, Established, &owners)
        });
        assert!(snapshot.hidden || !powerful);
    };
    thread::spawn(look).join().unwrap();
}

#[tokio::test]
async fn the_scanner_answers_each_request_and_ends_when_it_is_dropped() {
    let connection = Connection::open(FAMILIES[0]);
    let mut scanner = Scanner::start(None).unwrap();
    let deadline = Duration::from_secs(30);
    scanner.request(Request::Everything);
    let snapshot = tokio::time::timeout(deadline, scanner.next()).await.unwrap();
    assert!(socket(&snapshot, listening(&connection.listener)).is_some());
    scanner.request(Request::Connections { tuples: vec![connection.client()], likely: vec![me()] });
    scanner.request(Request::Connections { tuples: vec![connection.server()], likely: vec![] });
    let mut found = Vec::new();
    while found.len() < 2 {
        found.extend(tokio::time::timeout(deadline, scanner.next()).await.unwrap().sockets);
    }
    assert!(found.iter().all(|owned| pids(owned).contains(&me())), "{found:#?}");

    let shared = Arc::downgrade(scanner.shared());
    // In the middle of a scan, and with a snapshot that nobody took.
    scanner.request(Request::Everything);
    drop(scanner);
    let began = host_clock::now();
    while shared.upgrade().is_some() {
        assert!(host_clock::now().since(began) < 30_000_000_000, "the thread still runs");
        thread::yield_now();
    }
}
