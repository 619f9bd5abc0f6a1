//! The recipes of docs/analysis.md print the results shown there, in each of their engines.

use std::{fs, io::Write as _, path::Path, process::Stdio};

use pulldown_cmark::{CodeBlockKind, Event, Parser, Tag, TagEnd};
use serde_json::{Value, json};
use tcptrace_tests::{Unpacked, python};

const DOCUMENT: &str = include_str!("../../docs/analysis.md");
const RUNNER: &str = include_str!("analysis/run.py");

/// The recordings that the recipes read.
const RECORDINGS: [&str; 2] = ["fleet-app1.jsonl", "fleet-db1.jsonl"];

/// A recipe, and its output.
struct Recipe {
    engine: String,
    code: String,
    printed: String,
}

/// Returns the blocks with an engine after their language, each with the block of text that follows.
fn recipes() -> Vec<Recipe> {
    let mut recipes: Vec<Recipe> = Vec::new();
    let mut inside: Option<(String, String)> = None;
    for event in Parser::new(DOCUMENT) {
        match (event, &mut inside) {
            (Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(info))), _) => {
                inside = Some((info.into_string(), String::new()));
            }
            (Event::Text(text), Some((_, code))) => code.push_str(&text),
            (Event::End(TagEnd::CodeBlock), _) => {
                let (info, code) = inside.take().expect("a block that ends has begun");
                match (info.split_once(' '), recipes.last_mut()) {
                    (Some((_, engine)), _) => {
                        recipes.push(Recipe { engine: engine.to_owned(), code, printed: String::new() });
                    }
                    (None, Some(recipe)) if info == "text" => recipe.printed = code,
                    _ => {}
                }
            }
            _ => {}
        }
    }
    recipes
}

/// Returns the lines without trailing blanks, which a document does not have.
fn lines(text: &str) -> Vec<&str> {
    text.trim_matches('\n').lines().map(str::trim_end).collect()
}

#[test]
fn every_recipe_prints_what_stands_below_it() {
    let recipes = recipes();
    let folder = tempfile::tempdir().expect("a folder");
    let documents = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    for recording in RECORDINGS {
        fs::copy(documents.join(recording), folder.path().join(recording)).expect("a recording is copied");
    }
    let mut runner = python()
        .args(["-c", RUNNER])
        .current_dir(folder.path())
        .env("NATS_SERVER", Unpacked::find("usr/sbin/nats-server").path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 can be started");
    let input: Vec<Value> =
        recipes.iter().map(|recipe| json!({ "engine": recipe.engine, "code": recipe.code })).collect();
    let mut stdin = runner.stdin.take().expect("it is piped");
    stdin.write_all(Value::from(input).to_string().as_bytes()).expect("the recipes are read");
    drop(stdin);
    let output = runner.wait_with_output().expect("the recipes run");
    assert!(output.status.success(), "a recipe failed, as stderr says");

    let printed: Vec<String> = serde_json::from_slice(&output.stdout).expect("a list of texts");
    assert_eq!(printed.len(), recipes.len());
    for (recipe, printed) in recipes.iter().zip(&printed) {
        assert_eq!(lines(printed), lines(&recipe.printed), "{}:\n{}\n{printed}", recipe.engine, recipe.code);
    }
    for (engine, rows) in [("duckdb", 5), ("clickhouse", 2), ("pandas", 1), ("kafka", 1), ("nats", 1)] {
        let shown = recipes.iter().filter(|recipe| recipe.engine == engine && !recipe.printed.is_empty());
        assert!(shown.count() >= rows, "recipes of {engine} with a result");
    }
}
