//! Playing of scripts: a real socket at one end, and a peer that sends the segments of a script at the other end of a tun
//! device.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    time::{Duration, SystemTime},
};

use etherparse::Ipv4Header;
use socket2::{SockRef, Socket};
use tcptrace_tests::{
    ACK, Actor, Crafted, Netns, Received, SYN, TRAFFIC_LIMIT, Tun, close, eventually, icmp_packet, tcp_packet,
};

use super::script::{Call, Step, parse};

const PSH: u8 = 0x08;

/// The peer's ISN, chosen so that numbers wrap during a script.
const PEER_ISN: u32 = u32::MAX - 3;

/// A namespace with a tun device in which scripts are played, one after the other.
pub(super) struct Stage {
    pub(super) netns: Netns,
    tun: Tun,
    actor: Actor,
    /// Sockets that outlive their scripts: their closing is not part of any script.
    kept: Vec<Kept>,
}

enum Kept {
    Stream(TcpStream),
    Listener(TcpListener),
}

/// A segment that passed the device, with its time.
pub(super) type Packet = (Duration, Vec<u8>);

/// A script being played.
struct Play<'a> {
    stage: &'a Stage,
    /// The end in the kernel.
    own: SocketAddr,
    peer: SocketAddr,
    listener: Option<TcpListener>,
    stream: Option<TcpStream>,
    /// The kernel's ISN, once it has sent a SYN.
    isn: Option<u32>,
    /// The kernel's last timestamp.
    stamp: u32,
    last: Vec<u8>,
    packets: Vec<Packet>,
}

impl Stage {
    pub(super) fn new(sysctls: &[(&str, &str)]) -> Self {
        let netns = Netns::new();
        let usual = [
            ("ipv4/tcp_timestamps", "0"),
            // Without a limit on challenge ACKs.
            ("ipv4/tcp_invalid_ratelimit", "0"),
            ("ipv4/tcp_challenge_ack_limit", "1000000"),
            ("ipv4/conf/all/rp_filter", "0"),
        ];
        usual.iter().chain(sysctls).for_each(|(key, value)| netns.sysctl(key, value));
        let tun = Tun::new(&netns, "tun0");
        let actor = Actor::new(&netns, "tt-kernel");
        Self { netns, tun, actor, kept: Vec::new() }
    }

    /// Plays a script and returns the segments that passed. The kernel is the client if the script connects, otherwise its
    /// server listens at `port`; the other end has the port after it.
    #[track_caller]
    pub(super) fn play(&mut self, port: u16, script: &str) -> Vec<Packet> {
        self.play_with(port, script, &mut |_| panic!("it is traced from the beginning"))
    }

    /// Like [`Self::play`]; `trace` begins to trace.
    #[track_caller]
    pub(super) fn play_with(&mut self, port: u16, script: &str, trace: &mut dyn FnMut(&Self)) -> Vec<Packet> {
        let steps = parse(script);
        let calls = |call| steps.iter().any(|(_, step)| matches!(step, Step::Call(found) if *found == call));
        let active = calls(Call::Connect);
        let (own, peer) = ([10, 8, 0, 1], [10, 8, 0, 9]);
        let mut play = Play {
            own: SocketAddr::from((own, if active { port + 1 } else { port })),
            peer: SocketAddr::from((peer, if active { port } else { port + 1 })),
            stage: self,
            listener: None,
            stream: None,
            isn: None,
            stamp: 0,
            last: Vec::new(),
            packets: Vec::new(),
        };
        if !active && !calls(Call::Listen) {
            play.listen();
        }
        for (line, step) in steps {
            match step {
                Step::Call(Call::Trace) => trace(play.stage),
                step => play.step(&line, &step),
            }
        }
        let Play { listener, stream, packets, .. } = play;
        self.kept.extend(stream.map(Kept::Stream).into_iter().chain(listener.map(Kept::Listener)));
        packets
    }

    /// Closes the sockets that the scripts have left open.
    pub(super) fn clear(&mut self) {
        for kept in self.kept.drain(..) {
            match kept {
                Kept::Stream(stream) => close(stream),
                Kept::Listener(listener) => close(listener),
            }
        }
    }
}

