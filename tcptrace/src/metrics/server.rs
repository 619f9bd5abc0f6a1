//! The HTTP server for scrapers, on a thread of its own.

use std::{
    convert::Infallible,
    io,
    net::{SocketAddr, TcpListener as StdListener},
    sync::Arc,
    thread,
    time::Duration,
};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    header::{ACCEPT, ALLOW, CONTENT_TYPE},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use log::{debug, warn};
use thiserror::Error;
use tokio::{net::TcpListener, runtime, sync::Semaphore, task::JoinSet, time::timeout};

use super::{Format, Metrics};
use crate::privileges::{Duty, reduce};

/// The only path that answers.
const PATH: &str = "/metrics";

/// Maximum number of scrapers connected at once; others wait in the listener's queue.
const MAX_SCRAPERS: usize = 16;

/// Maximum time for the header of a request.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);

/// Maximum duration of a connection: a scraper that stalls gives way to another one.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(30);

/// Metrics cannot be served.
#[derive(Debug, Error)]
pub enum ServeError {
    /// The address cannot be used.
    #[error("cannot listen on {address} for --metrics; choose an address of this host and a free port from 1024 on")]
    Bind {
        /// The address as given.
        address: SocketAddr,
        /// The kernel's reason.
        #[source]
        source: io::Error,
    },
    /// The kernel refused a thread.
    #[error("cannot start a thread for --metrics; raise the limit on processes (ulimit -u)")]
    Start(#[source] io::Error),
}

/// A socket that listens for scrapers; none is answered before [`serve`](super::serve).
#[derive(Debug)]
pub struct Listener {
    listener: StdListener,
    /// The address, with the port that the kernel chose if 0 was requested.
    pub address: SocketAddr,
}

impl Listener {
    /// Listens on `address`.
    ///
    /// # Errors
    /// When the address is in use, does not belong to this host, or needs rights that this process does not have.
    pub fn bind(address: SocketAddr) -> Result<Self, ServeError> {
        let bound = || {
            let listener = StdListener::bind(address)?;
            listener.set_nonblocking(true)?;
            Ok(Self { address: listener.local_addr()?, listener })
        };
        bound().map_err(|source| ServeError::Bind { address, source })
    }

    /// Starts the thread that answers with `metrics`. It ends with the process.
    pub(super) fn serve(self, metrics: Arc<Metrics>) -> Result<(), ServeError> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build().map_err(ServeError::Start)?;
        let run = move || {
            reduce(Duty::Stream);
            runtime.block_on(self.accept(metrics));
        };
        thread::Builder::new().name("metrics".to_owned()).spawn(run).map_err(ServeError::Start)?;
        Ok(())
    }

    async fn accept(self, metrics: Arc<Metrics>) {
        let listener = match TcpListener::from_std(self.listener) {
            Ok(listener) => listener,
            Err(error) => return warn!("metrics are not served: {error}"),
        };
        let places = Arc::new(Semaphore::new(MAX_SCRAPERS));
        let mut scrapers = JoinSet::new();
        // The semaphore is never closed.
        while let Ok(place) = Arc::clone(&places).acquire_owned().await {
            while scrapers.try_join_next().is_some() {}
            match listener.accept().await {
                Ok((stream, _)) => {
                    let metrics = Arc::clone(&metrics);
                    scrapers.spawn(async move {
                        let _place = place;
                        let answer = service_fn(move |request| {
                            let response = answer(&metrics, &request);
                            async move { Ok::<_, Infallible>(response) }
                        });
                        let mut http = http1::Builder::new();
                        http.timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
                        let connection = http.serve_connection(TokioIo::new(stream), answer);
                        match timeout(CONNECTION_TIMEOUT, connection).await {
                            Ok(Ok(())) => {}
                            Ok(Err(error)) => debug!("a scraper was not answered: {error}"),
                            Err(_) => debug!("a scraper took too long"),
                        }
                    });
                }
                // Out of file descriptors: those of scrapers being answered will become free.
                Err(error) => {
                    debug!("a scraper was not accepted: {error}");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }
}

fn answer(metrics: &Metrics, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    if request.uri().path() != PATH {
        return plain(StatusCode::NOT_FOUND, "only /metrics is here\n");
    }
    if ![Method::GET, Method::HEAD].contains(request.method()) {
        let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD are answered\n");
        response.headers_mut().insert(ALLOW, hyper::header::HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    let accept = request.headers().get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    let format = Format::accepted(accept);
    match metrics.encode(format) {
        Ok(encoded) => {
            let mut response = Response::new(Full::from(encoded));
            let content_type = hyper::header::HeaderValue::from_static(format.content_type());
            response.headers_mut().insert(CONTENT_TYPE, content_type);
            response
        }
        Err(_) => plain(StatusCode::INTERNAL_SERVER_ERROR, "the metrics cannot be encoded\n"),
    }
}

fn plain(status: StatusCode, body: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    response
}
