//! Fields of a verdict that make it meaningful beside those of other runs and hosts.

use std::{cell::RefCell, net::IpAddr, sync::Arc};

use community_id::calculate_community_id;

use crate::{text::WallTime, verdict::Severity};

/// Protocol number of TCP (IPPROTO_TCP).
const TCP: u8 = 6;

/// The host and the run of tcptrace from which records come.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Origin {
    /// Name of the host.
    pub host: Option<Arc<str>>,
    /// Identity of the run.
    pub run: Option<Arc<str>>,
}

/// Fields of a verdict that make it meaningful beside those of other runs and hosts.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct Context {
    /// Name of the host, as in the `start` record; null from a capture.
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub host: Option<Arc<str>>,
    /// UUID of the run of tcptrace that saw the events, as in the `start` record: `conn` is unique within it. Null from a capture,
    /// and from recordings without it.
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub run: Option<Arc<str>>,
    /// Time of the connection's first event.
    pub started: WallTime,
    /// Time of that event since boot (`CLOCK_BOOTTIME`) in nanoseconds; null in records made from a capture.
    pub started_ns: Option<u64>,
    /// Seriousness of the verdict.
    pub severity: Severity,
    /// Community ID of the connection (version 1, seed 0), as Zeek, Suricata and Wireshark compute it; null if a port was never
    /// seen.
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub community_id: Option<CommunityId>,
    /// Name of the network namespace `netns`; null if it has none, or unknown.
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub netns_name: Option<Arc<str>>,
}

/// Number of IDs whose text is remembered, a power of two.
const RECENT: usize = 1024;

thread_local! {
    /// Cache of the latest texts, each at the position given by its ports. The handshake and the close of a short connection
    /// have the same ID, and its hash costs more than all the digits of a record.
    static TEXTS: RefCell<Vec<Option<(CommunityId, CommunityIdText)>>> = const { RefCell::new(Vec::new()) };
}

/// The text of a [`CommunityId`]: `1:` and a SHA-1 hash in base64.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct CommunityIdText([u8; 30]);

impl CommunityIdText {
    /// Returns the text.
    pub fn as_str(&self) -> &str {
        str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// A Community ID, computed when it is written.
///
/// The specification is Corelight's [community-id-spec](https://github.com/corelight/community-id-spec).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct CommunityId {
    ends: [(IpAddr, u16); 2],
}

impl CommunityId {
    /// Creates the ID of a connection between two ends with addresses of one family; both orders lead to the same one.
    pub fn new(one: (IpAddr, Option<u16>), other: (IpAddr, Option<u16>)) -> Option<Self> {
        let ends = [(one.0, one.1?), (other.0, other.1?)];
        (one.0.is_ipv4() == other.0.is_ipv4()).then_some(Self { ends })
    }

    /// Returns its text.
    pub fn text(&self) -> Option<CommunityIdText> {
        let [(_, one), (_, other)] = self.ends;
        TEXTS.with_borrow_mut(|texts| {
            if texts.is_empty() {
                texts.resize(RECENT, None);
            }
            let place = texts.get_mut(usize::from(one.rotate_left(8) ^ other) % RECENT)?;
            if let Some((of, text)) = place
                && of == self
            {
                return Some(*text);
            }
            let text = self.compute()?;
            *place = Some((*self, text));
            Some(text)
        })
    }

    fn compute(&self) -> Option<CommunityIdText> {
        let [(source, source_port), (destination, destination_port)] = self.ends;
        let (source_port, destination_port) = (Some(source_port), Some(destination_port));
        let text = calculate_community_id(0, source, destination, source_port, destination_port, TCP, false).ok()?;
        text.as_bytes().try_into().ok().map(CommunityIdText)
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for CommunityId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.text().as_ref().map(CommunityIdText::as_str).serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(one: (&str, u16), other: (&str, u16)) -> Option<String> {
        let end = |(addr, port): (&str, u16)| (addr.parse().expect("an address"), Some(port));
        CommunityId::new(end(one), end(other))?.text().map(|text| text.as_str().to_owned())
    }

    /// The specification's own examples.
    #[test]
    fn ids_are_those_of_the_specification() {
        for (one, other, expected) in [
            (("128.232.110.120", 34855), ("66.35.250.204", 80), "1:LQU9qZlK+B5F3KDmev6m5PMibrg="),
            (
                ("2001:470:e5bf:dead:4957:2174:e82c:4887", 63943),
                ("2607:f8b0:400c:c03::1a", 25),
                "1:/qFaeAR+gFe1KYjMzVDsMv+wgU4=",
            ),
        ] {
            assert_eq!(id(one, other).as_deref(), Some(expected));
            assert_eq!(id(other, one).as_deref(), Some(expected), "in either direction");
        }
    }

    #[test]
    fn ids_in_one_place_of_the_memory_keep_their_own_texts() {
        let id = |last| CommunityId::new(([10, 0, 0, last].into(), Some(5)), ([10, 0, 0, 9].into(), Some(80)));
        let ids = [1, 2, 1, 2].map(|last| id(last).expect("both ports are known"));
        assert_eq!(ids.map(|id| id.text()), ids.map(|id| id.compute()));
        assert_ne!(ids[0].text(), ids[1].text());
    }

    #[test]
    fn without_a_port_there_is_none() {
        let addr = IpAddr::from([10, 0, 0, 1]);
        assert_eq!(CommunityId::new((addr, None), (addr, Some(80))), None);
        assert_eq!(CommunityId::new((addr, Some(80)), (addr, None)), None);
    }
}
