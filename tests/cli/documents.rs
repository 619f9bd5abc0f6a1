//! The documents agree with the program: every option, every field of every record, every word of a verdict.

mod commands;
mod links;
mod pictures;
mod top_level;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
    str::Chars,
};

use serde_json::{Map, Value};
use tcptrace_tests::{binary, output};

/// Returns the folder that the documents' paths are relative to.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Returns the path of every document from the root of the tree.
fn documents() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in ["", "docs", "findings"] {
        for entry in fs::read_dir(root().join(folder)).expect("a folder of the tree") {
            let path = Path::new(folder).join(entry.expect("an entry of the folder").file_name());
            found.extend(Some(path).filter(|path| path.extension().is_some_and(|extension| extension == "md")));
        }
    }
    found.sort();
    found
}

/// Returns the text of a document.
#[track_caller]
fn read(document: impl AsRef<Path>) -> String {
    let path = root().join(document);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{} cannot be read: {error}", path.display()))
}

/// Returns the text between a heading of a document and the next one.
#[track_caller]
fn section(document: &str, heading: &str) -> String {
    let text = read(document);
    let (_, behind) =
        text.split_once(&format!("\n## {heading}\n")).unwrap_or_else(|| panic!("{document} has no heading {heading}"));
    behind.split_once("\n## ").map_or(behind, |(section, _)| section).to_owned()
}

/// Returns the first two cells of each row of the tables in it, headings included. A bar within a cell becomes a slash.
fn rows(section: &str) -> Vec<(String, String)> {
    let cells = |line: &str| {
        let line = line.strip_prefix("| ")?.replace(r"\|", "/");
        let mut cells = line.split(" | ").map(|cell| cell.trim_end_matches(" |").to_owned());
        cells.next().zip(cells.next())
    };
    section.lines().filter_map(cells).collect()
}

/// Returns the options in a text, long and short ones.
fn options(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|character: char| !(character.is_ascii_alphanumeric() || character == '-'));
    words.filter(|word| word.len() > 1 && word.starts_with('-'))
}

/// Returns the options in the program's help.
fn options_there() -> BTreeSet<String> {
    let help = output(Command::new(binary()).arg("--help"));
    // Descriptions of options are indented further than the options themselves.
    let said = help.lines().filter(|line| line.starts_with("  ") && !line.starts_with("          "));
    said.filter(|line| line.trim_start().starts_with('-')).flat_map(options).map(str::to_owned).collect()
}

#[test]
fn every_option_is_in_the_table_and_no_other() {
    let there = options_there();
    let documented: BTreeSet<_> = rows(&section("docs/options.md", "All options"))
        .iter()
        .flat_map(|(cell, _)| options(cell).map(str::to_owned).collect::<Vec<_>>())
        .collect();
    assert!(there.contains("--port") && there.contains("-6") && there.len() > 20, "{there:?}");
    assert_eq!(documented, there);
}

/// Names of fields, with the fields of their objects where these are documented.
#[derive(Debug, Default)]
struct Fields(BTreeMap<String, Fields>);

impl Fields {
    /// Reads `` `a` {`b`, `c`}, `d` (words) `` up to its end or a closing brace: parentheses contain remarks about values.
    fn read(text: &mut Chars<'_>) -> Self {
        let (mut fields, mut last) = (BTreeMap::new(), String::new());
        while let Some(character) = text.next() {
            match character {
                '`' => {
                    last = text.take_while(|&character| character != '`').collect();
                    assert!(fields.insert(last.clone(), Self::default()).is_none(), "{last} is told twice");
                }
                '(' => assert!(text.any(|character| character == ')'), "a parenthesis behind {last} is not closed"),
                '{' => drop(fields.insert(last.clone(), Self::read(text))),
                '}' => break,
                _ => {}
            }
        }
        Self(fields)
    }
}

/// The JSON Schema.
struct Schema {
    root: Value,
    /// Definitions whose fields are documented.
    documented: BTreeSet<String>,
}

impl Schema {
    fn read() -> Self {
        let text = output(Command::new(binary()).arg("--json-schema"));
        Self { root: serde_json::from_str(&text).expect("JSON"), documented: BTreeSet::new() }
    }

    fn definitions(&self) -> &Map<String, Value> {
        self.root["$defs"].as_object().expect("an object")
    }

    /// Returns the name of the definition that a schema refers to, directly, as one of several or as the items of a list.
    fn definition(schema: &Value) -> Option<String> {
        if let Some(path) = schema["$ref"].as_str() {
            return path.strip_prefix("#/$defs/").map(str::to_owned);
        }
        let several = schema["anyOf"].as_array().into_iter().flatten();
        several.chain(schema.get("items")).find_map(Self::definition)
    }

