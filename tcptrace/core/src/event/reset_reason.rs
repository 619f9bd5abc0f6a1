//! The kernel's reasons for sending a reset, in its own words.

use std::{fmt, str::FromStr};

/// Defines the enumeration and the list of its names from one table.
macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)+) => {
        /// A member of the kernel's `enum sk_rst_reason` (`include/net/rstreason.h`, Linux 6.10 and later), whose numbers
        /// differ between kernels.
        ///
        /// Displayed as the kernel's name without its prefix, in lower case: `tcp_state`.
        #[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
        pub enum ResetReason {
            $($(#[$doc])* $variant,)+
            /// A reason without a name here, by its number in the kernel that was traced.
            Other(u32),
        }

        impl ResetReason {
            /// Every reason with a name.
            const NAMED: &[(Self, &str)] = &[$((Self::$variant, $name)),+];
        }
    };
}

reasons! {
    /// No reason given.
    NotSpecified = "not_specified",
    /// No socket matches the segment.
    NoSocket = "no_socket",
    /// The acknowledgement number is outside the range that was sent.
    TcpInvalidAckSequence = "tcp_invalid_ack_sequence",
    /// The timestamp is too old (RFC 7323 §5, PAWS).
    TcpRfc7323Paws = "tcp_rfc7323_paws",
    /// The acknowledgement is too old.
    TcpTooOldAck = "tcp_too_old_ack",
    /// The acknowledgement is for data that was not sent.
    TcpAckUnsentData = "tcp_ack_unsent_data",
    /// The flags are not valid in the socket's state.
    TcpFlags = "tcp_flags",
    /// The acknowledgement is old, but within the window.
    TcpOldAck = "tcp_old_ack",
    /// Data arrived after close().
    TcpAbortOnData = "tcp_abort_on_data",
    /// The segment arrived at a socket in TIME_WAIT.
    TcpTimewaitSocket = "tcp_timewait_socket",
    /// A SYN that is not acceptable.
    InvalidSyn = "invalid_syn",
    /// close() with unread data.
    TcpAbortOnClose = "tcp_abort_on_close",
    /// FIN_WAIT2 ended at once because of TCP_LINGER2.
    TcpAbortOnLinger = "tcp_abort_on_linger",
    /// Too much memory was used by orphaned sockets.
    TcpAbortOnMemory = "tcp_abort_on_memory",
    /// The state requires a reset (RFC 9293 §3.10.5): SO_LINGER 0, a closed listener, a socket destroyed from outside.
    TcpState = "tcp_state",
    /// Keep-alive probes were not answered.
    TcpKeepaliveTimeout = "tcp_keepalive_timeout",
    /// connect() to AF_UNSPEC with unsent data.
    TcpDisconnectWithData = "tcp_disconnect_with_data",
    /// MPTCP: unspecified error (RFC 8684 §3.6, as are the following).
    MptcpRstEunspec = "mptcp_rst_eunspec",
    /// MPTCP: an option could not be processed.
    MptcpRstEmptcp = "mptcp_rst_emptcp",
    /// MPTCP: lack of resources.
    MptcpRstEresource = "mptcp_rst_eresource",
    /// MPTCP: prohibited by policy.
    MptcpRstEprohibit = "mptcp_rst_eprohibit",
    /// MPTCP: too much data is outstanding.
    MptcpRstEwq2big = "mptcp_rst_ewq2big",
    /// MPTCP: the subflow is too slow.
    MptcpRstEbadperf = "mptcp_rst_ebadperf",
    /// MPTCP: a middlebox interferes.
    MptcpRstEmiddlebox = "mptcp_rst_emiddlebox",
    /// An error that should not occur.
    Error = "error",
}

/// Prefix of the number in the text form of [`ResetReason::Other`].
const OTHER: &str = "other_";

impl ResetReason {
    /// Prefix of the kernel's names.
    const PREFIX: &str = "SK_RST_REASON_";

    /// Returns the reason with this name in the kernel, such as `SK_RST_REASON_NO_SOCKET`.
    pub fn from_kernel(name: &str) -> Option<Self> {
        let name = name.strip_prefix(Self::PREFIX)?;
        Self::NAMED.iter().find(|(_, known)| known.eq_ignore_ascii_case(name)).map(|&(reason, _)| reason)
    }

    fn name(self) -> Option<&'static str> {
        Self::NAMED.iter().find(|&&(known, _)| known == self).map(|&(_, name)| name)
    }
}

