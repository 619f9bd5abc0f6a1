//! A client with many connections, all of which are open at once.

use std::{
    hash::{BuildHasher as _, RandomState},
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    sync::Barrier,
    time::Duration,
};

use rustix::process::{Resource, getrlimit, setrlimit};
use socket2::SockRef;

use crate::{Closer, Request};

/// Threads that share the work.
const THREADS: usize = 4;

/// Maximum number of bytes in one direction.
const MOST: u64 = 10_000;

/// Opens all connections and exchanges their bytes, then closes them.
pub(crate) fn run(to: SocketAddr, count: usize) {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).expect("the soft limit may be as high as the hard one");
    let (random, all_open) = (RandomState::new(), Barrier::new(THREADS));
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (random, all_open) = (&random, &all_open);
            scope.spawn(move || {
                let numbers = (thread..count).step_by(THREADS);
                let opened = numbers.map(|number| Connection::open(to, Request::random(random, number)));
                let mut opened: Vec<_> = opened.collect();
                opened.iter_mut().for_each(Connection::receive);
                all_open.wait();
                opened.into_iter().for_each(Connection::close);
            });
        }
    });
}

impl Request {
    fn random(random: &RandomState, number: usize) -> Self {
        // The remainders are small.
        let below = |what: u8, limit: u64| (random.hash_one((number, what)) % limit) as u32;
        let closer = match below(2, 3) {
            0 => Closer::Client,
            1 => Closer::Server,
            _ => Closer::Reset,
        };
        Self { up: below(0, MOST), down: below(1, MOST), closer }
    }
}

struct Connection {
    stream: TcpStream,
    request: Request,
}

impl Connection {
    fn open(to: SocketAddr, request: Request) -> Self {
        let mut stream = TcpStream::connect(to).expect("the server listens");
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a socket can have a time-out");
        let Request { up, down, closer } = request;
        let payload = [request.bytes().as_slice(), &vec![b'x'; up as usize]].concat();
        stream.write_all(&payload).expect("the bytes up");
        let total = payload.len() + usize::from(closer == Closer::Server);
        println!("{} {total} {down} {}", stream.local_addr().expect("its own address"), closer.name());
        Self { stream, request }
    }

    fn receive(&mut self) {
        let down = io::copy(&mut (&self.stream).take(self.request.down.into()), &mut io::sink()).expect("bytes down");
        assert_eq!(down, u64::from(self.request.down));
    }

    fn close(mut self) {
        match self.request.closer {
            Closer::Client => {}
            Closer::Server => {
                self.stream.write_all(b"x").expect("the word to close");
                assert_eq!(self.stream.read(&mut [0]).expect("the end of the stream"), 0);
            }
            Closer::Reset => {
                SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).expect("SO_LINGER");
            }
        }
    }
}
