//! A collector that accepts OTLP over HTTP, with answers chosen by a test.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Instant,
};

use flate2::read::GzDecoder;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::{certificate::Certificate, exported::Exported, netns::Netns};

/// A request.
#[derive(Clone, Debug)]
pub struct Posted {
    /// Path of the URL.
    pub path: String,
    /// Headers by their names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body, decompressed.
    pub body: Vec<u8>,
    /// Time at which it had arrived.
    pub at: Instant,
}

/// An answer.
#[derive(Clone, Debug)]
pub enum Reply {
    /// A status with headers, each ended by CR LF, and a body.
    Status(u16, &'static str, Vec<u8>),
    /// These bytes, and the end of the connection.
    Raw(&'static [u8]),
    /// Nothing, while the client waits.
    Silence,
}

impl Reply {
    /// Returns the answer that accepts everything.
    pub fn ok() -> Self {
        Self::Status(200, "Content-Type: application/x-protobuf\r\n", Vec::new())
    }
}

/// Decides on the answer to a request; the number counts requests from 0.
type Answer = dyn Fn(&Posted, usize) -> Reply + Send + Sync;

/// A collector on loopback. It ends with the test.
pub struct Collector {
    scheme: &'static str,
    /// The address on which it listens.
    pub address: SocketAddr,
    posted: Arc<Mutex<Vec<Posted>>>,
}

impl Collector {
    /// Starts one that accepts everything.
    #[track_caller]
    pub fn start() -> Self {
        Self::answering(|_, _| Reply::ok())
    }

    /// Starts one in a network namespace.
    #[track_caller]
    pub fn in_netns(netns: &Netns, answer: impl Fn(&Posted, usize) -> Reply + Send + Sync + 'static) -> Self {
        netns.run(|| Self::answering(answer))
    }

    /// Starts one with other answers.
    #[track_caller]
    pub fn answering(answer: impl Fn(&Posted, usize) -> Reply + Send + Sync + 'static) -> Self {
        Self::listen(None, answer)
    }

    /// Starts one that accepts everything by TLS.
    #[track_caller]
    pub fn with_tls(certificate: &Certificate) -> Self {
        Self::listen(Some(certificate.config()), |_, _| Reply::ok())
    }

    #[track_caller]
    fn listen(
        tls: Option<Arc<ServerConfig>>,
        answer: impl Fn(&Posted, usize) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let scheme = if tls.is_some() { "https" } else { "http" };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("a bound socket");
        let posted = Arc::<Mutex<Vec<Posted>>>::default();
        let (all, answer): (_, Arc<Answer>) = (Arc::clone(&posted), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (all, answer, tls) = (Arc::clone(&all), Arc::clone(&answer), tls.clone());
                thread::spawn(move || match tls {
                    None => serve(stream, &all, &*answer),
                    Some(config) => {
                        let session = ServerConnection::new(config).expect("a session");
                        serve(StreamOwned::new(session, stream), &all, &*answer);
                    }
                });
            }
        });
        Self { scheme, address, posted }
    }

    /// Returns the URL for `--otlp`.
    pub fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    /// Returns the requests so far.
    pub fn requests(&self) -> Vec<Posted> {
        self.posted.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns the contents of the requests so far; retransmitted ones are contained twice.
    #[track_caller]
    pub fn exported(&self) -> Exported {
        Exported::of(&self.requests())
    }
}

/// Answers the requests of a connection.
fn serve(stream: impl Read + Write, all: &Mutex<Vec<Posted>>, answer: &Answer) {
    let mut reader = BufReader::new(stream);
    while let Some(request) = read(&mut reader) {
        let number = {
            let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
            all.push(request.clone());
            all.len() - 1
        };
        match answer(&request, number) {
            Reply::Status(status, headers, body) => {
                let head = format!("HTTP/1.1 {status} -\r\n{headers}Content-Length: {}\r\n\r\n", body.len());
                // The client may have given up; that is for the test to check.
                let _sent = reader.get_mut().write_all(&[head.as_bytes(), &body].concat());
            }
            Reply::Raw(bytes) => {
                let _sent = reader.get_mut().write_all(bytes);
                return;
            }
            Reply::Silence => {
                let _until_the_client_closes = reader.read(&mut [0]);
                return;
            }
        }
    }
}

/// Reads a request; `None` at the end of the connection.
fn read(reader: &mut impl BufRead) -> Option<Posted> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let path = lines.first()?.split(' ').nth(1)?.to_owned();
    let header =
        |line: &String| line.split_once(':').map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()));
    let headers: BTreeMap<_, _> = lines.iter().skip(1).filter_map(header).collect();
    let mut body = vec![0; headers.get("content-length")?.parse().ok()?];
    reader.read_exact(&mut body).ok()?;
    if headers.get("content-encoding").is_some_and(|encoding| encoding == "gzip") {
        let mut plain = Vec::new();
        GzDecoder::new(&*body).read_to_end(&mut plain).ok()?;
        body = plain;
    }
    Some(Posted { path, headers, body, at: Instant::now() })
}
