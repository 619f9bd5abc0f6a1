//! Sockets that another process closes than the one that opened or accepted them.

use std::{
    io,
    net::TcpStream,
    os::{
        fd::{AsFd as _, OwnedFd},
        unix::{net::UnixStream, process::CommandExt as _},
    },
    process::{Command, Stdio},
};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
};
use serde_json::json;
use tcptrace_tests::{LIMIT, Netns, Process, TRAFFIC_LIMIT, assert_record, but, close, eventually, receive_end, send};

use super::super::{FIN_WAIT1, addresses, loopback, plain, states, traced, wait_client};

/// Returns a command that reads 5 bytes of its stdin and ends.
fn head() -> Command {
    let mut head = Command::new("head");
    head.args(["-c", "5"]).stdout(Stdio::null());
    head
}

#[test]
fn an_accepted_socket_is_handed_down_to_a_child_that_closes_it() {
    const PORT: u16 = 4762;
    let netns = Netns::new();
    let mut child = None;
    let trace = traced(&netns, PORT, |ends, connection| {
        let ports = (connection.server_address().port(), connection.client_address().port());
        let mut head = head();
        head.stdin(Stdio::from(OwnedFd::from(connection.server)));
        let mut process = netns.start(&mut head);
        close(head);
        send(&connection.client, 5);
        assert!(process.wait(LIMIT).success());
        child = Some(process.id());
        receive_end(&connection.client);
        eventually("the ACK of the server's FIN", TRAFFIC_LIMIT, || {
            ends.server.socket_state(ports.0, ports.1).as_deref() != Some(FIN_WAIT1)
        });
        ends.client.close(connection.client);
    });
    let expected = json!({
        "initiator": "server", "server": { "pid": child, "comm": "head", "thread": null }, "time_wait": "server",
        "bytes": { "client_to_server": 5 },
        "states": states(&["CLOSE_WAIT", "LAST_ACK", "CLOSE"], &["FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT"]),
        // Some implementations close their input before they exit, others, such as that of busybox, do not.
        "summary": ["closed by the server, four segments; ", "5 B →, 0 B ←; lasted "],
    });
    assert_record(trace.closed(&netns), &but(plain(&netns, loopback(PORT)), expected));
}

/// Sends a descriptor to another process; the socket is open on its way, too.
fn pass(stream: TcpStream) -> UnixStream {
    let (ours, theirs) = UnixStream::pair().expect("two sockets");
    let descriptors = [stream.as_fd()];
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    assert!(control.push(SendAncillaryMessage::ScmRights(&descriptors)));
    rustix::net::sendmsg(&ours, &[io::IoSlice::new(b"x")], &mut control, SendFlags::empty()).expect("room for it");
    close(stream);
    theirs
}

/// Receives a descriptor from another process, and makes it this one's stdin.
fn take(from: &UnixStream) -> io::Result<()> {
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    rustix::net::recvmsg(from, &mut [io::IoSliceMut::new(&mut byte)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(descriptors) = message {
            for descriptor in descriptors {
                rustix::stdio::dup2_stdin(descriptor)?;
            }
        }
    }
    Ok(())
}

#[test]
fn a_descriptor_is_passed_to_another_process_that_closes_it() {
    const PORT: u16 = 4763;
    let netns = Netns::new();
    let mut other = None;
    let trace = traced(&netns, PORT, |ends, connection| {
        let addresses = addresses(&connection);
        let theirs = pass(connection.client);
        let mut head = head();
        // SAFETY: `take` neither allocates nor locks anything between fork and exec.
        unsafe { head.pre_exec(move || take(&theirs)) };
        let mut process: Process = netns.start(&mut head);
        send(&connection.server, 5);
        assert!(process.wait(LIMIT).success());
        other = Some(process.id());
        receive_end(&connection.server);
        wait_client(ends, addresses, FIN_WAIT1);
        ends.server.close(connection.server);
    });
    let expected = json!({
        "client": { "pid": other, "comm": "head", "thread": null }, "bytes": { "server_to_client": 5 },
        "summary": ["closed by the client, four segments; ", "0 B →, 5 B ←; lasted "],
    });
    assert_record(trace.closed(&netns), &but(plain(&netns, loopback(PORT)), expected));
    let handshake = trace.of_type("handshake")[0];
    assert_eq!(handshake["client"]["pid"], std::process::id(), "{handshake}");
}
