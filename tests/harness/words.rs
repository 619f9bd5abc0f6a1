//! Verdicts in a few words, so that a test can compare many exchanges.

use serde_json::Value;

use crate::records::{is_type, port, text};

/// Returns the verdicts on each connection between two ports, in order: `KIND OUTCOME RESET; KIND INITIATOR RESET BYTES`,
/// without usual values and nulls. A reset is `by/cause`; the bytes are those of the client and of the server.
pub fn verdicts(records: &[Value], server: u16) -> Vec<String> {
    let of_ports = |record: &&Value| {
        let ports = ["client", "server"].map(|end| port(record, end));
        ports == [Some(server + 1), Some(server)] || ports == [Some(server), Some(server + 1)]
    };
    let find = |kind, conn: &Value| records.iter().find(|record| is_type(record, kind) && record["conn"] == *conn);
    let handshakes = records.iter().filter(|record| is_type(record, "handshake")).filter(of_ports);
    let mut words: Vec<_> = handshakes
        .map(|handshake| {
            let mut words = handshake_words(handshake);
            if let Some(close) = find("close", &handshake["conn"]) {
                words += &format!("; {}", close_words(close));
            }
            (handshake["conn"].as_u64(), words)
        })
        .collect();
    words.sort_by_key(|(conn, _)| *conn);
    words.into_iter().map(|(_, words)| words).collect()
}

fn handshake_words(record: &Value) -> String {
    let kind = Some(text(record, "kind")).filter(|kind| *kind != "three_way");
    let words = [kind.map(str::to_owned), record["outcome"].as_str().map(str::to_owned), reset(record)];
    words.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

fn close_words(record: &Value) -> String {
    let count = |direction| record["bytes"][direction].as_u64().map_or("-".to_owned(), |count| count.to_string());
    let bytes = format!("{}/{}", count("client_to_server"), count("server_to_client"));
    let initiator = record["initiator"].as_str().map(str::to_owned);
    let words = [Some(text(record, "kind").to_owned()), initiator, reset(record), Some(bytes)];
    words.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

fn reset(record: &Value) -> Option<String> {
    let reset = record["reset"].as_object()?;
    Some(format!("{}/{}", reset["by"].as_str()?, reset["cause"].as_str()?))
}
