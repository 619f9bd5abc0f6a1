//! The other sides of a translated connection, a line for each: `10.96.0.10:80 is 10.9.0.2:80 in #2`.

use super::{
    heading::{end_text, endpoint},
    open_block::End,
};
use crate::{
    output_record::EndpointOutput,
    verdict::{Each, TranslatedEnd, TranslatedSide},
};

/// Returns the line of a side, which names the ends whose endpoints differ there.
pub(super) fn line(ends: &Each<End>, side: &TranslatedSide) -> String {
    let there = |TranslatedEnd { addr, port }| endpoint(&EndpointOutput { addr, port: Some(port) });
    let sides = [(&ends.server.at, there(side.server)), (&ends.client.at, there(side.client))];
    let others = sides.into_iter().filter_map(|(here, there)| other(here, &there, &there));
    format!("{} in #{}", others.collect::<Vec<_>>().join(" and "), side.conn)
}

/// Returns the line of a side that is drawn in the same block, with the processes at its ends.
pub(super) fn line_with_processes(ends: &Each<End>, conn: u64, side: &Each<End>) -> String {
    let sides = [(&ends.server.at, &side.server), (&ends.client.at, &side.client)];
    let others = sides.into_iter().filter_map(|(here, there)| other(here, &endpoint(&there.at), &end_text(there)));
    format!("{} in #{conn}", others.collect::<Vec<_>>().join(" and "))
}

/// Returns the words for an end whose endpoint differs there.
fn other(here: &EndpointOutput, there: &str, words: &str) -> Option<String> {
    let here = endpoint(here);
    (here != there).then(|| format!("{here} is {words}"))
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
        assert_eq!(sides.each_ref().map(|side| line(&ends, side)), expected);
    }
}