impl Play<'_> {
    #[track_caller]
    fn step(&mut self, line: &str, step: &Step) {
        match *step {
            Step::Send(ref crafted) => self.send(crafted),
            Step::Icmp(kind, code) => {
                let packet = icmp_packet(self.peer.ip(), (kind, code), &self.last);
                self.inject(packet);
            }
            Step::Expect(flags) => self.expect(line, flags),
            Step::Call(call) => self.call(line, call),
        }
    }

    fn send(&mut self, crafted: &Crafted) {
        let &Crafted { flags, seq, length, ack, timestamp } = crafted;
        let number = |isn: u32, offset: i64| isn.wrapping_add(offset as u32);
        let ack = if flags & ACK == 0 { 0 } else { number(self.isn.unwrap_or(0), ack) };
        let mut options = if flags & SYN == 0 { Vec::new() } else { vec![2, 4, 5, 180] };
        if let Some((value, echo)) = timestamp {
            let stamps = [value, echo.unwrap_or(self.stamp)].map(u32::to_be_bytes).concat();
            options.extend([[1, 1, 8, 10].as_slice(), &stamps].concat());
        }
        let numbers = (number(PEER_ISN, seq), ack);
        self.inject(tcp_packet(self.peer, self.own, flags, numbers, &options, &vec![b'x'; length]));
    }

    /// Sends a packet with an identification of its own, so that it is not taken for a copy of another.
    fn inject(&mut self, packet: Vec<u8>) {
        let (mut header, rest) = Ipv4Header::from_slice(&packet).expect("an IPv4 header");
        header.identification = u16::try_from(self.packets.len() + 1).expect("a script is short");
        header.header_checksum = header.calc_header_checksum();
        let packet = [header.to_bytes().as_slice(), rest].concat();
        self.stage.tun.send(&packet);
        self.packets.push((now(), packet));
    }

    /// Waits for a segment of the kernel with these flags.
    #[track_caller]
    fn expect(&mut self, line: &str, flags: u8) {
        loop {
            let Some((received, packet)) = self.stage.tun.receive_packet(TRAFFIC_LIMIT) else {
                panic!("`{line}`: no such segment came out of the device");
            };
            // Another script's socket may retransmit unacknowledged segments.
            if (received.from, received.to) != (self.own, self.peer) {
                continue;
            }
            self.learn(&received, &packet);
            if received.flags & !PSH == flags {
                return;
            }
        }
    }

    fn learn(&mut self, received: &Received, packet: &[u8]) {
        if received.syn {
            self.isn = Some(received.seq);
        }
        self.stamp = received.timestamp.unwrap_or(self.stamp);
        self.last = packet.to_vec();
        self.packets.push((now(), packet.to_vec()));
    }

    #[track_caller]
    fn call(&mut self, line: &str, call: Call) {
        match call {
            Call::Connect => self.connect(),
            Call::Trace => {}
            Call::Listen => self.listen(),
            Call::Unlisten => self.stage.actor.close(self.listener.take().expect("it listens")),
            Call::Accept => {
                let listener = self.listener.as_ref().expect("it listens");
                self.stream = Some(self.stage.actor.accept(listener));
            }
            Call::Read(count) => {
                self.stream().set_nonblocking(false).expect("a socket may block");
                self.stream().read_exact(&mut vec![0; count]).unwrap_or_else(|error| panic!("`{line}`: {error}"));
            }
            Call::Write(count) => {
                self.stream().write_all(&vec![b'x'; count]).unwrap_or_else(|error| panic!("`{line}`: {error}"));
            }
            Call::Shutdown => self.stream().shutdown(Shutdown::Write).expect("it is connected"),
            Call::Close => {
                let stream = self.stream.take().expect("it has a socket");
                self.stage.actor.close(stream);
            }
            Call::Linger => {
                SockRef::from(&*self.stream()).set_linger(Some(Duration::ZERO)).expect("a socket can linger");
            }
            Call::Gone => {
                let (own, peer) = (self.own.port(), self.peer.port());
                eventually(line, 2 * TRAFFIC_LIMIT, || self.stage.actor.socket_state(own, peer).is_none());
            }
        }
    }

    fn listen(&mut self) {
        self.listener = Some(self.stage.actor.listen_with(self.own, 16, |_| {}));
    }

    fn connect(&mut self) {
        let (own, peer) = (self.own, self.peer);
        let socket: Socket = self.stage.actor.begin_connect_from(own, peer);
        self.stream = Some(socket.into());
    }

    #[track_caller]
    fn stream(&mut self) -> &mut TcpStream {
        self.stream.as_mut().expect("it has a socket")
    }
}

fn now() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("it is later than 1970")
}
