use proptest::{collection::vec, prelude::*};

use super::*;
use crate::tcp::{Notation, OptionBytes, TcpOptions};

const KEY: [u8; 8] = [0, 0, 0, 0, 0, 0, 0xab, 0xcd];
const OTHER: [u8; 8] = [1, 2, 3, 4, 5, 6, 7, 8];
const V6: [u8; 16] = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];

fn notation(data: &[&[u8]]) -> String {
    let data = data.concat();
    let bytes = [&[30, u8::try_from(data.len() + 2).unwrap()], &data[..]].concat();
    Notation { options: &TcpOptions(OptionBytes::new(&bytes)), relative_to: None }.to_string()
}

#[test]
fn fields_read_as_in_tcpdump() {
    let hmac: Vec<u8> = (1..=20).collect();
    for (data, text) in [
        (&[&[0x01, 0x01][..]][..], "mptcp 4 capable v1 flags [H]"),
        (&[&[0x00, 0x81], &KEY], "mptcp 12 capable v0 flags [AH] csum {0xabcd}"),
        (&[&[0x01, 0x01], &KEY, &OTHER], "mptcp 20 capable v1 flags [H] {0xabcd,0x102030405060708}"),
        (
            &[&[0x01, 0x00], &KEY, &OTHER, &[0, 5]],
            "mptcp 22 capable v1 flags [none] {0xabcd,0x102030405060708,data_len=5}",
        ),
        (&[&[0x01, 0x80], &KEY, &KEY, &[0, 5]], "mptcp 22 capable v1 flags [A] csum {0xabcd,0xabcd}"),
        (&[&[0x01, 0x80], &KEY, &KEY, &[0, 5, 1, 1]], "mptcp 24 capable v1 flags [A] csum {0xabcd,0xabcd,data_len=5}"),
        (&[&[0x10, 9, 0, 0, 0, 1, 0, 0, 0, 2]], "mptcp 12 join id 9 token 0x1 nonce 0x2"),
        (&[&[0x11, 9], &KEY, &[0, 0, 0, 2]], "mptcp 16 join backup id 9 hmac 0xabcd nonce 0x2"),
        (&[&[0x10, 0], &hmac], "mptcp 24 join hmac 0x0102030405060708090a0b0c0d0e0f1011121314"),
        (&[&[0x20, 0x00]], "mptcp 4 dss"),
        (&[&[0x20, 0x01, 0, 0, 0, 7]], "mptcp 8 dss ack 7"),
        (&[&[0x20, 0x03], &OTHER], "mptcp 12 dss ack 72623859790382856"),
        (&[&[0x20, 0x15, 0, 0, 0, 7, 0, 0, 0, 8, 0, 0, 0, 9, 0, 1]], "mptcp 18 dss fin ack 7 seq 8 subseq 9 len 1"),
        (
            &[&[0x20, 0x0c], &OTHER, &[0, 0, 0, 9, 0, 1, 0xff, 0xfe]],
            "mptcp 20 dss seq 72623859790382856 subseq 9 len 1 csum 0xfffe",
        ),
        (&[&[0x31, 3, 10, 0, 0, 1]], "mptcp 8 add-addr v1-echo id 3 10.0.0.1"),
        (&[&[0x34, 3, 10, 0, 0, 1, 0, 80]], "mptcp 10 add-addr v0-ip4 id 3 10.0.0.1:80"),
        (&[&[0x30, 3, 10, 0, 0, 1], &KEY], "mptcp 16 add-addr v1 id 3 10.0.0.1 hmac 0xabcd"),
        (&[&[0x30, 3, 10, 0, 0, 1, 0, 80], &KEY], "mptcp 18 add-addr v1 id 3 10.0.0.1:80 hmac 0xabcd"),
        (&[&[0x36, 3], &V6], "mptcp 20 add-addr v0-ip6 id 3 2001:db8::1"),
        (&[&[0x3f, 3], &V6, &[0, 80], &KEY], "mptcp 30 add-addr [bad version/echo] id 3 2001:db8::1:80 hmac 0xabcd"),
        (&[&[0x40, 1, 2, 3]], "mptcp 6 rem-addr id 1 2 3"),
        (&[&[0x50]], "mptcp 3 prio non-backup"),
        (&[&[0x51, 4]], "mptcp 4 prio backup id 4"),
        (&[&[0x60, 0], &OTHER], "mptcp 12 fail seq 72623859790382856"),
        (&[&[0x70, 0], &KEY], "mptcp 12 fast-close key 0xabcd"),
        (&[&[0x89, 6]], "mptcp 4 tcprst flags [UT] reason Middlebox interference"),
        (&[&[0x80, 7]], "mptcp 4 tcprst flags [none] reason unknown (0x07)"),
    ] {
        assert_eq!(notation(data), text);
    }
}

#[test]
fn what_cannot_be_read_shows_its_bytes() {
    for (data, text) in [
        (&[&[0x00][..]][..], "mptcp 3 capable 0x00"),
        (&[&[0x02, 0x01], &KEY], "mptcp 12 capable 0x0201000000000000abcd"),
        (&[&[0x01, 0x01, 7]], "mptcp 5 capable 0x010107"),
        (&[&[0x10, 9, 1]], "mptcp 5 join 0x100901"),
        (&[&[0x20]], "mptcp 3 dss 0x20"),
        (&[&[0x20, 0x01, 0, 7]], "mptcp 6 dss 0x20010007"),
        (&[&[0x20, 0x00, 1]], "mptcp 5 dss 0x200001"),
        (&[&[0x30, 3, 10, 0, 0]], "mptcp 7 add-addr 0x30030a0000"),
        (&[&[0x40]], "mptcp 3 rem-addr 0x40"),
        (&[&[0x50, 1, 2]], "mptcp 5 prio 0x500102"),
        (&[&[0x60, 0]], "mptcp 4 fail 0x6000"),
        (&[&[0x70, 0]], "mptcp 4 fast-close 0x7000"),
        (&[&[0x80]], "mptcp 3 tcprst 0x80"),
        (&[&[0x90, 1]], "mptcp 4 unknown 0x9001"),
    ] {
        assert_eq!(notation(data), text);
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_not(data in vec(any::<u8>(), 0..=38)) {
        if let Some(option) = MptcpOption::read(&data) {
            let json = serde_json::to_value(option).unwrap();
            prop_assert!(json["subtype"].is_string());
        }
    }

    /// Truncated or with a further byte, most forms have a wrong length.
    #[test]
    fn fixed_lengths_are_exact(subtype in prop_oneof![Just(6_u8), Just(7)], data in vec(any::<u8>(), 0..=20)) {
        let data = [&[subtype << 4], &data[..]].concat();
        prop_assert_eq!(MptcpOption::read(&data).is_some(), data.len() == 10);
    }
}
