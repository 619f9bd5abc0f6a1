use std::net::Ipv6Addr;

use netlink_packet_sock_diag::{
    AF_INET, AF_INET6,
    inet::{InetResponseHeader, SocketId},
};
use proptest::prelude::*;
use rtnetlink::packet_core::{DefaultNla, DoneMessage, ErrorMessage, NetlinkHeader};

use super::*;

const OURS: u32 = 7;

fn response(local: IpAddr, nlas: &[Nla]) -> InetResponse {
    let socket_id = SocketId {
        source_port: 443,
        destination_port: 50000,
        source_address: local,
        destination_address: local,
        interface_id: 0,
        cookie: [1, 0, 0, 0, 2, 0, 0, 0].map(u8::to_le),
    };
    let family = if local.is_ipv4() { AF_INET } else { AF_INET6 };
    let (recv_queue, send_queue, uid) = (129, 128, 0);
    let header =
        InetResponseHeader { family, state: 1, timer: None, socket_id, recv_queue, send_queue, uid, inode: 99 };
    InetResponse { header, nlas: nlas.iter().cloned().collect() }
}

fn message(sequence_number: u32, flags: u16, payload: NetlinkPayload<SockDiagMessage>) -> Vec<u8> {
    let mut header = NetlinkHeader::default();
    header.sequence_number = sequence_number;
    header.flags = flags;
    let mut message = NetlinkMessage::new(header, payload);
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    bytes
}

fn socket_message(flags: u16) -> Vec<u8> {
    let response = response(Ipv4Addr::LOCALHOST.into(), &[Nla::Shutdown(0)]);
    message(OURS, flags, SockDiagMessage::InetResponse(Box::new(response)).into())
}

fn done(code: i32) -> Vec<u8> {
    let mut done = DoneMessage::default();
    done.code = code;
    message(OURS, NLM_F_MULTIPART, NetlinkPayload::Done(done))
}

fn refusal() -> Vec<u8> {
    let mut error = ErrorMessage::default();
    error.code = std::num::NonZeroI32::new(-2);
    message(OURS, 0, NetlinkPayload::Error(error))
}

fn listener(local: &str, ipv6_only: bool) -> Socket {
    let local = Endpoint { addr: local.parse().unwrap(), port: 443 };
    let remote = Endpoint { addr: local.addr, port: 0 };
    Socket { ipv6_only, ..Socket::idle(TcpState::Listen, local, remote) }
}

#[test]
fn a_socket_is_decoded() {
    let socket = Socket::decode(&response(Ipv4Addr::LOCALHOST.into(), &[])).unwrap();
    assert_eq!(socket.state, TcpState::Established);
    assert_eq!(socket.local, Endpoint { addr: Ipv4Addr::LOCALHOST.into(), port: 443 });
    assert_eq!(socket.remote, Endpoint { addr: Ipv4Addr::LOCALHOST.into(), port: 50000 });
    assert_eq!(socket.inode, Some(99));
    assert!(!socket.ipv6_only);
    assert_eq!((socket.queue, socket.unread, socket.unacknowledged), (None, 129, 128), "bytes");
    #[cfg(target_endian = "little")]
    assert_eq!(socket.cookie, 0x2_0000_0001);
}

#[test]
fn the_control_group_and_the_information_are_read() {
    let group = |bytes: &[u8]| Nla::Other(DefaultNla::new(INET_DIAG_CGROUP_ID, bytes.to_vec()));
    let of = |nlas: &[Nla]| Socket::decode(&response(Ipv4Addr::LOCALHOST.into(), nlas)).unwrap();
    let known = of(&[group(&7_u64.to_ne_bytes()), Nla::TcpInfo(vec![0; 248])]);
    assert_eq!((known.cgroup, known.info.map(|info| info.send_window)), (Some(7), Some(Some(0))));
    let unknown = of(&[group(&[1, 2]), Nla::TcpInfo(vec![0; 8])]);
    assert_eq!((unknown.cgroup, unknown.info), (None, None));
}

#[test]
fn mapped_addresses_are_ipv4() {
    let socket = Socket::decode(&response(Ipv4Addr::LOCALHOST.to_ipv6_mapped().into(), &[])).unwrap();
    assert_eq!(socket.local.addr, IpAddr::from(Ipv4Addr::LOCALHOST));
    let mut listener = response(Ipv4Addr::LOCALHOST.to_ipv6_mapped().into(), &[]);
    listener.header.socket_id.destination_address = Ipv6Addr::UNSPECIFIED.into();
    let socket = Socket::decode(&listener).unwrap();
    assert_eq!(socket.remote.addr, IpAddr::from(Ipv4Addr::UNSPECIFIED));
    let socket = Socket::decode(&response(Ipv6Addr::UNSPECIFIED.into(), &[Nla::SkV6Only(true)])).unwrap();
    assert_eq!(socket.local.addr, IpAddr::from(Ipv6Addr::UNSPECIFIED));
    assert!(socket.ipv6_only);
}

