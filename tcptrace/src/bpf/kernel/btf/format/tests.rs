use super::*;

const STRINGS: &[u8] = b"\0outer\0first\0second\0int\0colour\0RED\0handler\0";

/// The offset of a name in [`STRINGS`].
fn name(wanted: &str) -> u32 {
    let whole = format!("\0{wanted}\0");
    let at = STRINGS.windows(whole.len()).position(|window| window == whole.as_bytes());
    at.map_or(0, |at| at as u32 + 1)
}

fn info(kind: Kind, members: u32, bit_fields: bool) -> u32 {
    u32::from(kind.0) << 24 | members | u32::from(bit_fields) << 31
}

/// BTF of these types, given as numbers.
fn btf(types: &[&[u32]]) -> Vec<u8> {
    let types: Vec<u8> = types.concat().iter().flat_map(|number| number.to_ne_bytes()).collect();
    let mut bytes = MAGIC.to_ne_bytes().to_vec();
    bytes.extend([VERSION, 0]);
    let (length, strings) = (types.len() as u32, STRINGS.len() as u32);
    bytes.extend([HEADER as u32, 0, length, length, strings].iter().flat_map(|number| number.to_ne_bytes()));
    bytes.extend(types);
    bytes.extend(STRINGS);
    bytes
}

fn sample() -> Vec<u8> {
    btf(&[
        // 1: int; 2: struct outer { int first; struct { int second:3; }; }; 3: the anonymous one
        &[name("int"), info(Kind(1), 0, false), 4, 0],
        &[name("outer"), info(Kind::STRUCT, 2, false), 8, name("first"), 1, 0, 0, 3, 32],
        &[0, info(Kind::STRUCT, 1, true), 4, name("second"), 1, 3 << 24 | 5],
        &[name("colour"), info(Kind::ENUM, 1, false), 4, name("RED"), 7],
        // 5: void (int *); 6: a pointer to it; 7: its typedef; 8: int *
        &[0, info(Kind::FUNC_PROTO, 1, false), 0, 0, 8],
        &[0, info(Kind::PTR, 0, false), 5],
        &[name("handler"), info(Kind::TYPEDEF, 0, false), 6],
        &[0, info(Kind::PTR, 0, false), 1],
    ])
}

#[test]
fn types_members_and_chains_are_found() -> Result<(), FormatError> {
    let btf = Btf::parse(sample())?;
    let members = |kind, name| -> Vec<(String, u32, u32)> {
        let found = btf.find(kind, name).next();
        let members = found.into_iter().flat_map(|found| btf.members(found));
        members.map(|member| (member.name.to_owned(), member.value, member.bits)).collect()
    };
    assert_eq!(members(Kind::STRUCT, "outer"), [("first".to_owned(), 1, 0), (String::new(), 3, 32)]);
    assert_eq!(members(Kind::STRUCT, ""), [("second".to_owned(), 1, 5)]);
    assert_eq!(members(Kind::ENUM, "colour"), [("RED".to_owned(), 7, 0)]);
    assert!(members(Kind::STRUCT, "out").is_empty(), "only whole names");
    let typedef = btf.find(Kind::TYPEDEF, "handler").next();
    let prototype = btf.behind(typedef, &[Kind::TYPEDEF, Kind::PTR]);
    assert_eq!(btf.number_of(Kind::TYPEDEF, "handler"), Some(7));
    assert_eq!(btf.number_of(Kind::PTR, "handler"), None);
    let parameter = prototype.and_then(|found| btf.members(found).next());
    let behind = btf.behind(parameter.and_then(|parameter| btf.by_number(parameter.value)), &[Kind::PTR]);
    assert_eq!(behind.map(|found| btf.name(found)), Some("int"));
    Ok(())
}

#[test]
fn what_is_no_btf_is_an_error() {
    assert_eq!(Btf::parse(b"no BTF at all".to_vec()).err(), Some(FormatError::Header));
    assert_eq!(Btf::parse(Vec::new()).err(), Some(FormatError::Header));
    let whole = sample();
    for length in 4..whole.len() {
        let error = Btf::parse(whole.get(..length).unwrap_or_default().to_vec()).err();
        assert_eq!(error, Some(FormatError::Truncated), "{length} bytes");
    }
    assert_eq!(Btf::parse(btf(&[&[0, info(Kind(31), 0, false), 0]])).err(), Some(FormatError::Kind(31)));
    assert_eq!(Btf::parse(btf(&[&[0, info(Kind::ENUM, 9, false), 0]])).err(), Some(FormatError::Truncated));
}

#[test]
fn a_chain_without_an_end_is_left() -> Result<(), FormatError> {
    let btf = Btf::parse(btf(&[&[0, info(Kind::PTR, 0, false), 1]]))?;
    assert!(btf.behind(btf.by_number(1), &[Kind::PTR]).is_none());
    Ok(())
}