impl ResetReason {
    /// Returns true if the reset ends the socket that sends it, rather than refusing a segment.
    pub const fn ends_socket(self) -> bool {
        matches!(
            self,
            Self::NotSpecified
                | Self::TcpAbortOnData
                | Self::TcpAbortOnClose
                | Self::TcpAbortOnLinger
                | Self::TcpAbortOnMemory
                | Self::TcpState
                | Self::TcpKeepaliveTimeout
                | Self::TcpDisconnectWithData
        )
    }
}

impl fmt::Display for ResetReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self, self.name()) {
            (Self::Other(number), _) => write!(f, "{OTHER}{number}"),
            (_, name) => f.pad(name.unwrap_or_default()),
        }
    }
}

/// A text that is not the name of a reason.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("'{}' is not a reason for a reset", .0.escape_debug())]
pub struct ResetReasonError(String);

/// Parses the text that [`ResetReason`] is displayed as.
impl FromStr for ResetReason {
    type Err = ResetReasonError;

    fn from_str(text: &str) -> Result<Self, ResetReasonError> {
        let named = Self::NAMED.iter().find(|&&(_, name)| name == text).map(|&(reason, _)| reason);
        let other = || text.strip_prefix(OTHER)?.parse().ok().map(Self::Other);
        named.or_else(other).ok_or_else(|| ResetReasonError(text.to_owned()))
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for ResetReason {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::text::from_word(deserializer, "a reason for a reset", |word| word.parse().ok())
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for ResetReason {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for ResetReason {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ResetReason".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let names: Vec<&str> = Self::NAMED.iter().map(|&(_, name)| name).collect();
        schemars::json_schema!({
            "description": "A reason for a reset by the kernel's name without its prefix (include/net/rstreason.h), or \
                `other_` and the number of one that is not known here.",
            "type": "string",
            "pattern": format!("^({}|{OTHER}[0-9]+)$", names.join("|")),
        })
    }
}

/// Table from the numbers of the traced kernel to reasons.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ResetReasons(Vec<(u32, ResetReason)>);

impl ResetReasons {
    /// Creates the table from the members of the kernel's enumeration, without those that have no name here.
    pub fn of_kernel<'a>(members: impl IntoIterator<Item = (&'a str, u32)>) -> Self {
        let known = members.into_iter().filter_map(|(name, number)| Some((number, ResetReason::from_kernel(name)?)));
        Self(known.collect())
    }

    /// Returns the numbers and their reasons.
    pub fn iter(&self) -> impl Iterator<Item = (u32, ResetReason)> {
        self.0.iter().copied()
    }

    /// Returns the reason with this number.
    pub fn get(&self, number: u32) -> ResetReason {
        let known = self.0.iter().find(|&&(known, _)| known == number);
        known.map_or(ResetReason::Other(number), |&(_, reason)| reason)
    }
}

impl FromIterator<(u32, ResetReason)> for ResetReasons {
    fn from_iter<I: IntoIterator<Item = (u32, ResetReason)>>(reasons: I) -> Self {
        Self(reasons.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_the_kernels_and_numbers_those_of_its_own_enumeration() {
        let reasons = ResetReasons::of_kernel([
            ("SK_RST_REASON_NOT_SPECIFIED", 0),
            ("SK_RST_REASON_TCP_RFC7323_PAWS", 3),
            ("SK_RST_REASON_MAX", 25),
            ("SOMETHING_ELSE", 4),
        ]);
        assert_eq!(reasons.get(0), ResetReason::NotSpecified);
        assert_eq!(reasons.get(3), ResetReason::TcpRfc7323Paws);
        assert_eq!(reasons.get(25), ResetReason::Other(25), "MAX is not a reason");
        assert_eq!(ResetReasons::default().get(1), ResetReason::Other(1));
    }

    #[test]
    fn every_name_is_read_back() {
        for &(reason, name) in ResetReason::NAMED {
            assert_eq!(reason.to_string(), name);
            assert_eq!(name.parse(), Ok(reason));
            assert_eq!(ResetReason::from_kernel(&format!("SK_RST_REASON_{}", name.to_uppercase())), Some(reason));
        }
    }

    #[test]
    fn what_is_no_reason_is_an_error() {
        for text in ["", "other_", "other_-1", "NO_SOCKET", "max"] {
            assert_eq!(text.parse::<ResetReason>(), Err(ResetReasonError(text.to_owned())));
        }
    }

    proptest! {
        #[test]
        fn other_reasons_are_read_back_too(number: u32) {
            let reason = ResetReason::Other(number);
            prop_assert_eq!(reason.to_string().parse(), Ok(reason));
        }

        #[test]
        fn reading_never_panics(text in "\\PC{0,20}|other_[0-9]{0,20}") {
            let _any_answer = text.parse::<ResetReason>();
        }
    }
}
