//! The JSON Schema of the output, for programs that read it and for the tests that check the output against it.

use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::OutputRecord;
use crate::SCHEMA;

/// Returns the JSON Schema (draft 2020-12) that each line of JSON output obeys.
///
/// It allows additional properties, since fields may be added within a schema version.
pub fn json_schema() -> Value {
    // Describes serialization, not deserialization: a field that is always written is required, null or not.
    let generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let mut schema = generator.into_root_schema_for::<OutputRecord>();
    schema.insert("title".into(), format!("tcptrace JSON lines, schema {SCHEMA}").into());
    schema.to_value()
}

/// Returns [`json_schema`] as indented text with a newline at its end.
pub fn json_schema_text() -> String {
    format!("{:#}\n", json_schema())
}

#[cfg(test)]
mod tests {
    use jsonschema::Validator;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::render::{Json, Render as _, samples};

    fn validator() -> Validator {
        jsonschema::draft202012::options().should_validate_formats(true).build(&json_schema()).unwrap()
    }

    fn line(entry: &OutputRecord) -> Value {
        let mut out = Vec::new();
        Json.render(entry, &mut out);
        serde_json::from_slice(&out).unwrap()
    }

    #[test]
    fn lines_of_every_type_are_valid() {
        let validator = validator();
        for entry in samples::all() {
            let line = line(&entry);
            assert!(validator.is_valid(&line), "{line} {:?}", validator.iter_errors(&line).collect::<Vec<_>>());
        }
    }

    #[test]
    fn every_field_is_described_and_none_may_be_missing() {
        let validator = validator();
        for entry in samples::all() {
            let whole = line(&entry);
            for key in whole.as_object().unwrap().keys() {
                let mut line = whole.clone();
                line.as_object_mut().unwrap().remove(key);
                let optional = match entry {
                    OutputRecord::Segment(_) => {
                        &["note", "gso_segments", "urgent", "socket", "late", "ace", "synack_ecn"][..]
                    }
                    OutputRecord::Owner(_) => &["asked_ns", "netns"],
                    _ => {
                        &["evidence", "exit", "uid", "counters", "queue_full", "queue", "replaces", "late", "left_out"]
                    }
                };
                let optional = optional.contains(&key.as_str())
                    && !matches!(entry, OutputRecord::Handshake(_) | OutputRecord::Close(_));
                assert_eq!(validator.is_valid(&line), optional, "without {key}: {line}");
                let mut line = whole.clone();
                line[key] = json!({"not": "this"});
                assert!(!validator.is_valid(&line), "{key} may be anything: {line}");
            }
        }
    }

    #[test]
    fn values_nobody_writes_are_invalid() {
        let validator = validator();
        let state = line(&OutputRecord::State(samples::state()));
        for (key, value) in [
            ("type", json!("socket")),
            ("time", json!("2026-11-20 10:31:06")),
            ("old", json!("SYN-SENT")),
            ("role", json!("peer")),
            ("error", json!("refused")),
            ("conn", json!("1")),
            ("evidence", json!([])),
            ("evidence", json!(["guess"])),
        ] {
            let mut line = state.clone();
            line[key] = value;
            assert!(!validator.is_valid(&line), "{line}");
        }
        let mut segment = line(&OutputRecord::Segment(samples::segment()));
        for flags in ["", "SF", "x", "none."] {
            segment["flags"] = json!(flags);
            assert!(!validator.is_valid(&segment), "{segment}");
        }
    }

    #[test]
    fn hints_have_the_names_and_the_values_that_are_known() {
        let validator = validator();
        let hint = line(&OutputRecord::Hint(samples::hint()));
        for (key, value, valid) in [
            ("name", json!("tcp_receive_reset"), false),
            ("value", json!("tcp_state"), true),
            ("value", json!("other_31"), true),
            ("value", json!("other_x"), false),
            ("value", json!("TCP_STATE"), false),
            ("queue_full", json!(1), false),
        ] {
            let mut line = hint.clone();
            line[key] = value;
            assert_eq!(validator.is_valid(&line), valid, "{line}");
        }
    }

    #[test]
    fn fields_may_be_added() {
        let validator = validator();
        for entry in samples::all() {
            let mut line = line(&entry);
            line["added_later"] = json!(1);
            assert!(validator.is_valid(&line), "{line}");
        }
    }

    proptest! {
        #[test]
        fn any_line_is_valid(segment in samples::any_segment(), state in samples::any_state()) {
            thread_local!(static VALIDATOR: Validator = validator());
            for entry in [OutputRecord::Segment(segment), OutputRecord::State(state)] {
                let line = line(&entry);
                prop_assert!(VALIDATOR.with(|validator| validator.is_valid(&line)), "{}", line);
            }
        }
    }
}
