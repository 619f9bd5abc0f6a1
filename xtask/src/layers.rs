//! The direction of dependencies: a module imports only modules below it.
//!
//! Cargo enforces that between crates; within a crate it does not, so the paths in the sources are checked. Tests may import
//! anything.

mod modules;
mod paths;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use anyhow::{Result, bail, ensure};

use self::modules::Module;

/// The core: each layer imports only those before it. Its documentation lists them, see [`documented`].
const CORE: &str = "tcptrace/core/src";

/// The program.
const PROGRAM: &str = "tcptrace/src";

/// Modules of the standard library that need an operating system, and the parts of others that do.
const OPERATING_SYSTEM: [&str; 13] = [
    "env",
    "fs",
    "io::stderr",
    "io::stdin",
    "io::stdout",
    "net::TcpListener",
    "net::TcpStream",
    "net::ToSocketAddrs",
    "net::UdpSocket",
    "os",
    "process",
    "thread",
    "time::Instant",
];

/// Returns true for paths in [`OPERATING_SYSTEM`], and for the wall clock.
fn needs_system(path: &[String]) -> bool {
    let path = path.join("::");
    OPERATING_SYSTEM
        .into_iter()
        .chain(["time::SystemTime"])
        .any(|known| path.strip_prefix(known).is_some_and(|rest| rest.is_empty() || rest.starts_with("::")))
}

/// Reads all sources of the core and of the program.
pub(crate) fn check(root: &Path) -> Result<()> {
    let core = Module::read(&root.join(CORE))?;
    let library = root.join(CORE).join("lib.rs");
    let layers = documented(&fs::read_to_string(&library)?);
    ensure!(!layers.is_empty(), "{} lists no layers: put them into a block of text", library.display());
    let program = Module::read(&root.join(PROGRAM))?;
    let mut faults = layering(&core, &layers);
    faults.extend(portability(&core));
    faults.extend(command_line(&program));
    faults.extend(circles(&program));
    if !faults.is_empty() {
        bail!("modules import what they should not:\n{}", faults.join("\n"));
    }
    Ok(())
}

