use proptest::{
    collection::vec,
    prelude::{prop::sample::Index, *},
};

use super::*;
use crate::tcp::OptionBytes;

/// An option that owns its data, to be written and read back.
#[derive(Clone, Debug)]
pub(in crate::tcp) enum Written {
    Nop,
    Mss(u16),
    WindowScale(u8),
    SackPermitted,
    Sack(Vec<[u8; 8]>),
    Timestamp(u32, u32),
    FastOpen(Vec<u8>, bool),
    Mptcp(u8, Vec<u8>),
    Md5([u8; 16]),
    TcpAo(u8, u8, Vec<u8>),
    AccurateEcn(bool, Vec<[u8; 3]>),
    Smc(u8),
    Unknown(u8, Vec<u8>),
}

impl Written {
    pub(in crate::tcp) fn encode(&self) -> Vec<u8> {
        let (kind, data) = match self {
            Self::Nop => return vec![KIND_NOP],
            Self::Mss(mss) => (KIND_MSS, mss.to_be_bytes().to_vec()),
            Self::WindowScale(shift) => (KIND_WINDOW_SCALE, vec![*shift]),
            Self::SackPermitted => (KIND_SACK_PERMITTED, vec![]),
            Self::Sack(blocks) => (KIND_SACK, blocks.as_flattened().to_vec()),
            Self::Timestamp(value, echo) => {
                (KIND_TIMESTAMP, [value.to_be_bytes(), echo.to_be_bytes()].as_flattened().to_vec())
            }
            Self::FastOpen(cookie, false) => (KIND_FAST_OPEN, cookie.clone()),
            Self::FastOpen(cookie, true) => (KIND_EXPERIMENT, [&FAST_OPEN_EXPERIMENT, &cookie[..]].concat()),
            Self::Mptcp(subtype, rest) => (KIND_MPTCP, [&[subtype << 4], &rest[..]].concat()),
            Self::Md5(digest) => (KIND_MD5, digest.to_vec()),
            Self::TcpAo(key, next, mac) => (KIND_TCP_AO, [&[*key, *next], &mac[..]].concat()),
            Self::AccurateEcn(second, counters) => (if *second { 174 } else { 172 }, counters.as_flattened().to_vec()),
            Self::Smc(kind) => (*kind, SMC_EXPERIMENT.to_vec()),
            Self::Unknown(kind, data) => (*kind, data.clone()),
        };
        [&[kind, u8::try_from(data.len() + 2).unwrap()], &data[..]].concat()
    }

    pub(in crate::tcp) fn is(&self, option: TcpOption<'_>) -> bool {
        match (self, option) {
            (Self::Nop, TcpOption::Nop) | (Self::SackPermitted, TcpOption::SackPermitted) => true,
            (Self::Mss(a), TcpOption::Mss(b)) => *a == b,
            (Self::WindowScale(a), TcpOption::WindowScale(b)) => *a == b,
            (Self::Sack(a), TcpOption::Sack(b)) => a[..] == *b.0,
            (Self::Timestamp(value, echo), TcpOption::Timestamp(b)) => (*value, *echo) == (b.value, b.echo),
            (Self::FastOpen(a, e), TcpOption::FastOpen { cookie, experimental }) => {
                (&a[..], *e) == (cookie, experimental)
            }
            (Self::Mptcp(a, rest), TcpOption::Mptcp { subtype, data }) => *a == subtype && rest[..] == data[1..],
            (Self::Md5(a), TcpOption::Md5(b)) => a == b,
            (Self::TcpAo(a, b, c), TcpOption::TcpAo { key_id, rnext_key_id, mac }) => {
                (*a, *b, &c[..]) == (key_id, rnext_key_id, mac)
            }
            (Self::AccurateEcn(_, counters), TcpOption::AccurateEcn(option)) => {
                let read = option.counters().map(|(_, counter)| counter);
                self.encode().first() == Some(&option.kind())
                    && read.eq(counters.iter().map(|&[a, b, c]| u32::from_be_bytes([0, a, b, c])))
            }
            (Self::Smc(a), TcpOption::Smc { kind }) => *a == kind,
            (Self::Unknown(a, b), TcpOption::Unknown { kind, data }) => (*a, &b[..]) == (kind, data),
            _ => false,
        }
    }
}