    /// Asserts that `documented` are the fields of `schema`, besides those that every record has.
    fn check(&mut self, place: &str, documented: &Fields, schema: &Value, everywhere: &[&str]) {
        let name =
            Self::definition(schema).unwrap_or_else(|| panic!("{place} is not an object in the schema: {schema}"));
        let properties = self.definitions()[&name]["properties"].as_object().cloned().unwrap_or_default();
        let there: BTreeSet<_> =
            properties.keys().map(String::as_str).filter(|name| !everywhere.contains(name)).collect();
        assert_eq!(documented.0.keys().map(String::as_str).collect::<BTreeSet<_>>(), there, "{place}");
        self.documented.insert(name);
        for (field, inner) in documented.0.iter().filter(|(_, inner)| !inner.0.is_empty()) {
            self.check(&format!("{place}.{field}"), inner, &properties[field], &[]);
        }
    }
}

#[test]
fn every_field_of_every_record_is_in_the_table_and_no_other() {
    const EVERYWHERE: [&str; 3] = ["type", "time", "boot_ns"];
    let json = section("docs/json.md", "Records");
    for field in EVERYWHERE {
        assert!(json.contains(&format!("`{field}`")), "{field}");
    }
    let mut schema = Schema::read();
    let mut rows: BTreeMap<_, _> = rows(&json).into_iter().collect();
    for record in schema.root["oneOf"].as_array().expect("one schema for each type").clone() {
        let kind = record["properties"]["type"]["const"].as_str().expect("a type").to_owned();
        let row = rows.remove(&format!("`{kind}`")).unwrap_or_else(|| panic!("the table has no row for {kind}"));
        schema.check(&kind, &Fields::read(&mut row.chars()), &record, &EVERYWHERE);
    }
    assert!(rows.keys().all(|first| !first.starts_with('`')), "no such types: {rows:?}");
    let objects = schema.definitions().iter().filter(|(_, definition)| definition["properties"].is_object());
    let objects: BTreeSet<_> = objects.map(|(name, _)| name.clone()).collect();
    assert_eq!(schema.documented, objects, "fields of every object are told at least once");
}

/// Returns a schema, and the alternatives in it.
fn objects(schema: &Value) -> impl Iterator<Item = &Value> {
    schema["anyOf"].as_array().into_iter().flatten().chain([schema])
}

#[test]
fn every_field_of_multipath_tcp_is_in_its_table_and_no_other() {
    let schema = Schema::read();
    let mut rows: BTreeMap<_, _> = rows(&section("docs/json.md", "Multipath TCP")).into_iter().collect();
    for option in schema.definitions()["MptcpOption"]["oneOf"].as_array().expect("one schema for each subtype") {
        let fields = option["properties"].as_object().expect("an object");
        let subtype = fields["subtype"]["const"].as_str().expect("a subtype");
        let row = rows.remove(&format!("`{subtype}`")).unwrap_or_else(|| panic!("the table has no row for {subtype}"));
        let documented: BTreeSet<_> = row.split('`').skip(1).step_by(2).collect();
        let inner =
            fields.values().filter_map(|field| objects(field).find_map(|object| object["properties"].as_object()));
        let there = inner.chain([fields]).flat_map(Map::keys).map(String::as_str);
        assert_eq!(documented, there.filter(|&field| field != "subtype").collect(), "{subtype}");
    }
    assert!(rows.keys().all(|first| !first.starts_with('`')), "no such subtypes: {rows:?}");
}

#[test]
fn every_word_that_a_field_can_say_is_explained() {
    let schema = Schema::read();
    let explained: String = ["json", "verdicts", "limitations"].map(|name| read(format!("docs/{name}.md"))).concat();
    let mut words = 0;
    for (name, definition) in schema.definitions() {
        // The protocol's own words.
        if name == "TcpState" {
            continue;
        }
        let listed = [&definition["enum"], &definition["items"]["enum"]].into_iter().filter_map(Value::as_array);
        let described = definition["oneOf"].as_array().into_iter().flatten().map(|one| &one["const"]);
        for word in listed.flatten().chain(described).filter_map(Value::as_str) {
            assert!(explained.contains(&format!("`{word}`")), "{name} can be {word}");
            words += 1;
        }
    }
    assert!(words > 50, "only {words}");
}

#[test]
fn every_task_is_one_of_xtask() {
    let there: BTreeSet<String> = fs::read_dir(root().join("xtask/src/commands"))
        .expect("the folder of the tasks")
        .filter_map(|entry| Some(entry.expect("an entry").path().file_stem()?.to_str()?.to_owned()))
        .collect();
    let tasks = |text: &str| -> BTreeSet<String> {
        let names = text.split("cargo xtask ").skip(1);
        let names = names.filter_map(|behind| behind.split(|character: char| !character.is_ascii_lowercase()).next());
        names.filter(|name| !name.is_empty()).map(str::to_owned).collect()
    };
    assert_eq!(tasks(&read("CONTRIBUTING.md")), there, "CONTRIBUTING.md names all tasks");
    for document in documents() {
        for task in tasks(&read(&document)) {
            assert!(there.contains(&task), "{}: `cargo xtask {task}` does not exist", document.display());
        }
    }
}

#[test]
fn the_readme_is_short() {
    let lines = read("README.md").lines().count();
    assert!(lines <= 200, "the README has {lines} lines: reference belongs in docs/");
}
