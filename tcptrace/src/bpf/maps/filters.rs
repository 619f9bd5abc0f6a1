//! Fills the maps that hold the filter's lists.

use std::io;

use aya::maps::{Array, HashMap, LpmTrie, MapData, lpm_trie::Key};
use tcptrace_ebpf::{
    MATCH_FAMILY_V4, MATCH_FAMILY_V6, MATCH_HOSTS, MATCH_INTERFACES, MATCH_LOCAL_PORTS, MATCH_PORTS,
    MATCH_REMOTE_PORTS, PORT_WORDS, PORTS_EITHER, PORTS_LOCAL, PORTS_REMOTE, names,
};
use zerocopy::IntoBytes as _;

use crate::bpf::{
    error::{LoadError, missing},
    object::{LoadSettings, Object},
};
use tcptrace_core::{
    event::Family,
    filter::{Filter, PortSet},
};

impl Object {
    /// Fills the maps with the lists of the filter.
    pub(in crate::bpf) fn fill_maps(&mut self, settings: &LoadSettings<'_>) -> Result<(), LoadError> {
        let filter = settings.filter;
        let lists =
            [(PORTS_EITHER, &filter.ports), (PORTS_LOCAL, &filter.local_ports), (PORTS_REMOTE, &filter.remote_ports)];
        for (list, ports) in lists {
            if let Some(ports) = ports {
                self.fill_ports(list, ports).map_err(|cause| LoadError::Map { map: names::PORTS, cause })?;
            }
        }
        if let Some(hosts) = &filter.hosts {
            self.fill_hosts(hosts.keys()).map_err(|cause| LoadError::Map { map: names::HOSTS, cause })?;
        }
        if let Some(inodes) = settings.namespaces {
            self.fill_numbers(names::NETNS, inodes).map_err(|cause| LoadError::Map { map: names::NETNS, cause })?;
        }
        self.fill_interfaces(settings.interfaces).map_err(|cause| LoadError::Map { map: names::INTERFACES, cause })
    }

    fn fill_ports(&mut self, list: u32, ports: &PortSet) -> io::Result<()> {
        let map = self.ebpf.map_mut(names::PORTS).ok_or_else(missing)?;
        let mut map: Array<&mut MapData, u64> = map.try_into().map_err(io::Error::other)?;
        for (word, bits) in (list * PORT_WORDS..).zip(ports.words()) {
            if bits != 0 {
                map.set(word, &bits, 0).map_err(io::Error::other)?;
            }
        }
        Ok(())
    }

    fn fill_hosts(&mut self, keys: impl Iterator<Item = (u32, [u8; 17])>) -> io::Result<()> {
        let map = self.ebpf.map_mut(names::HOSTS).ok_or_else(missing)?;
        let mut map: LpmTrie<&mut MapData, [u64; 3], u8> = map.try_into().map_err(io::Error::other)?;
        for (prefix, [family, address @ ..]) in keys {
            let mut data = [0_u64; 3];
            let (head, tail) = data.as_mut_bytes().split_at_mut(8);
            head[0] = family;
            tail.copy_from_slice(&address);
            // The family takes a whole word here, but a byte in `keys`.
            map.insert(&Key::new(prefix + 56, data), &1, 0).map_err(io::Error::other)?;
        }
        Ok(())
    }

    fn fill_interfaces(&mut self, interfaces: &[u32]) -> io::Result<()> {
        self.fill_numbers(names::INTERFACES, interfaces)
    }

    fn fill_numbers(&mut self, map: &str, numbers: &[u32]) -> io::Result<()> {
        let map = self.ebpf.map_mut(map).ok_or_else(missing)?;
        let mut map: HashMap<&mut MapData, u32, u8> = map.try_into().map_err(io::Error::other)?;
        numbers.iter().try_for_each(|number| map.insert(number, &1, 0).map_err(io::Error::other))
    }

    /// Adds the index of an interface that the filter names.
    ///
    /// # Errors
    /// When the map is full.
    pub fn add_interface(&mut self, index: u32) -> Result<(), LoadError> {
        self.fill_interfaces(&[index]).map_err(|cause| LoadError::Map { map: names::INTERFACES, cause })
    }
}

/// Returns which filters there are, as bits.
pub(in crate::bpf) fn match_bits(filter: &Filter) -> u32 {
    let bits = [
        (filter.ports.is_some(), MATCH_PORTS),
        (filter.local_ports.is_some(), MATCH_LOCAL_PORTS),
        (filter.remote_ports.is_some(), MATCH_REMOTE_PORTS),
        (filter.hosts.is_some(), MATCH_HOSTS),
        (filter.family == Some(Family::V4), MATCH_FAMILY_V4),
        (filter.family == Some(Family::V6), MATCH_FAMILY_V6),
        (!filter.interfaces.is_empty(), MATCH_INTERFACES),
    ];
    bits.iter().filter(|(wanted, _)| *wanted).fold(0, |all, (_, bit)| all | bit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_filter_has_its_bit() {
        let filter = Filter {
            ports: Some("80".parse().expect("a port")),
            hosts: Some("::1".parse().expect("an address")),
            family: Some(Family::V6),
            ..Filter::default()
        };
        assert_eq!(match_bits(&filter), MATCH_PORTS | MATCH_HOSTS | MATCH_FAMILY_V6);
        assert_eq!(match_bits(&Filter::default()), 0);
        let filter = Filter {
            local_ports: Some("1".parse().expect("a port")),
            remote_ports: Some("2".parse().expect("a port")),
            family: Some(Family::V4),
            interfaces: vec!["lo".to_owned()],
            ..Filter::default()
        };
        assert_eq!(match_bits(&filter), MATCH_LOCAL_PORTS | MATCH_REMOTE_PORTS | MATCH_FAMILY_V4 | MATCH_INTERFACES);
    }
}
