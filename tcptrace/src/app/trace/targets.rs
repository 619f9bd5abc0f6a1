//! The interfaces and network namespaces to trace, by the options and the rights of this process.

use std::os::unix::fs::MetadataExt as _;

use anyhow::{Context as _, Result};
use caps::{CapSet, Capability, has_cap};
use log::debug;

use crate::{interfaces::Interface, namespaces::Selection, pid_namespace};
use tcptrace_core::text::Escaped;

/// Returns true if the interface is one of those named or, if none is named, if it is up.
pub(super) fn is_wanted(named: &[String], interface: &Interface) -> bool {
    if named.is_empty() { interface.up } else { named.contains(&interface.name) }
}

/// Returns the indices of the interfaces with these names.
pub(super) fn indices(wanted: &[String], present: &[Interface]) -> Result<Vec<u32>> {
    let index = |name: &String| {
        present.iter().find(|interface| interface.name == *name).map(|interface| interface.index).ok_or_else(|| {
            let names: Vec<String> =
                present.iter().map(|interface| Escaped(interface.name.as_bytes()).to_string()).collect();
            anyhow::anyhow!("there is no interface {}; there are: {}", Escaped(name.as_bytes()), names.join(", "))
        })
    };
    wanted.iter().map(index).collect()
}

/// Returns the namespaces that the options choose; `None` if interfaces are chosen, or by default without the right to enter
/// namespaces: then the states of all namespaces are traced, and the segments of tcptrace's own.
pub(in crate::app) fn select(netns: &[String], interfaces: &[String], own: u32) -> Result<Option<Selection>> {
    match netns {
        [] if !pid_namespace::is_own_the_hosts() => Ok(Some(Selection::Only(vec![own]))),
        [] if !interfaces.is_empty() => Ok(None),
        [] if !has_cap(None, CapSet::Effective, Capability::CAP_SYS_ADMIN).unwrap_or_default() => {
            debug!("without CAP_SYS_ADMIN, the segments of other network namespaces are not seen");
            Ok(None)
        }
        [] => Ok(Some(Selection::All)),
        list => Ok(Some(Selection::of(list, own)?)),
    }
}

/// Returns the inode number of this process's network namespace.
pub(in crate::app) fn own_netns() -> Result<u32> {
    let link = "/proc/self/ns/net";
    let inode = std::fs::metadata(link).with_context(|| format!("cannot read {link}; is /proc mounted?"))?.ino();
    u32::try_from(inode).with_context(|| format!("{link} has the unexpected inode number {inode}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interface(index: u32, name: &str) -> Interface {
        Interface { index, name: name.to_owned(), up: true, loopback: false, bridge: false, packets: 0 }
    }

    #[test]
    fn an_interface_that_is_not_there_is_named_with_those_that_are() {
        let present = [interface(1, "lo"), interface(4, "eth0")];
        assert_eq!(indices(&["eth0".to_owned()], &present).expect("it is there"), [4]);
        let error = indices(&["eth9".to_owned()], &present).expect_err("it is not there");
        assert_eq!(error.to_string(), "there is no interface eth9; there are: lo, eth0");
    }
}
