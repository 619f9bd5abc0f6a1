//! The other sides of a translated connection, a line for each: `10.96.0.10:80 is 10.9.0.2:80 in #2`.

use std::fmt;

use super::{
    heading::{end_text, endpoint},
    open_block::End,
};
use crate::{
    output_record::EndpointOutput,
    verdict::{Each, TranslatedEnd, TranslatedSide},
};

/// Another side of a translated connection.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::render) struct Translation {
    pub(in crate::render) conn: u64,
    /// The ends whose endpoints differ there.
    pub(in crate::render) ends: Each<Option<TranslatedTo>>,
}

/// An end and what it is on the other side, in words.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::render) struct TranslatedTo {
    here: String,
    pub(in crate::render) there: String,
}

impl Translation {
    /// Returns that of a side of which only the endpoints are known, seen from the side with these ends.
    pub(super) fn of_endpoints(ends: &Each<End>, side: &TranslatedSide) -> Self {
        let to = |end: &End, TranslatedEnd { addr, port }| {
            let there = endpoint(&EndpointOutput { addr, port: Some(port) });
            translated(&end.at, &there, || there.clone())
        };
        Self {
            conn: side.conn,
            ends: Each { client: to(&ends.client, side.client), server: to(&ends.server, side.server) },
        }
    }

    /// Returns that of a side with these ends, with the processes there.
    pub(super) fn of_ends(ends: &Each<End>, conn: u64, side: &Each<End>) -> Self {
        let to = |end: &End, there: &End| translated(&end.at, &endpoint(&there.at), || end_text(there));
        Self { conn, ends: Each { client: to(&ends.client, &side.client), server: to(&ends.server, &side.server) } }
    }
}

fn translated(here: &EndpointOutput, there: &str, words: impl FnOnce() -> String) -> Option<TranslatedTo> {
    let here = endpoint(here);
    (here != there).then(|| TranslatedTo { here, there: words() })
}

impl fmt::Display for Translation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { conn, ends } = self;
        for (index, TranslatedTo { here, there }) in [&ends.server, &ends.client].into_iter().flatten().enumerate() {
            let and = if index > 0 { "and " } else { "" };
            write!(f, "{and}{here} is {there} ")?;
        }
        write!(f, "in #{conn}")
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;
    use crate::event::Endpoint;

    #[test]
    fn a_line_names_the_ends_that_are_others_there() {
        let at = |last: u8, port| Endpoint { addr: IpAddr::from([10, 9, 0, last]), port };
        let end = |at: Endpoint| End {
            at: EndpointOutput { addr: at.addr, port: Some(at.port) },
            process: None,
            cgroup: None,
            netns_name: None,
        };
        let side = |conn, client: Endpoint, server: Endpoint| TranslatedSide {
            conn,
            client: client.into(),
            server: server.into(),
        };
        let ends = Each { client: end(at(1, 4000)), server: end(at(2, 80)) };
        let sides = [side(2, at(1, 4000), at(3, 8080)), side(3, at(4, 61_000), at(3, 8080))];
        let expected = [
            "10.9.0.2:80 is 10.9.0.3:8080 in #2",
            "10.9.0.2:80 is 10.9.0.3:8080 and 10.9.0.1:4000 is 10.9.0.4:61000 in #3",
        ];
        assert_eq!(sides.each_ref().map(|side| Translation::of_endpoints(&ends, side).to_string()), expected);
    }
}
