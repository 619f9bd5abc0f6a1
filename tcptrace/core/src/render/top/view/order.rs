//! The order of the lines.

use std::cmp::Ordering;

use crate::{
    render::top::{Row, Standing},
    text::WallTime,
};

/// The order of the lines after stalled connections, which always come first.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Column {
    /// Open connections before those that failed, and these before others.
    #[default]
    State,
    /// The oldest first.
    Age,
    /// Address of the client.
    Client,
    /// Address of the server.
    Server,
    /// Name of the process.
    Process,
    /// Most bytes first.
    Bytes,
}

impl Column {
    const ALL: [Self; 6] = [Self::State, Self::Age, Self::Client, Self::Server, Self::Process, Self::Bytes];

    /// Returns the word for this column.
    pub const fn word(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::Age => "age",
            Self::Client => "client",
            Self::Server => "server",
            Self::Process => "process",
            Self::Bytes => "bytes",
        }
    }

    /// Returns the column after this one, and the first after the last.
    pub(super) fn next(self) -> Self {
        let after = Self::ALL.iter().skip_while(|column| **column != self).nth(1);
        after.copied().unwrap_or_default()
    }
}

/// Orders the rows by a column, and moves stalled connections to the front.
pub(super) fn sort(rows: &mut [&Row], column: Column, reversed: bool, now: WallTime) {
    match column {
        // These keys are computed once per row and not for every comparison.
        Column::Client => rows.sort_by_cached_key(|row| row.endpoints().map(|[client, _]| client)),
        Column::Server => rows.sort_by_cached_key(|row| row.endpoints().map(|[_, server]| server)),
        Column::Process => rows.sort_by_cached_key(|row| row.processes()),
        Column::State | Column::Age | Column::Bytes => {
            rows.sort_by(|a, b| compare(column, a, b, now).then(b.id.cmp(&a.id)));
        }
    }
    if reversed {
        rows.reverse();
    }
    rows.sort_by_key(|row| row.standing() != Standing::Stalled);
}

fn compare(column: Column, a: &Row, b: &Row, now: WallTime) -> Ordering {
    let bytes = |row: &Row| {
        row.bytes().map(|bytes| {
            let [to_server, to_client] =
                [bytes.client_to_server, bytes.server_to_client].map(Option::unwrap_or_default);
            to_server.saturating_add(to_client)
        })
    };
    match column {
        Column::Age => b.age_ns(now).cmp(&a.age_ns(now)),
        Column::Bytes => bytes(b).cmp(&bytes(a)),
        _ => a.standing().cmp(&b.standing()),
    }
}
