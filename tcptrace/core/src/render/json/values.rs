//! Single values in JSON.

use std::net::IpAddr;

use super::{
    by_serde,
    escape::{is_plain, is_plain_ascii},
};
use crate::{
    event::{Comm, Role},
    output_record::{EndpointOutput, Stamp},
    render::line_writer::Line,
};

impl Line<'_> {
    pub(super) fn string(&mut self, text: &str) -> &mut Self {
        if is_plain(text.as_bytes()) {
            return self.raw("\"").raw(text).raw("\"");
        }
        by_serde(text, self.out());
        self
    }

    pub(super) fn string_or_null(&mut self, text: Option<&str>) -> &mut Self {
        match text {
            Some(text) => self.string(text),
            None => self.raw("null"),
        }
    }

    /// Writes one of a fixed set of words, which need no escapes.
    #[inline]
    pub(super) fn word(&mut self, word: impl Into<&'static str>) -> &mut Self {
        self.raw("\"").raw(word.into()).raw("\"")
    }

    #[inline]
    pub(super) fn word_or_null(&mut self, word: Option<impl Into<&'static str>>) -> &mut Self {
        match word {
            Some(word) => self.word(word),
            None => self.raw("null"),
        }
    }

    pub(super) fn words(&mut self, words: impl Iterator<Item = &'static str>) -> &mut Self {
        self.raw("[");
        for (index, word) in words.enumerate() {
            self.raw(if index == 0 { "" } else { "," }).word(word);
        }
        self.raw("]")
    }

    pub(super) fn truth(&mut self, truth: bool) -> &mut Self {
        self.raw(if truth { "true" } else { "false" })
    }

    pub(super) fn truth_or_null(&mut self, truth: Option<bool>) -> &mut Self {
        match truth {
            Some(truth) => self.truth(truth),
            None => self.raw("null"),
        }
    }

    pub(super) fn number_or_null(&mut self, number: Option<impl Into<u32>>) -> &mut Self {
        match number {
            Some(number) => self.number(number),
            None => self.raw("null"),
        }
    }

    pub(super) fn long_number_or_null(&mut self, number: Option<u64>) -> &mut Self {
        match number {
            Some(number) => self.long_number(number),
            None => self.raw("null"),
        }
    }

    pub(super) fn comm_or_null(&mut self, comm: Option<Comm>) -> &mut Self {
        match comm {
            Some(comm) if is_plain_ascii(comm.bytes()) => self.raw("\"").raw(comm.bytes()).raw("\""),
            Some(comm) => self.string(&String::from_utf8_lossy(comm.bytes())),
            None => self.raw("null"),
        }
    }

    pub(super) fn role_or_null(&mut self, role: Option<Role>) -> &mut Self {
        self.raw(match role {
            Some(Role::Client) => r#""client""#,
            Some(Role::Server) => r#""server""#,
            None => "null",
        })
    }

    pub(super) fn stamp(&mut self, Stamp { time, boot_ns }: &Stamp) -> &mut Self {
        self.raw(r#","time":"#).time_or_null(*time);
        self.raw(r#","boot_ns":"#).long_number_or_null(*boot_ns)
    }

    /// Writes a field that is present only if true.
    pub(super) fn late(&mut self, late: bool) -> &mut Self {
        self.raw(if late { r#","late":true"# } else { "" })
    }

    pub(super) fn conn_netns(&mut self, conn_netns: Option<u32>) -> &mut Self {
        match conn_netns {
            Some(netns) => self.raw(r#","conn_netns":"#).number(netns),
            None => self,
        }
    }

    pub(super) fn address_or_null(&mut self, addr: Option<IpAddr>) -> &mut Self {
        match addr {
            Some(addr) => self.raw("\"").address(addr).raw("\""),
            None => self.raw("null"),
        }
    }

    pub(super) fn endpoint(&mut self, EndpointOutput { addr, port }: &EndpointOutput) -> &mut Self {
        self.raw(r#"{"addr":""#).address(*addr).raw(r#"","port":"#).number_or_null(*port).raw("}")
    }

    pub(super) fn endpoint_or_null(&mut self, endpoint: &Option<EndpointOutput>) -> &mut Self {
        match endpoint {
            Some(endpoint) => self.endpoint(endpoint),
            None => self.raw("null"),
        }
    }
}
