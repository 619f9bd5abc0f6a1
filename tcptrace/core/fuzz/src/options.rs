//! Arbitrary bytes as the options of a TCP header.

use tcptrace_core::tcp::{AccurateEcn, Notation, OptionBytes, SackBlocks, SeqNumber, TcpHeader, TcpOption, TcpOptions};

/// Reads the options, shows them in every way, and reads them back from their JSON.
pub fn check(bytes: &[u8]) {
    let options = TcpOptions(OptionBytes::new(bytes));
    let bytes = bytes.get(..OptionBytes::MAX).unwrap_or(bytes);
    assert_eq!(options.0.as_slice(), bytes);
    check_list(&options);
    check_header(bytes);

    let json = serde_json::to_string(&options).expect("it has JSON");
    let again: TcpOptions = serde_json::from_str(&json).expect("what was written can be read");
    assert_eq!(again, options);
}

/// Checks that the list ends, that nothing follows its end, and that all options lie within the bytes.
fn check_list(options: &TcpOptions) {
    let list: Vec<_> = options.0.iter().collect();
    let length = list.iter().map(|option| length(option).unwrap_or(1)).sum::<usize>();
    assert!(length <= options.0.as_slice().len(), "{list:?}");
    let end = list.iter().position(|option| matches!(option, TcpOption::Eol));
    assert!(end.is_none_or(|end| end + 1 == list.len()), "{list:?}");
    for relative_to in [None, Some(SeqNumber(u32::MAX))] {
        let text = Notation { options, relative_to }.to_string();
        assert!(text.bytes().all(|byte| (0x20..0x7f).contains(&byte)), "{text}");
        assert_eq!(text.is_empty(), list.is_empty());
    }
}

/// Returns the number of bytes that an option takes, if known.
fn length(option: &TcpOption<'_>) -> Option<usize> {
    Some(match option {
        TcpOption::Eol | TcpOption::Nop => 1,
        TcpOption::Mss(_) => 4,
        TcpOption::WindowScale(_) => 3,
        TcpOption::SackPermitted => 2,
        TcpOption::Sack(blocks) => {
            assert!((1..=SackBlocks::MAX).contains(&blocks.count()));
            assert_eq!(blocks.iter().count(), blocks.count());
            2 + 8 * blocks.count()
        }
        TcpOption::Timestamp(_) => 10,
        TcpOption::FastOpen { cookie, experimental } => 2 + 2 * usize::from(*experimental) + cookie.len(),
        TcpOption::Mptcp { subtype, data } => {
            assert!(*subtype < 16 && !data.is_empty());
            2 + data.len()
        }
        TcpOption::Md5(digest) => 2 + digest.len(),
        TcpOption::TcpAo { mac, .. } => 4 + mac.len(),
        TcpOption::AccurateEcn(AccurateEcn { ee0b, eceb, ee1b, .. }) => {
            2 + 3 * [ee0b, eceb, ee1b].into_iter().flatten().count()
        }
        TcpOption::Smc { .. } => 6,
        TcpOption::Unknown { data, .. } => 2 + data.len(),
        TcpOption::Malformed { .. } => return None,
    })
}

/// Checks that they are the same in a header whose data offset states their length.
fn check_header(bytes: &[u8]) {
    let (words, []) = bytes.as_chunks::<4>() else { return };
    let mut header = [0; 20];
    header[12] = u8::try_from(5 + words.len()).expect("at most ten words") << 4;
    let header = TcpHeader::parse(&[&header, bytes].concat()).expect("a whole header");
    assert_eq!(header.options.as_slice(), bytes);
    assert_eq!(header.header_len(), 20 + bytes.len());
}
