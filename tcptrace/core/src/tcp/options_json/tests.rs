use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::tcp::options::tests::any_options;

fn json(bytes: &[u8]) -> String {
    serde_json::to_string(&TcpOptions(OptionBytes::new(bytes))).unwrap()
}

#[test]
fn no_options_are_nulls() {
    assert_eq!(json(&[]), r#"{"mss":null,"window_scale":null,"sack_permitted":false,"timestamp":null}"#);
}

#[test]
fn the_options_of_a_syn() {
    let bytes = [2, 4, 0xff, 0xd7, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 10];
    assert_eq!(
        json(&bytes),
        r#"{"mss":65495,"window_scale":10,"sack_permitted":true,"timestamp":{"value":1,"echo":0},"#.to_owned()
            + r#""order":[2,4,8,1,3],"raw":"0204ffd70402080a00000001000000000103030a"}"#
    );
    let options = TcpOptions(OptionBytes::new(&bytes));
    assert_eq!((options.mss(), options.window_scale()), (Some(65495), Some(10)));
    assert!(options.sack_permitted());
    assert_eq!(options.timestamp(), Some(Timestamp { value: 1, echo: 0 }));
    assert_eq!((options.fast_open(), options.mptcp()), (None, None));
}

#[test]
fn rare_options_show_when_they_are_there() {
    let bytes = [5, 10, 0, 0, 0, 1, 0, 0, 0, 5, 34, 4, 0xbe, 0x0f, 30, 3, 0x15, 99, 2, 99, 2, 7, 2, 2, 3];
    assert_eq!(
        json(&bytes),
        concat!(
            r#"{"mss":null,"window_scale":null,"sack_permitted":false,"timestamp":null,"#,
            r#""sack":[{"left":1,"right":5}],"fast_open":"be0f","mptcp":1,"unknown":[99,7],"malformed":true,"#,
            r#""order":[5,34,30,99,99,7,2],"raw":"050a00000001000000052204be0f1e03156302630207020203"}"#
        )
    );
    assert!(json(&[34, 2]).contains(r#""fast_open":"""#));
    assert!(json(&[254, 4, 0xf9, 0x89]).contains(r#""fast_open":"""#));
    assert!(json(&[254, 4, 0xf9, 0x88]).contains(r#""unknown":[254]"#));
}

/// The fields of one option besides those that are always present.
fn fields(bytes: &[u8]) -> Value {
    let Value::Object(mut fields) = serde_json::from_str(&json(bytes)).unwrap() else { panic!("an object") };
    for always in ["mss", "window_scale", "sack_permitted", "timestamp", "order", "raw"] {
        fields.remove(always).unwrap();
    }
    fields.into()
}

#[test]
fn options_of_one_kind_each() {
    let md5 = [19, 18, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
    for (bytes, expected) in [
        (&md5[..], json!({ "md5": "000102030405060708090a0b0c0d0e0f" })),
        (&md5[..17], json!({ "malformed": true })),
        (&[19, 4, 1, 2], json!({ "unknown": [19] })),
        (&[29, 4, 1, 2], json!({ "tcp_ao": { "key_id": 1, "rnext_key_id": 2, "mac_length": 0 } })),
        (&[29, 7, 1, 2, 3, 4, 5], json!({ "tcp_ao": { "key_id": 1, "rnext_key_id": 2, "mac_length": 3 } })),
        (&[29, 3, 1], json!({ "unknown": [29] })),
        (&[172, 2], json!({ "accurate_ecn": { "order": 0, "ee0b": null, "eceb": null, "ee1b": null } })),
        (&[172, 5, 0, 1, 0], json!({ "accurate_ecn": { "order": 0, "ee0b": 256, "eceb": null, "ee1b": null } })),
        (
            &[174, 11, 0, 0, 1, 0, 0, 2, 0, 0, 3],
            json!({ "accurate_ecn": { "order": 1, "ee1b": 1, "eceb": 2, "ee0b": 3 } }),
        ),
        (&[174, 3, 0], json!({ "unknown": [174] })),
        (&[254, 6, 0xe2, 0xd4, 0xc3, 0xd9], json!({ "smc": true })),
        (&[253, 6, 0xe2, 0xd4, 0xc3, 0xd9], json!({ "smc": true })),
        (&[253, 5, 0xe2, 0xd4, 0xc3], json!({ "unknown": [253] })),
        (
            &[30, 12, 0, 0x81, 0, 0, 0, 0, 0, 0, 0, 1],
            json!({ "mptcp": 0, "mptcp_options": [
                { "subtype": "mp_capable", "version": 0, "flags": 0x81, "keys": 1, "data_length": null },
            ] }),
        ),
        (
            &[30, 12, 0x11, 9, 0, 0, 0, 1, 0, 0, 0, 2],
            json!({ "mptcp": 1, "mptcp_options": [
                { "subtype": "mp_join", "backup": true, "address_id": 9, "token": 1, "nonce": 2 },
            ] }),
        ),
        (
            &[30, 18, 0x20, 0x05, 0, 0, 0, 7, 0, 0, 0, 8, 0, 0, 0, 9, 0, 1, 30, 8, 0x31, 3, 10, 0, 0, 1],
            json!({ "mptcp": 3, "mptcp_options": [
                { "subtype": "dss", "fin": false, "ack": 7, "mapping":
                    { "data_seq": 8, "subflow_seq": 9, "length": 1, "checksum": null } },
                { "subtype": "add_addr", "flags": 1, "address_id": 3, "address": "10.0.0.1", "port": null },
            ] }),
        ),
        (
            &[30, 5, 0x40, 1, 2, 30, 3, 0x51, 30, 4, 0x81, 6],
            json!({ "mptcp": 8, "mptcp_options": [
                { "subtype": "remove_addr", "address_ids": [1, 2] },
                { "subtype": "mp_prio", "backup": true, "address_id": null },
                { "subtype": "mp_tcprst", "flags": 1, "reason": 6 },
            ] }),
        ),
        (
            &[30, 12, 0x60, 0, 0, 0, 0, 0, 0, 0, 0, 5, 30, 12, 0x70, 0, 0, 0, 0, 0, 0, 0, 0, 5],
            json!({ "mptcp": 7, "mptcp_options": [
                { "subtype": "mp_fail", "data_seq": 5 }, { "subtype": "mp_fastclose" },
            ] }),
        ),
        (&[30, 3, 0x90], json!({ "mptcp": 9 })),
    ] {
        assert_eq!(fields(bytes), expected, "{bytes:?}");
    }
}

#[test]
fn the_last_one_counts() {
    let options = TcpOptions(OptionBytes::new(&[3, 3, 1, 3, 3, 2]));
    assert_eq!(options.window_scale(), Some(2));
    assert!(serde_json::to_string(&options).unwrap().contains(r#""window_scale":2"#));
}

#[test]
fn forty_bytes_of_any_kind_fit() {
    let many: Vec<u8> = (10..30).flat_map(|kind| [kind, 2]).collect();
    let value: Value = serde_json::from_str(&json(&many)).unwrap();
    assert_eq!(value["unknown"], json!((10..30).collect::<Vec<u8>>()));
}

proptest! {
    #[test]
    fn every_key_is_in_the_schema((_, bytes) in any_options()) {
        let schema = schemars::schema_for!(TcpOptions);
        let properties = schema.get("properties").and_then(Value::as_object).unwrap();
        let value: Value = serde_json::from_str(&json(&bytes)).unwrap();
        for key in value.as_object().unwrap().keys() {
            prop_assert!(properties.contains_key(key), "{key}");
        }
    }
}
