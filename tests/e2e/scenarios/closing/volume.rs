//! More bytes than sequence numbers.

use std::os::fd::AsRawFd as _;

use serde_json::json;
use tcptrace_tests::{Netns, assert_record, but, send};

use super::{loopback, plain, traced};

const PORT: u16 = 4751;

/// Number of bytes: sequence numbers wrap once.
const COUNT: usize = (1 << 32) + 12_345_678;

/// Number of bytes that one step of an actor sends and receives.
const STEP: usize = 1 << 29;

/// Receives `count` bytes and discards them, which the kernel does without copying them.
fn discard(from: &std::net::TcpStream, mut count: usize) {
    while count > 0 {
        let mut nothing = [0_u8; 1];
        // SAFETY: with MSG_TRUNC a TCP socket writes nothing to the buffer (tcp(7)), whatever the length; the descriptor is
        // open.
        let got = unsafe { libc::recv(from.as_raw_fd(), nothing.as_mut_ptr().cast(), count, libc::MSG_TRUNC) };
        let got = usize::try_from(got).expect("the bytes arrive");
        assert_ne!(got, 0, "{count} bytes are due");
        count -= got;
    }
}

#[test]
fn bytes_beyond_four_gib_are_counted() {
    let netns = Netns::new();
    let trace = traced(&netns, PORT, |ends, connection| {
        let mut left = COUNT;
        while left > 0 {
            let step = left.min(STEP);
            let client = connection.client.try_clone().expect("a stream can be duplicated");
            let sending = ends.client.start(move || {
                let (whole, rest) = (step >> 20, step % (1 << 20));
                (0..whole).for_each(|_| send(&client, 1 << 20));
                send(&client, rest);
            });
            let server = connection.server.try_clone().expect("a stream can be duplicated");
            ends.server.run(move || discard(&server, step));
            sending.finish();
            left -= step;
        }
        ends.close_in_four(connection);
    });
    let expected = json!({
        "bytes": { "client_to_server": COUNT },
        "summary": [format!("closed by the client, four segments; {COUNT} B →, 0 B ←; lasted ")],
    });
    assert_record(trace.closed(&netns), &but(plain(&netns, loopback(PORT)), expected));
}
