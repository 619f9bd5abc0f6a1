//! The ACE field of Accurate ECN (RFC 9768 §3.2.2).

use std::fmt;

/// The flags AE, CWR and ECE of a segment as the number that they are once a handshake has negotiated Accurate ECN.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ace {
    /// The sender's counter of segments received with CE, modulo 8; it starts at 5.
    Counter(u8),
    /// The IP-ECN field of the SYN,ACK as the sender received it, encoded: only in the ACK that answers a SYN,ACK.
    SynAck(u8),
}

impl Ace {
    /// Returns the number, from 0 to 7.
    pub fn value(self) -> u8 {
        match self {
            Self::Counter(value) | Self::SynAck(value) => value,
        }
    }

    /// Returns the IP-ECN field of the SYN,ACK; `None` for a counter.
    pub fn synack_ecn(self) -> Option<SynAckEcn> {
        match self {
            Self::Counter(_) => None,
            // RFC 9768, table 4
            Self::SynAck(2) => Some(SynAckEcn::NotEct),
            Self::SynAck(3) => Some(SynAckEcn::Ect1),
            Self::SynAck(4) => Some(SynAckEcn::Ect0),
            Self::SynAck(6) => Some(SynAckEcn::Ce),
            Self::SynAck(_) => Some(SynAckEcn::Unknown),
        }
    }
}

/// The IP-ECN field with which a SYN,ACK arrived at the client.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum SynAckEcn {
    /// Not ECN-capable.
    NotEct,
    /// ECN-capable, ECT(1).
    Ect1,
    /// ECN-capable, ECT(0).
    Ect0,
    /// Congestion experienced.
    Ce,
    /// The value stands for none of the four.
    Unknown,
}

impl SynAckEcn {
    /// Every value.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 5] = [Self::NotEct, Self::Ect1, Self::Ect0, Self::Ce, Self::Unknown];

    /// Returns its word in JSON.
    pub const fn word(self) -> &'static str {
        match self {
            Self::NotEct => "not_ect",
            Self::Ect1 => "ect1",
            Self::Ect0 => "ect0",
            Self::Ce => "ce",
            Self::Unknown => "unknown",
        }
    }
}

/// Shows it in the words of RFC 3168.
impl fmt::Display for SynAckEcn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotEct => "Not-ECT",
            Self::Ect1 => "ECT(1)",
            Self::Ect0 => "ECT(0)",
            Self::Ce => "CE",
            Self::Unknown => "unknown",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_values_stand_for_the_field_of_the_synack() {
        let read: Vec<_> = (0..8).map(|value| Ace::SynAck(value).synack_ecn().unwrap().to_string()).collect();
        assert_eq!(read, ["unknown", "unknown", "Not-ECT", "ECT(1)", "ECT(0)", "unknown", "CE", "unknown"]);
        assert!((0..8).all(|value| Ace::Counter(value).synack_ecn().is_none()));
    }

    #[test]
    fn words_are_those_of_json() {
        for ecn in SynAckEcn::ALL {
            assert_eq!(serde_json::to_string(&ecn).unwrap(), format!("\"{}\"", ecn.word()));
        }
    }
}
