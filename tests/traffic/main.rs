//! Servers and clients as processes of their own, so that each end of a connection has a process id of its own.
//!
//! - `tt-traffic listen ADDRESS`: shares the port with others (`SO_REUSEPORT`), and serves it;
//! - `tt-traffic work`: serves the listener that is its stdin;
//! - `tt-traffic connect ADDRESS COUNT`: opens COUNT connections at once, and closes none before all are open.
//!
//! A server prints `ready` on stdout, then a line with the client's address for each connection it has closed. The client
//! prints for each connection its own address, the bytes up, the bytes down and the end that closes: `client`, `server`, or
//! `reset` for a client that resets.

mod client;
mod server;

use std::{net::SocketAddr, process::ExitCode};

/// A client's first request: the number of bytes that it sends besides, the number that it wants back, and the end that
/// closes.
#[derive(Clone, Copy)]
struct Request {
    up: u32,
    down: u32,
    closer: Closer,
}

/// The end that closes a connection.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Closer {
    Client,
    /// The server, as soon as the client has sent one more byte.
    Server,
    /// The client, by a reset.
    Reset,
}

impl Request {
    const LENGTH: usize = 9;

    fn bytes(self) -> [u8; Self::LENGTH] {
        let [[a, b, c, d], [e, f, g, h]] = [self.up, self.down].map(u32::to_be_bytes);
        [a, b, c, d, e, f, g, h, self.closer.name().as_bytes()[0]]
    }

    fn read([a, b, c, d, e, f, g, h, closer]: [u8; Self::LENGTH]) -> Option<Self> {
        let all = [Closer::Client, Closer::Server, Closer::Reset];
        let closer = all.into_iter().find(|known| known.name().as_bytes()[0] == closer)?;
        Some(Self { up: u32::from_be_bytes([a, b, c, d]), down: u32::from_be_bytes([e, f, g, h]), closer })
    }
}

impl Closer {
    fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
            Self::Reset => "reset",
        }
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let address = |text: &str| text.parse::<SocketAddr>().expect("an address and port");
    match arguments.as_slice() {
        ["listen", at] => server::serve(&server::listen(address(at))),
        ["work"] => server::serve(&server::inherited()),
        ["connect", to, count] => client::run(address(to), count.parse().expect("a number")),
        _ => {
            eprintln!("usage: tt-traffic listen ADDRESS | work | connect ADDRESS COUNT");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}
