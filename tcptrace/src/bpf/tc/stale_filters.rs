//! Removes clsact filters that killed tracers left behind, and the qdiscs created for them. TCX links leave nothing.
//!
//! The names of filters identify their tracers. Filters of other programs and of running tracers stay, and so do those of
//! tracers in other PID namespaces, whose state is unknown.

use std::{
    fmt::{self, Display, Formatter},
    io,
};

use futures_util::TryStreamExt as _;
use rtnetlink::Handle;

use super::{
    clsact::{self, Clsact, Swept},
    filter_name::TracerId,
    interface::Interface,
};
use tcptrace_core::text::Escaped;

/// The outcome of [`clean`].
#[derive(Debug, Default)]
pub struct Cleaned {
    /// The interfaces from which something was removed.
    pub removed: Vec<Removed>,
    /// The escaped names of the interfaces on which filters may be left, with the kernel's error.
    pub failed: Vec<(String, io::Error)>,
}

impl Cleaned {
    /// Adds the outcome in another network namespace, which has this name.
    pub fn add(&mut self, namespace: &str, other: Self) {
        let place = |interface: String| format!("{interface} of the network namespace {namespace}");
        let removed = other.removed.into_iter();
        self.removed.extend(removed.map(|removed| Removed { interface: place(removed.interface), ..removed }));
        self.failed.extend(other.failed.into_iter().map(|(interface, error)| (place(interface), error)));
    }

    /// A text that lists what was removed; none if nothing was.
    pub fn removed_text(&self) -> Option<String> {
        let removed: Vec<String> = self.removed.iter().map(ToString::to_string).collect();
        (!removed.is_empty()).then(|| removed.join("; "))
    }
}

/// The filters removed from one interface.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Removed {
    /// Name of the interface, escaped.
    pub interface: String,
    /// Number of filters.
    pub filters: usize,
    /// The clsact qdisc was removed too: a tcptrace had created it, and no filter was left on it.
    pub qdisc: bool,
}

impl Display for Removed {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let plural = if self.filters == 1 { "" } else { "s" };
        write!(f, "{} filter{plural} on {}", self.filters, self.interface)?;
        if self.qdisc { f.write_str(" and its clsact qdisc") } else { Ok(()) }
    }
}

/// Removes the filters of tracers that have ended, and no others, from these interfaces of this network namespace. Needs
/// CAP_NET_ADMIN if there are any.
pub async fn clean(netlink: &Handle, interfaces: &[Interface]) -> Cleaned {
    let mut cleaned = Cleaned::default();
    let with_qdisc = match with_qdisc(netlink).await {
        Ok(with_qdisc) => with_qdisc,
        Err(error) => {
            cleaned.failed.push(("all interfaces".to_owned(), error));
            return cleaned;
        }
    };
    for interface in interfaces.iter().filter(|interface| with_qdisc.contains(&interface.index)) {
        let name = Escaped(interface.name.as_bytes()).to_string();
        match Clsact::of(netlink, interface.index).sweep(false, TracerId::has_ended).await {
            Ok(Swept { filters: 0, .. }) => {}
            Ok(Swept { filters, qdisc }) => cleaned.removed.push(Removed { interface: name, filters, qdisc }),
            Err(error) => cleaned.failed.push((name, error)),
        }
    }
    cleaned
}

/// The indices of the interfaces that have a clsact qdisc.
pub(crate) async fn with_qdisc(netlink: &Handle) -> io::Result<Vec<u32>> {
    let qdiscs = netlink.qdisc().get().execute();
    let indices = qdiscs.try_filter_map(|qdisc| async move {
        let is_clsact = clsact::has_clsact_parent(&qdisc) && clsact::kind(&qdisc).as_deref() == Some(clsact::KIND);
        Ok(u32::try_from(qdisc.header.index).ok().filter(|_| is_clsact))
    });
    indices.try_collect().await.map_err(clsact::cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_was_removed() {
        let removed = |filters, qdisc| Removed { interface: "eth0".to_owned(), filters, qdisc };
        assert_eq!(removed(1, false).to_string(), "1 filter on eth0");
        assert_eq!(removed(2, true).to_string(), "2 filters on eth0 and its clsact qdisc");
        assert_eq!(Cleaned::default().removed_text(), None);
        let cleaned = Cleaned { removed: vec![removed(1, false), removed(2, false)], failed: Vec::new() };
        assert_eq!(cleaned.removed_text().as_deref(), Some("1 filter on eth0; 2 filters on eth0"));
        let mut all = Cleaned::default();
        all.add("blue", cleaned);
        let expected =
            "1 filter on eth0 of the network namespace blue; 2 filters on eth0 of the network namespace blue";
        assert_eq!(all.removed_text().as_deref(), Some(expected));
    }
}
