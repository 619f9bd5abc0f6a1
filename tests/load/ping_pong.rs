//! One byte to and fro.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::{Duration, Instant},
};

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::{Counted, worker};

/// Both ends are threads on one processor: what a segment costs more is all that can make them slower, and not how soon
/// another processor wakes up.
pub(crate) fn run(length: Duration) -> Counted {
    stay_on_one_processor();
    let listener = worker::listen();
    let address = listener.local_addr().expect("a listener has an address");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (mut stream, _) = listener.accept().expect("a connection comes");
            stream.set_nodelay(true).expect("TCP_NODELAY");
            let mut byte = [0];
            while stream.read(&mut byte).expect("a byte, or the end of the stream") != 0 {
                stream.write_all(&byte).expect("the byte is sent");
            }
        });
        let mut stream = TcpStream::connect(address).expect("the server listens");
        stream.set_nodelay(true).expect("TCP_NODELAY");
        let began = Instant::now();
        let (mut count, mut byte) = (0, [0]);
        while began.elapsed() < length {
            stream.write_all(&byte).expect("the byte is sent");
            stream.read_exact(&mut byte).expect("the byte comes back");
            count += 1;
        }
        Counted::new(count, began.elapsed())
    })
}

/// Keeps this process, threads to come included, on the first processor that it may use.
fn stay_on_one_processor() {
    let allowed = sched_getaffinity(None).expect("a process may ask where it may run");
    let first = (0..CpuSet::MAX_CPU).find(|&cpu| allowed.is_set(cpu)).expect("it runs somewhere");
    let mut one = CpuSet::new();
    one.set(first);
    sched_setaffinity(None, &one).expect("a process may give up processors");
}
