//! The choice of sockets whose state changes are traced.

use super::{Filter, PortSet};

/// The sockets whose state changes are traced, where options select one end of a connection: segments of the other end are
/// traced as well, its states are not.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StatesOf {
    /// Ports, one of which the socket has; null for any.
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub local_ports: Option<PortSet>,
    /// Ports, one of which the other end has; null for any.
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub remote_ports: Option<PortSet>,
    /// True if only sockets count that are in the network namespaces whose segments are traced.
    pub traced_netns: bool,
}

impl StatesOf {
    /// Returns what a filter selects; `None` for both ends of every connection.
    pub fn of(filter: &Filter, traced_netns: bool) -> Option<Self> {
        let Filter { local_ports, remote_ports, .. } = filter;
        let some = traced_netns || local_ports.is_some() || remote_ports.is_some();
        some.then(|| Self { local_ports: local_ports.clone(), remote_ports: remote_ports.clone(), traced_netns })
    }

    /// Returns the sockets that two choices have in common, such as those at recording and at reading.
    pub fn in_both(first: Option<Self>, second: Option<Self>) -> Option<Self> {
        let (first, second) = match (first, second) {
            (Some(first), Some(second)) => (first, second),
            (first, second) => return first.or(second),
        };
        Some(Self {
            local_ports: common(first.local_ports, second.local_ports),
            remote_ports: common(first.remote_ports, second.remote_ports),
            traced_netns: first.traced_netns || second.traced_netns,
        })
    }

    /// Returns true if the states of a socket with these ports are traced, as far as that depends on the ports.
    pub fn has_ports(&self, local: u16, remote: u16) -> bool {
        super::has(&self.local_ports, local) && super::has(&self.remote_ports, remote)
    }
}

fn common(first: Option<PortSet>, second: Option<PortSet>) -> Option<PortSet> {
    match (first, second) {
        (Some(first), Some(second)) => Some(first.in_both(&second)),
        (first, second) => first.or(second),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ports(list: &str) -> Option<PortSet> {
        Some(list.parse().expect("a list of ports"))
    }

    #[test]
    fn only_options_that_select_one_end_leave_states_out() {
        let both = Filter { ports: ports("80"), ..Filter::default() };
        assert_eq!(StatesOf::of(&both, false), None);
        let one = StatesOf::of(&Filter { remote_ports: ports("80"), ..Filter::default() }, false).expect("a choice");
        assert!(one.has_ports(40_000, 80));
        assert!(!one.has_ports(80, 40_000));
        assert!(StatesOf::of(&Filter::default(), true).is_some_and(|choice| choice.has_ports(1, 2)));
    }

    #[test]
    fn what_reading_leaves_out_is_left_out_of_a_recording() {
        let recorded = StatesOf { local_ports: ports("80-90"), ..StatesOf::default() };
        let read = StatesOf { local_ports: ports("85-100"), remote_ports: ports("7"), traced_netns: true };
        let both = StatesOf { local_ports: ports("85-90"), ..read.clone() };
        assert_eq!(StatesOf::in_both(Some(recorded.clone()), Some(read)), Some(both));
        assert_eq!(StatesOf::in_both(Some(recorded.clone()), None), Some(recorded));
    }
}