pub(in crate::tcp) fn any_option() -> impl Strategy<Value = Written> {
    prop_oneof![
        Just(Written::Nop),
        any::<u16>().prop_map(Written::Mss),
        any::<u8>().prop_map(Written::WindowScale),
        Just(Written::SackPermitted),
        vec(any::<[u8; 8]>(), 1..=4).prop_map(Written::Sack),
        any::<(u32, u32)>().prop_map(|(value, echo)| Written::Timestamp(value, echo)),
        (vec(any::<u8>(), 0..=16), any::<bool>()).prop_map(|(cookie, e)| Written::FastOpen(cookie, e)),
        (0u8..16, vec(any::<u8>(), 0..=24)).prop_map(|(subtype, rest)| Written::Mptcp(subtype, rest)),
        any::<[u8; 16]>().prop_map(Written::Md5),
        (any::<(u8, u8)>(), vec(any::<u8>(), 0..=20)).prop_map(|((key, next), mac)| Written::TcpAo(key, next, mac)),
        (any::<bool>(), vec(any::<[u8; 3]>(), 0..=3)).prop_map(|(second, data)| Written::AccurateEcn(second, data)),
        prop_oneof![Just(253), Just(254)].prop_map(Written::Smc),
        (9u8..19, vec(any::<u8>(), 0..=20)).prop_map(|(kind, data)| Written::Unknown(kind, data)),
    ]
}

/// Options that fit into one header together, and their bytes.
pub(in crate::tcp) fn any_options() -> impl Strategy<Value = (Vec<Written>, Vec<u8>)> {
    vec(any_option(), 0..8).prop_map(|mut options| {
        let mut bytes = Vec::new();
        options.retain(|option| {
            let encoded = option.encode();
            let fits = bytes.len() + encoded.len() <= OptionBytes::MAX;
            if fits {
                bytes.extend(encoded);
            }
            fits
        });
        (options, bytes)
    })
}

#[test]
fn lengths_that_are_wrong_are_malformed() {
    for (bytes, count) in [
        (&[KIND_MSS, 0, 1, 1][..], 1),       // no length at all
        (&[KIND_MSS, 1, 1, 1], 1),           // shorter than itself
        (&[KIND_MSS, 5, 1, 1], 1),           // beyond the end
        (&[KIND_MSS], 1),                    // cut off
        (&[KIND_MSS, 3, 9, 1], 2),           // wrong for the kind; the next one is found
        (&[KIND_WINDOW_SCALE, 2, 1], 2),     // no shift
        (&[KIND_SACK_PERMITTED, 3, 0], 1),   // with data
        (&[KIND_SACK, 2, 1, 1], 3),          // without blocks
        (&[KIND_SACK, 6, 0, 0, 0, 0, 1], 2), // half a block
        (&[KIND_TIMESTAMP, 6, 0, 0, 0, 0], 1),
        (&[KIND_MPTCP, 2], 1),
    ] {
        let options: Vec<_> = Options::new(bytes).collect();
        let Some(TcpOption::Malformed { kind, rest }) = options.first() else { panic!("{bytes:?} {options:?}") };
        assert_eq!(*kind, bytes[0]);
        // It reaches to the end of the option, or of the header.
        assert!(bytes[1..].starts_with(rest) && (count > 1 || rest.len() == bytes.len() - 1), "{bytes:?} {rest:?}");
        assert_eq!(options.len(), count, "{bytes:?}");
    }
}

#[test]
fn nothing_follows_the_end_of_the_list() {
    let options: Vec<_> = Options::new(&[KIND_NOP, KIND_EOL, KIND_NOP]).collect();
    assert_eq!(options, [TcpOption::Nop, TcpOption::Eol]);
}

proptest! {
    #[test]
    fn what_was_written_is_read((written, bytes) in any_options()) {
        let options = OptionBytes::new(&bytes);
        prop_assert_eq!(options.iter().count(), written.len());
        for (written, option) in written.iter().zip(&options) {
            prop_assert!(written.is(option), "{written:?} {option:?}");
        }
    }

    #[test]
    fn any_bytes_end(bytes in vec(any::<u8>(), 0..=40)) {
        prop_assert!(Options::new(&bytes).count() <= bytes.len());
    }

    #[test]
    fn cutting_never_changes_what_comes_before((_, bytes) in any_options(), cut: Index) {
        let cut = cut.index(bytes.len() + 1);
        let whole: Vec<_> = Options::new(&bytes).collect();
        let part: Vec<_> = Options::new(&bytes[..cut]).collect();
        let same = part.iter().zip(&whole).take_while(|(a, b)| a == b).count();
        prop_assert!(part.len() <= same + 1);
        let cut_off = |option| matches!(option, &TcpOption::Malformed { .. });
        prop_assert!(part.get(same).is_none_or(cut_off));
    }
}
