//! The links and paths in the documents exist.

use std::{
    collections::BTreeSet,
    path::{Component, Path, PathBuf},
};

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use super::{documents, read, root};

/// Returns the targets of the links and pictures in a document.
fn targets(text: &str) -> Vec<String> {
    let tags = Parser::new_ext(text, Options::ENABLE_TABLES).filter_map(|event| match event {
        Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => Some(dest_url.into_string()),
        _ => None,
    });
    tags.collect()
}

/// Returns the anchors that GitHub gives to the headings of a document.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut anchors = BTreeSet::new();
    let mut heading: Option<String> = None;
    for event in Parser::new(text) {
        match (event, &mut heading) {
            (Event::Start(Tag::Heading { .. }), _) => heading = Some(String::new()),
            (Event::Text(text) | Event::Code(text), Some(heading)) => heading.push_str(&text),
            (Event::End(TagEnd::Heading(_)), _) => {
                let anchor = anchor(&heading.take().expect("a heading has begun"));
                assert!(anchors.insert(anchor.clone()), "two headings have the anchor #{anchor}");
            }
            _ => {}
        }
    }
    anchors
}

/// Returns the anchor of a heading: lower-case letters, hyphens for spaces, and no punctuation.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|&character| character.is_alphanumeric() || " -_".contains(character));
    kept.flat_map(char::to_lowercase).map(|character| if character == ' ' { '-' } else { character }).collect()
}

/// Normalises a path: `docs/../README.md` to `README.md`.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => assert!(normal.pop(), "{} leads out of the tree", path.display()),
            Component::CurDir => {}
            component => normal.push(component),
        }
    }
    normal
}

#[test]
fn every_link_leads_somewhere() {
    let mut links = 0;
    for document in documents() {
        let text = read(&document);
        for target in targets(&text).into_iter().filter(|target| !target.contains("://")) {
            links += 1;
            let (path, anchor) =
                target.split_once('#').map_or((target.as_str(), None), |(path, anchor)| (path, Some(anchor)));
            let linked =
                if path.is_empty() { document.clone() } else { normal(&document.with_file_name("").join(path)) };
            assert!(root().join(&linked).exists(), "{}: {target} does not exist", document.display());
            if let Some(anchor) = anchor {
                let there = anchors(&read(&linked));
                assert!(there.contains(anchor), "{}: {target} is not among {there:?}", document.display());
            }
        }
    }
    assert!(links > 40, "only {links}");
}

#[test]
fn every_document_can_be_reached_from_the_readme() {
    let mut reached = BTreeSet::new();
    let mut next = vec![PathBuf::from("README.md")];
    while let Some(document) = next.pop() {
        if !reached.insert(document.clone()) {
            continue;
        }
        let targets = targets(&read(&document));
        let paths = targets.iter().filter(|target| !target.contains("://")).map(|target| target.split('#').next());
        let paths = paths.flatten().filter(|path| path.ends_with(".md"));
        next.extend(paths.map(|path| normal(&document.with_file_name("").join(path))));
    }
    assert_eq!(reached, documents().into_iter().collect());
}

#[test]
fn every_path_in_the_map_of_the_tree_exists() {
    let text = read("ARCHITECTURE.md");
    let codes = Parser::new_ext(&text, Options::ENABLE_TABLES).filter_map(|event| match event {
        Event::Code(code) => Some(code.into_string()),
        _ => None,
    });
    let tops = ["tcptrace/", "tcptrace-ebpf/", "tests/", "xtask/", "findings/", "docs/"];
    let paths: Vec<_> = codes.filter(|code| tops.iter().any(|top| code.starts_with(top))).collect();
    for path in &paths {
        assert!(root().join(path).exists(), "{path} does not exist");
    }
    assert!(paths.len() > 40, "only {paths:?}");
}

#[test]
fn anchors_are_those_of_github() {
    assert_eq!(anchor("I want to know …"), "i-want-to-know-");
    assert_eq!(anchor("`tcptrace/core/`: the crate"), "tcptracecore-the-crate");
    assert_eq!(normal(Path::new("docs/../SECURITY.md")), Path::new("SECURITY.md"));
}
