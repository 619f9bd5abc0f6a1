//! The options of `tcptrace leaks`.

use std::path::PathBuf;

use clap::Args;

use super::{
    options::{filter, without_repeats},
    values,
};
use tcptrace_core::filter::{Filter, HostSet, PortSet};

/// The options of `tcptrace leaks`.
#[derive(Args, Clone, Debug, PartialEq)]
pub struct Leaks {
    /// Only sockets with one of these ports at either end
    #[arg(short, long, value_name = "LIST", allow_negative_numbers = true)]
    port: Vec<PortSet>,

    /// Only sockets with one of these ports at the local end
    #[arg(long, value_name = "LIST", allow_negative_numbers = true)]
    local_port: Vec<PortSet>,

    /// Only sockets with one of these ports at the remote end
    #[arg(long, value_name = "LIST", allow_negative_numbers = true)]
    remote_port: Vec<PortSet>,

    /// Only sockets with one of these addresses at either end
    #[arg(long, value_name = "LIST")]
    host: Vec<HostSet>,

    /// Only IPv4, including IPv4 over IPv6 sockets
    #[arg(short = '4', conflicts_with = "ipv6")]
    ipv4: bool,

    /// Only IPv6
    #[arg(short = '6')]
    ipv6: bool,

    /// Only sockets of these network namespaces; may be repeated [default: all]
    #[arg(long, value_name = "own|all|NAME|PID|PATH", conflicts_with = "read", value_parser = values::netns)]
    netns: Vec<String>,

    /// Write a line of JSON for each socket
    #[arg(long)]
    pub json: bool,

    /// List the sockets that are open at the end of a recording; - is stdin
    #[arg(short, long, value_name = "FILE")]
    pub read: Option<PathBuf>,
}

impl Leaks {
    /// Returns the filter of the sockets to list.
    pub fn filter(&self) -> Filter {
        filter(&self.port, &self.local_port, &self.remote_port, &self.host, (self.ipv4, self.ipv6))
    }

    /// Returns the network namespaces whose sockets to list, as given; empty for the default.
    pub fn netns(&self) -> Vec<String> {
        without_repeats(self.netns.clone())
    }
}
