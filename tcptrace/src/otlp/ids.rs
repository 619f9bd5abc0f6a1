//! Identities of traces and spans. They are derived from the run and the number of the connection, so that an exported
//! recording has those of the live trace.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use tcptrace_core::output_record::StartOutput;

/// A span of a connection's trace.
#[derive(Clone, Copy, Debug, Hash)]
pub(super) enum SpanOf {
    /// The connection.
    Connection,
    /// Its handshake.
    Handshake,
}

/// The identity of a run of tcptrace.
#[derive(Clone, Debug)]
pub(super) struct RunId(String);

impl RunId {
    /// Returns the UUID of the run; for captures and old recordings, which have none, the host and the beginning.
    pub(super) fn new(start: &StartOutput) -> Self {
        Self(match &start.run {
            Some(run) => run.to_string(),
            None => format!("{} {}", start.hostname, start.stamp.time),
        })
    }

    /// Returns the identity of a connection's trace: 16 bytes.
    pub(super) fn trace(&self, conn: u64) -> Vec<u8> {
        let half = |which: u8| self.hash(conn, which);
        [half(0), half(1)].concat()
    }

    /// Returns the identity of a span: 8 bytes.
    pub(super) fn span(&self, conn: u64, of: SpanOf) -> Vec<u8> {
        self.hash(conn, of).to_vec()
    }

    fn hash(&self, conn: u64, what: impl std::hash::Hash) -> [u8; 8] {
        let mut hasher = DefaultHasher::new();
        (&self.0, conn).hash(&mut hasher);
        what.hash(&mut hasher);
        // Zero stands for no identity.
        hasher.finish().max(1).to_be_bytes()
    }
}
