//! The option of Accurate ECN (RFC 9768 §3.2.3).

const KIND_ACCURATE_ECN_0: u8 = 172;
const KIND_ACCURATE_ECN_1: u8 = 174;

/// Three counters of received bytes by the IP-ECN codepoint that they arrived with, each the low 24 bits; the option may
/// leave out trailing ones.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct AccurateEcn {
    /// Order of the counters: 0 for EE0B, ECEB, EE1B (kind 172), 1 for EE1B, ECEB, EE0B (kind 174).
    pub order: u8,
    /// EE0B: bytes marked ECT(0); null if left out.
    pub ee0b: Option<u32>,
    /// ECEB: bytes marked CE; null if left out.
    pub eceb: Option<u32>,
    /// EE1B: bytes marked ECT(1); null if left out.
    pub ee1b: Option<u32>,
}

impl AccurateEcn {
    /// Reads the bytes after kind and length; `None` for another kind, and unless they are up to three whole counters.
    pub(super) fn read(kind: u8, data: &[u8]) -> Option<Self> {
        let order = match kind {
            KIND_ACCURATE_ECN_0 => 0,
            KIND_ACCURATE_ECN_1 => 1,
            _ => return None,
        };
        let (counters, []) = data.as_chunks::<3>() else { return None };
        if counters.len() > 3 {
            return None;
        }
        let counter = |at: usize| counters.get(at).map(|&[a, b, c]| u32::from_be_bytes([0, a, b, c]));
        let (first, eceb, last) = (counter(0), counter(1), counter(2));
        let (ee0b, ee1b) = if order == 0 { (first, last) } else { (last, first) };
        Some(Self { order, ee0b, eceb, ee1b })
    }

    /// Returns the kind, which determines the order.
    pub fn kind(&self) -> u8 {
        if self.order == 0 { KIND_ACCURATE_ECN_0 } else { KIND_ACCURATE_ECN_1 }
    }

    /// Returns the counters with their names, in the order of the option.
    pub(in crate::tcp) fn counters(&self) -> impl Iterator<Item = (&'static str, u32)> {
        let mut named = [("ee0b", self.ee0b), ("eceb", self.eceb), ("ee1b", self.ee1b)];
        if self.order != 0 {
            named.reverse();
        }
        named.into_iter().filter_map(|(name, counter)| Some((name, counter?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trailing_counters_may_be_missing() {
        for (kind, data, order, [ee0b, eceb, ee1b]) in [
            (172, &[0, 0, 1, 0, 1, 0, 255, 255, 255][..], 0, [Some(1), Some(256), Some(0xff_ffff)]),
            (174, &[0, 0, 1, 0, 1, 0, 255, 255, 255], 1, [Some(0xff_ffff), Some(256), Some(1)]),
            (172, &[0, 0, 1, 0, 1, 0], 0, [Some(1), Some(256), None]),
            (174, &[0, 0, 1, 0, 1, 0], 1, [None, Some(256), Some(1)]),
            (172, &[0, 0, 1], 0, [Some(1), None, None]),
            (174, &[0, 0, 1], 1, [None, None, Some(1)]),
            (172, &[], 0, [None; 3]),
            (174, &[], 1, [None; 3]),
        ] {
            let read = AccurateEcn::read(kind, data).unwrap();
            assert_eq!(read, AccurateEcn { order, ee0b, eceb, ee1b });
            assert_eq!(read.kind(), kind);
            let bytes: Vec<u8> = read.counters().flat_map(|(_, counter)| counter.to_be_bytes()[1..].to_vec()).collect();
            assert_eq!(bytes, data);
        }
    }

    #[test]
    fn parts_of_counters_are_not_read() {
        for length in [1, 2, 4, 5, 7, 8, 10, 12] {
            assert_eq!(AccurateEcn::read(172, &vec![0; length]), None, "{length}");
        }
        assert_eq!(AccurateEcn::read(173, &[]), None);
    }
}