/// Returns the layers that the documentation of a library lists, the lowest first: the first word of each line of its first
/// block of text.
fn documented(library: &str) -> Vec<String> {
    let docs = library.lines().map_while(|line| line.strip_prefix("//!"));
    let block = docs.skip_while(|line| line.trim() != "```text").skip(1).take_while(|line| line.trim() != "```");
    block.filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

/// Returns imports of a layer from one above it, and modules that are not a layer.
fn layering(modules: &[Module], layers: &[String]) -> Vec<String> {
    let height = |layer: &str| layers.iter().position(|known| known == layer);
    let mut faults = Vec::new();
    for module in modules {
        let Some(top) = module.top() else { continue };
        let Some(own) = height(top) else {
            faults.push(module.fault(1, format_args!("{top} is not a layer: add it to the list in lib.rs")));
            continue;
        };
        for (line, import) in module.imports() {
            if let Some(target) = import.first().filter(|target| height(target).is_some_and(|other| other > own)) {
                faults.push(module.fault(line, format_args!("{top} stands below {target} and imports it")));
            }
        }
    }
    faults
}

/// Returns uses of the standard library that need an operating system.
fn portability(modules: &[Module]) -> Vec<String> {
    let mut faults = Vec::new();
    for module in modules {
        for path in &module.source.paths {
            if let Some((library, rest)) = path.segments.split_first()
                && library == "std"
                && needs_system(rest)
            {
                let path_text = path.segments.join("::");
                faults.push(module.fault(path.line, format_args!("{path_text} needs an operating system")));
            }
        }
    }
    faults
}

/// Returns imports of the command line anywhere but where it is interpreted: the rest of the program gets values.
fn command_line(modules: &[Module]) -> Vec<String> {
    let mut faults = Vec::new();
    for module in modules.iter().filter(|module| !matches!(module.top(), None | Some("app" | "cli"))) {
        for (line, import) in module.imports() {
            if import.first().is_some_and(|target| target == "cli") {
                faults.push(module.fault(line, "only app may import cli"));
            }
        }
    }
    faults
}

/// Returns top modules that import each other, directly or indirectly.
fn circles(modules: &[Module]) -> Vec<String> {
    let mut edges: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    let tops: BTreeSet<&str> = modules.iter().filter_map(Module::top).collect();
    for module in modules {
        let Some(top) = module.top() else { continue };
        let targets = module.imports().filter_map(|(_, import)| import.into_iter().next());
        let targets = targets.filter(|target| target != top && tops.contains(target.as_str()));
        edges.entry(top).or_default().extend(targets);
    }
    let reached = |from: &str| {
        let mut found = BTreeSet::new();
        let mut open = vec![from.to_owned()];
        while let Some(next) = open.pop() {
            let targets = edges.get(next.as_str()).into_iter().flatten();
            open.extend(targets.filter(|&target| found.insert(target.clone())).cloned());
        }
        found
    };
    let in_circle: Vec<_> = tops.into_iter().filter(|&top| reached(top).contains(top)).collect();
    if in_circle.is_empty() { Vec::new() } else { vec![format!("  a circle: {}", in_circle.join(", "))] }
}

#[cfg(test)]
mod tests {
    use super::{modules::without_tests, *};

    fn modules(files: &[(&str, &str)]) -> Vec<Module> {
        let module = |&(name, text): &(&str, &str)| Module::new(Path::new(name), name.into(), text);
        without_tests(files.iter().map(module).collect())
    }

    fn layers() -> Vec<String> {
        documented("//! Docs.\n//!\n//! ```text\n//! text    values\n//! event   events\n//! render  output\n//! ```\n")
    }

    #[test]
    fn the_list_is_read() {
        assert_eq!(layers(), ["text", "event", "render"]);
    }

    #[test]
    fn a_layer_may_import_those_below_it() {
        let files = [
            ("lib", "pub use crate::render::Json;"),
            ("event", "use crate::text::Errno; use self::hint::Hint;"),
            ("render/json", "use super::Render; use crate::{event, text};"),
        ];
        assert_eq!(layering(&modules(&files), &layers()), Vec::<String>::new());
    }

    #[test]
    fn a_layer_may_not_import_one_above_it() {
        for (name, text) in [
            ("event", "use crate::render::Json;"),
            ("event", "use crate::{text, render::{self, Json}};"),
            ("event", "use super::render;"),
            ("event/hint", "fn f() { super::super::render::json() }"),
            ("event/hint/deep", "type T = crate::render::Json;"),
        ] {
            let expected = format!("  {name}:1: event stands below render and imports it");
            let faults = layering(&modules(&[(name, text)]), &layers());
            assert!(faults.contains(&expected), "{text}: {faults:?}");
        }
    }

    #[test]
    fn every_module_is_a_layer() {
        let faults = layering(&modules(&[("other", "")]), &layers());
        assert_eq!(faults, ["  other:1: other is not a layer: add it to the list in lib.rs"]);
    }

    #[test]
    fn tests_may_import_anything() {
        let files = [
            ("text", "#[cfg(test)] mod samples;\n#[cfg(test)]\nmod tests { use crate::render::Json; }"),
            ("text/samples", "use crate::render::Json; use std::fs;"),
            ("text/samples/more", "use crate::render::Json; use std::fs;"),
        ];
        let modules = modules(&files);
        assert_eq!(layering(&modules, &layers()), Vec::<String>::new());
        assert_eq!(portability(&modules), Vec::<String>::new());
    }

    #[test]
    fn the_core_has_no_operating_system() {
        for text in [
            "use std::fs;",
            "use std::fs::File;",
            "use std::{fmt, os::fd::AsFd};",
            "fn f() { std::env::var(\"X\") }",
            "use std::net::{IpAddr, TcpStream};",
            "use std::time::{Duration, Instant};",
            "use std::time::SystemTime;",
            "fn f() { std::thread::sleep(x); }",
        ] {
            assert_eq!(portability(&modules(&[("text", text)])).len(), 1, "{text}");
        }
        let fine = "use std::{fmt, io::Read, net::IpAddr, time::Duration}; // std::fs\nfn f() { env!(\"X\") }";
        assert_eq!(portability(&modules(&[("text", fine)])), Vec::<String>::new());
    }

    #[test]
    fn only_app_knows_the_command_line() {
        let files = [
            ("main", "use tcptrace::cli::Cli;"),
            ("app/trace", "use crate::cli::Options;"),
            ("cli/options", "use super::Cli;"),
            ("output", "use crate::{\n    cli::Options,\n};"),
        ];
        assert_eq!(command_line(&modules(&files)), ["  output:2: only app may import cli"]);
    }

    #[test]
    fn circles_are_found_however_long_they_are() {
        let files =
            [("a", "use crate::b::X;"), ("b/c", "use crate::d;"), ("d", "use crate::a;"), ("e", "use crate::a;")];
        assert_eq!(circles(&modules(&files)), ["  a circle: a, b, d"]);
        assert_eq!(circles(&modules(&files[..2])), Vec::<String>::new());
    }

    #[test]
    fn this_checkout_is_in_order() -> Result<()> {
        check(&Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
    }
}
