//! A client and a server with one listener between them.

use std::{
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    time::Duration,
};

use rustix::time::{ClockId, clock_gettime};
use socket2::SockRef;

use crate::{
    actor::{Actor, TRAFFIC_LIMIT, receive, receive_end, send},
    netns::Netns,
    process::{close, eventually},
    raw::set_option,
    tracer::Tracer,
};

/// The state's number in `/proc/net/tcp`.
const FIN_WAIT1: &str = "04";

/// The two ends of connections to one listener.
pub struct Ends {
    /// The connecting end.
    pub client: Actor,
    /// The listening end.
    pub server: Actor,
    /// The server's listener.
    pub listener: TcpListener,
    /// The address of the listener.
    pub address: SocketAddr,
}

/// The two sockets of one connection.
pub struct Connection {
    /// The socket that connected.
    pub client: TcpStream,
    /// The socket that was accepted.
    pub server: TcpStream,
}

impl Connection {
    /// Returns address and port of the client's end.
    pub fn client_address(&self) -> SocketAddr {
        self.client.local_addr().expect("a connected socket has an address")
    }

    /// Returns address and port of the server's end, as the client knows it.
    pub fn server_address(&self) -> SocketAddr {
        self.client.peer_addr().expect("a connected socket has a peer")
    }
}

impl Ends {
    /// Creates both ends in one namespace. The server listens already.
    #[track_caller]
    pub fn on(netns: &Netns, address: SocketAddr) -> Self {
        Self::between(netns, netns, address)
    }

    /// Creates the client in one namespace, the server in another. The server listens already.
    #[track_caller]
    pub fn between(client: &Netns, server: &Netns, address: SocketAddr) -> Self {
        let (client, server) = (Actor::new(client, "tt-client"), Actor::new(server, "tt-server"));
        let listener = server.listen(address);
        Self { client, server, listener, address }
    }

    /// Opens a connection and accepts it.
    #[track_caller]
    pub fn open(&self) -> Connection {
        let client = self.client.connect(self.address);
        let server = self.server.accept(&self.listener);
        Connection { client, server }
    }

    /// Closes from the client; the server closes as soon as the client's FIN has been acknowledged on its own: four
    /// segments. Returns when the close is complete.
    #[track_caller]
    pub fn close_in_four(&self, connection: Connection) {
        let (client, server) = (connection.client_address().port(), connection.server_address().port());
        self.client.close(connection.client);
        receive_end(&connection.server);
        // Otherwise the kernel would delay the ACK, and a FIN that came earlier would carry it.
        set_option(&connection.server, libc::IPPROTO_TCP, libc::TCP_QUICKACK, &1_i32.to_ne_bytes());
        eventually("the ACK of the client's FIN", TRAFFIC_LIMIT, || {
            self.client.socket_state(client, server).as_deref() != Some(FIN_WAIT1)
        });
        self.server.close(connection.server);
        self.wait_server_closed(client, server);
    }

    /// Closes from the client; the server closes as soon as it reads the end: three segments, since the kernel delays its
    /// ACK. Returns when the close is complete.
    #[track_caller]
    pub fn close_in_three(&self, connection: Connection) {
        let (client, server) = (connection.client_address().port(), connection.server_address().port());
        let closing = self.server.start_close_at_end(connection.server);
        self.client.run(move || {
            // Where the server has received no data, its kernel delays the ACK only until the next timer interrupt
            // (`icsk_ack.ato` is 0 then, see tcp_send_delayed_ack of net/ipv4/tcp_output.c).
            wait_for_tick();
            close(connection.client);
        });
        closing.finish();
        self.wait_server_closed(client, server);
    }

    /// The client sends 10 bytes and closes its side; the server reads to the end, sends 1,000 bytes and closes, and then
    /// the client closes.
    #[track_caller]
    pub fn close_half_first(&self, connection: Connection) {
        send(&connection.client, 10);
        connection.client.shutdown(Shutdown::Write).expect("a connected socket can be shut down");
        receive(&connection.server, 10);
        receive_end(&connection.server);
        send(&connection.server, 1000);
        receive(&connection.client, 1000);
        self.server.close(connection.server);
        receive_end(&connection.client);
        self.client.close(connection.client);
    }

    /// Closes the client with SO_LINGER 0, which resets the connection; when `tracer` has seen the end of the server's
    /// socket, the server closes it.
    #[track_caller]
    pub fn abort(&self, connection: Connection, tracer: &Tracer) {
        let remote = connection.client_address();
        SockRef::from(&connection.client).set_linger(Some(Duration::ZERO)).expect("SO_LINGER");
        self.client.close(connection.client);
        tracer.wait_state("CLOSE", self.address, remote);
        self.server.close(connection.server);
    }

    /// Opens and closes `count` connections, one after the other, each in four segments.
    #[track_caller]
    pub fn repeat(&self, count: usize) {
        for _ in 0..count {
            self.close_in_four(self.open());
        }
    }

    /// Opens and closes `count` connections as fast as possible, in any number of segments.
    #[track_caller]
    pub fn churn(&self, count: usize) {
        for _ in 0..count {
            let connection = self.open();
            let closing = self.server.start_close_at_end(connection.server);
            self.client.close(connection.client);
            closing.finish();
        }
    }

    /// Waits for the end of the server's socket: on a busy machine, the last ACK may arrive after close() has returned.
    #[track_caller]
    fn wait_server_closed(&self, client: u16, server: u16) {
        eventually("the end of the server's socket", TRAFFIC_LIMIT, || {
            self.server.socket_state(server, client).is_none()
        });
    }
}

/// Waits for the kernel's next timer interrupt.
fn wait_for_tick() {
    let now = || clock_gettime(ClockId::MonotonicCoarse);
    let last = now();
    while now() == last {
        std::hint::spin_loop();
    }
}
