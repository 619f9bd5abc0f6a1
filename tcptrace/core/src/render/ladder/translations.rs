//! The other sides of a translated connection, a line for each: `10.96.0.10:80 is 10.9.0.2:80 in #2`.

use super::{heading::endpoint, open_block::End};
use crate::{
    output_record::EndpointOutput,
    verdict::{TranslatedEnd, TranslatedSide},
};

/// Returns a line for each side, which names the ends that are others there.
pub(super) fn lines(client: &End, server: &End, sides: Option<&[TranslatedSide]>) -> Vec<String> {
    let line = |side: &TranslatedSide| {
        let ends = [(&server.at, side.server), (&client.at, side.client)];
        let others: Vec<_> = ends.into_iter().filter_map(|(here, there)| other(here, there)).collect();
        format!("{} in #{}", others.join(" and "), side.conn)
    };
    sides.unwrap_or_default().iter().map(line).collect()
}

/// Returns the words for an end that is another one there.
fn other(here: &EndpointOutput, TranslatedEnd { addr, port }: TranslatedEnd) -> Option<String> {
    let there = EndpointOutput { addr, port: Some(port) };
    let [here, there] = [here, &there].map(endpoint);
    (here != there).then(|| format!("{here} is {there}"))
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
        let (client, server) = (end(at(1, 4000)), end(at(2, 80)));
        let sides = [side(2, at(1, 4000), at(3, 8080)), side(3, at(4, 61_000), at(3, 8080))];
        let expected = [
            "10.9.0.2:80 is 10.9.0.3:8080 in #2",
            "10.9.0.2:80 is 10.9.0.3:8080 and 10.9.0.1:4000 is 10.9.0.4:61000 in #3",
        ];
        assert_eq!(lines(&client, &server, Some(&sides)), expected);
        assert!(lines(&client, &server, None).is_empty());
    }
}