#[test]
fn inode_0_is_none_and_a_state_of_the_future_no_socket() {
    let mut response = response(Ipv4Addr::LOCALHOST.into(), &[]);
    response.header.inode = 0;
    assert_eq!(Socket::decode(&response).unwrap().inode, None);
    response.header.state = 99;
    assert_eq!(Socket::decode(&response), None);
}

#[test]
fn a_queue_with_one_more_than_its_limit_is_full() {
    let mut response = response(Ipv4Addr::LOCALHOST.into(), &[]);
    response.header.state = 10;
    let queue = Socket::decode(&response).unwrap().queue.unwrap();
    assert_eq!(queue, AcceptQueue { length: 129, limit: 128 });
    assert!(queue.is_full() && !AcceptQueue { length: 128, ..queue }.is_full());
    assert!(AcceptQueue { length: 1, limit: 0 }.is_full() && !AcceptQueue { length: 0, limit: 0 }.is_full());
}

#[test]
fn listeners_accept_what_they_listen_for() {
    let accepts = |listener: Socket, addr: &str| listener.accepts(Endpoint { addr: addr.parse().unwrap(), port: 443 });
    for (local, ipv6_only, v4, v6) in [
        ("0.0.0.0", false, true, false),
        ("10.0.0.1", false, true, false),
        ("10.0.0.2", false, false, false),
        ("::", false, true, true),
        ("::", true, false, true),
        ("fd00::1", false, false, true),
        ("::1", false, false, false),
    ] {
        assert_eq!(accepts(listener(local, ipv6_only), "10.0.0.1"), v4, "{local} {ipv6_only}");
        assert_eq!(accepts(listener(local, ipv6_only), "fd00::1"), v6, "{local} {ipv6_only}");
    }
    let any = listener("::", false);
    assert!(!any.accepts(Endpoint { port: 80, ..any.local }));
    assert!(!Socket { state: TcpState::Established, ..any }.accepts(any.local));
}

#[test]
fn a_list_goes_on_until_it_is_done() {
    let mut answer = SockDiagReply::default();
    let two = [socket_message(NLM_F_MULTIPART), socket_message(NLM_F_MULTIPART)].concat();
    assert!(!answer.take_in(OURS, &two).unwrap());
    assert!(answer.take_in(OURS, &[socket_message(NLM_F_MULTIPART), done(0)].concat()).unwrap());
    assert_eq!((answer.sockets.len(), answer.interrupted, answer.unreadable), (3, false, 0));
}

#[test]
fn a_single_answer_is_the_last() {
    let mut answer = SockDiagReply::default();
    assert!(answer.take_in(OURS, &socket_message(0)).unwrap());
    assert_eq!(answer.sockets.len(), 1);
}

#[test]
fn answers_to_others_are_ignored() {
    let mut answer = SockDiagReply::default();
    assert!(!answer.take_in(OURS + 1, &[socket_message(0), done(0), refusal()].concat()).unwrap());
    assert_eq!((answer.sockets.len(), answer.unreadable), (0, 0));
}

#[test]
fn the_kernels_errors_are_passed_on() {
    for bytes in [refusal(), done(-2)] {
        let error = SockDiagReply::default().take_in(OURS, &bytes).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}

#[test]
fn interruption_is_noticed_wherever_it_is_said() {
    for flags in [NLM_F_MULTIPART, NLM_F_MULTIPART | NLM_F_DUMP_INTR] {
        let mut answer = SockDiagReply::default();
        assert!(!answer.take_in(OURS, &socket_message(flags)).unwrap());
        assert_eq!(answer.interrupted, flags & NLM_F_DUMP_INTR != 0);
    }
    let mut answer = SockDiagReply::default();
    let overrun = message(OURS, NLM_F_MULTIPART, NetlinkPayload::Overrun(Vec::new()));
    assert!(!answer.take_in(OURS, &overrun).unwrap());
    assert!(answer.interrupted);
}

#[test]
fn what_cannot_be_read_is_counted_and_the_rest_is_read() {
    let mut answer = SockDiagReply::default();
    let mut bad = socket_message(NLM_F_MULTIPART);
    // An unknown address family.
    bad[16] = 0xff;
    assert!(answer.take_in(OURS, &[bad, socket_message(NLM_F_MULTIPART), done(0)].concat()).unwrap());
    assert_eq!((answer.sockets.len(), answer.unreadable), (1, 1));
    let cut = socket_message(NLM_F_MULTIPART);
    assert!(!answer.take_in(OURS, &cut[..cut.len() - 1]).unwrap());
    assert_eq!(answer.unreadable, 2);
}

proptest! {
    #[test]
    fn no_bytes_do_harm(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = SockDiagReply::default().take_in(OURS, &bytes);
    }

    #[test]
    fn no_damage_does_harm(
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        length in any::<prop::sample::Index>(),
    ) {
        let mut bytes = [socket_message(NLM_F_MULTIPART), socket_message(NLM_F_DUMP_INTR), refusal(), done(0)].concat();
        for (index, value) in damage {
            let at = index.index(bytes.len());
            bytes[at] = value;
        }
        bytes.truncate(length.index(bytes.len() + 1));
        let _ = SockDiagReply::default().take_in(OURS, &bytes);
    }
}
