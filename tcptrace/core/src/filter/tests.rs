use proptest::prelude::*;

use super::*;

const HERE: &str = "10.0.0.1";
const THERE: &str = "192.0.2.9";

fn end(addr: &str, port: u16) -> Endpoint {
    Endpoint { addr: addr.parse().unwrap(), port }
}

fn ports(text: &str) -> Option<PortSet> {
    Some(text.parse().unwrap())
}

#[test]
fn the_words_name_every_part() {
    assert_eq!(Filter::default().to_string(), "");
    let filter = Filter {
        ports: ports("443,80"),
        local_ports: ports("22"),
        remote_ports: ports("1024-2048"),
        hosts: Some("10.0.0.0/8,::1".parse().unwrap()),
        family: Some(Family::V4),
        interfaces: vec!["eth0".to_owned(), "lo".to_owned()],
        who: Who { pids: vec![801], ..Who::default() },
    };
    assert_eq!(
        filter.to_string(),
        "port 80,443 and local port 22 and remote port 1024-2048 and host 10.0.0.0/8,::1 and IPv4 and interface eth0,lo \
         and pid 801"
    );
    assert_eq!(Filter { family: Some(Family::V6), ..Filter::default() }.to_string(), "IPv6");
}

#[test]
fn without_a_filter_everything_matches() {
    assert!(Filter::default().matches(end(HERE, 0), end(THERE, 0), Ends::LocalIsFirst));
    assert!(Filter::default().matches(end("::", 1), end("::", 2), Ends::Either));
}

#[test]
fn the_port_of_either_end_is_enough() {
    let filter = Filter { ports: ports("80"), ..Filter::default() };
    assert!(filter.matches(end(HERE, 80), end(THERE, 5000), Ends::LocalIsFirst));
    assert!(filter.matches(end(HERE, 5000), end(THERE, 80), Ends::LocalIsFirst));
    assert!(!filter.matches(end(HERE, 5000), end(THERE, 81), Ends::Either));
}

#[test]
fn local_and_remote_ports_have_to_hold_the_same_way_round() {
    let filter = Filter { local_ports: ports("80"), remote_ports: ports("5000-5010"), ..Filter::default() };
    assert!(filter.matches(end(HERE, 80), end(THERE, 5000), Ends::LocalIsFirst));
    assert!(!filter.matches(end(HERE, 5000), end(THERE, 80), Ends::LocalIsFirst));
    assert!(filter.matches(end(HERE, 5000), end(THERE, 80), Ends::Either));

    // Port 80 is local one way round, 5000 is remote the other way round: neither way has both.
    let filter = Filter { local_ports: ports("80"), remote_ports: ports("80"), ..Filter::default() };
    assert!(!filter.matches(end(HERE, 80), end(THERE, 5000), Ends::Either));
}

#[test]
fn mapped_addresses_are_ipv4() {
    let filter = Filter { family: Some(Family::V4), hosts: Some("10.0.0.1".parse().unwrap()), ..Filter::default() };
    assert!(filter.matches(end("::ffff:10.0.0.1", 1), end("::ffff:192.0.2.9", 2), Ends::LocalIsFirst));
    assert!(!filter.matches(end("::1", 1), end("::1", 2), Ends::LocalIsFirst));
    assert_eq!(Family::of("::ffff:10.0.0.1".parse().unwrap()), Family::V4);
    assert_eq!(Family::of("::1".parse().unwrap()), Family::V6);
}

/// A filter as plain lists.
#[derive(Clone, Debug)]
struct Model {
    ports: Option<Vec<u16>>,
    local_ports: Option<Vec<u16>>,
    remote_ports: Option<Vec<u16>>,
    hosts: Option<Vec<&'static str>>,
    family: Option<Family>,
}

impl Model {
    fn filter(&self) -> Filter {
        let set = |ports: &Option<Vec<u16>>| {
            ports.as_ref().map(|ports| {
                let items: Vec<String> = ports.iter().map(u16::to_string).collect();
                items.join(",").parse().unwrap()
            })
        };
        Filter {
            ports: set(&self.ports),
            local_ports: set(&self.local_ports),
            remote_ports: set(&self.remote_ports),
            hosts: self.hosts.as_ref().map(|hosts| hosts.join(",").parse().unwrap()),
            family: self.family,
            interfaces: Vec::new(),
            who: Who::default(),
        }
    }

    /// Tries each way round separately and checks every part in turn.
    fn matches(&self, first: (&str, u16), second: (&str, u16), ends: Ends) -> bool {
        let ways = match ends {
            Ends::LocalIsFirst => vec![(first, second)],
            Ends::Either => vec![(first, second), (second, first)],
        };
        ways.into_iter().any(|(local, remote)| {
            let in_list = |list: &Option<Vec<u16>>, candidates: &[u16]| match list {
                None => true,
                Some(list) => candidates.iter().any(|port| list.contains(port)),
            };
            in_list(&self.ports, &[local.1, remote.1])
                && in_list(&self.local_ports, &[local.1])
                && in_list(&self.remote_ports, &[remote.1])
                && match &self.hosts {
                    None => true,
                    Some(hosts) => hosts.contains(&local.0) || hosts.contains(&remote.0),
                }
                && match self.family {
                    None => true,
                    Some(Family::V4) => !local.0.contains(':'),
                    Some(Family::V6) => local.0.contains(':'),
                }
        })
    }
}

fn models() -> impl Strategy<Value = Model> {
    let ports = || prop::option::of(prop::collection::vec(1..5_u16, 1..3));
    let hosts = prop::sample::subsequence(vec!["10.0.0.1", "10.0.0.2", "::1", "::2"], 1..4);
    let family = prop::option::of(prop_oneof![Just(Family::V4), Just(Family::V6)]);
    (ports(), ports(), ports(), prop::option::of(hosts), family).prop_map(
        |(ports, local_ports, remote_ports, hosts, family)| Model { ports, local_ports, remote_ports, hosts, family },
    )
}

fn pairs() -> impl Strategy<Value = ((&'static str, u16), (&'static str, u16))> {
    let of = |addrs: [&'static str; 2]| {
        let end = move || (prop::sample::select(addrs.to_vec()), 0..5_u16);
        (end(), end())
    };
    prop_oneof![of(["10.0.0.1", "10.0.0.2"]), of(["::1", "::2"])]
}

proptest! {
    #[test]
    fn matching_agrees_with_the_model(
        model in models(),
        (first, second) in pairs(),
        ends in prop_oneof![Just(Ends::LocalIsFirst), Just(Ends::Either)],
    ) {
        let matches = model.filter().matches(end(first.0, first.1), end(second.0, second.1), ends);
        prop_assert_eq!(matches, model.matches(first, second, ends));
    }
}
