//! Headers quoted by ICMP errors are read like those of a frame.

use super::*;

/// The datagram that an error at byte 20 quotes 8 bytes later.
fn quoted(frame: &Bytes) -> Result<(Ip, (u16, u16)), Skip> {
    let (outer, _) = walk(frame)?;
    let quoted = ip(frame, outer.family, outer.transport + 8)?;
    let [ports, _seq]: [u32; 2] = load(frame, quoted.transport)?;
    Ok((quoted, split_ports(ports)))
}

#[test]
fn eight_bytes_of_the_segment_are_enough() {
    let inner = ipv4(6, &[], 0, &TCP[..8]);
    let error = [[3, 1, 0, 0, 0, 0, 0, 0].as_slice(), &inner].concat();
    let frame = Bytes::ethernet(0x0800, &ipv4(IPPROTO_ICMP, &[], 0, &error));
    let (ip, ports) = quoted(&frame).expect("a quoted segment");
    assert_eq!((ip.transport, ip.src, ports), (20 + 8 + 20, v4_ends().0, (40000, 443)));
    let len = frame.bytes.len();
    assert_eq!(quoted(&frame.cut(len - 1)), Err(Skip::Truncated));
}

#[test]
fn a_quoted_ipv6_segment_is_found_behind_its_extension_headers() {
    let inner = ipv6(60, &[[6, 0, 1, 4, 0, 0, 0, 0].as_slice(), &TCP].concat());
    let error = [[1, 4, 0, 0, 0, 0, 0, 0].as_slice(), &inner].concat();
    let frame = Bytes::ethernet(0x86dd, &ipv6(IPPROTO_ICMPV6, &error));
    let (ip, ports) = quoted(&frame).expect("a quoted segment");
    assert_eq!((ip.transport, ports), (40 + 8 + 48, (40000, 443)));
}

#[test]
fn a_quoted_fragment_or_other_version_is_told() {
    let error = |inner: &[u8]| {
        let error = [[3, 1, 0, 0, 0, 0, 0, 0].as_slice(), inner].concat();
        quoted(&Bytes::ethernet(0x0800, &ipv4(IPPROTO_ICMP, &[], 0, &error)))
    };
    assert_eq!(error(&ipv4(6, &[], 3, &TCP)), Err(Skip::Fragment));
    assert_eq!(error(&ipv6(6, &TCP)), Err(Skip::Malformed));
}
