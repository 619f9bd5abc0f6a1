//! The page of `-o html` in a browser, with its script.

use std::{fs, path::Path, process::Command};

use serde_json::{Value, json};
use tcptrace_tests::{Ends, Netns, Tracer, Unpacked, binary, is_type, output};

/// Number of connections that are closed in order, besides one that is reset.
const ORDERLY: usize = 510;

/// The page of a trace with [`ORDERLY`] connections and one that its client aborts.
#[track_caller]
fn page(folder: &Path, port: u16) -> String {
    let netns = Netns::new();
    let ends = Ends::on(&netns, ([127, 0, 0, 1], port).into());
    let recording = folder.join("trace.jsonl");
    let path = recording.to_str().expect("UTF-8");
    let tracer = Tracer::start(&netns, &["-p", &port.to_string(), "-w", path]);
    ends.churn(ORDERLY);
    ends.abort(ends.open(), &tracer);
    tracer.wait_for("the last close", |record| is_type(record, "close") && record["kind"] == "reset");
    tracer.stop().nothing_lost();
    output(Command::new(binary()).args(["-o", "html", "-r"]).arg(&recording))
}

/// Runs `script` after the page's own script and returns the values that it passes to `say(VALUE)`, in order.
#[track_caller]
fn ask(folder: &Path, page: &str, script: &str) -> Vec<Value> {
    const MARK: &str = "data-said=\"";
    let before = "const said = [], say = (value) => said.push(value), at = (selector) => document.querySelector(selector), \
                  all_of = (selector) => [...document.querySelectorAll(selector)], \
                  press = (key) => document.activeElement.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }));";
    let behind = "document.body.dataset.said = JSON.stringify(said);";
    let asked = page.replace("</body>", &format!("<script>{{ {before} {script}; {behind} }}</script></body>"));
    let file = folder.join("page.html");
    fs::write(&file, asked).expect("a file can be written");
    let Unpacked { path, libraries } = Unpacked::find("usr/lib/chromium/chromium-headless-shell");
    let mut browser = Command::new(path);
    // The browser refuses to sandbox pages as root; this one is ours.
    browser
        .args(["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--dump-dom"])
        .arg(format!("--user-data-dir={}", folder.display()));
    browser.arg(format!("file://{}", file.display())).env("LD_LIBRARY_PATH", libraries);
    let shown = output(&mut browser);
    let (_, said) = shown.split_once(MARK).expect("the script has run to its end");
    let (said, _) = said.split_once('"').expect("an attribute ends");
    // As markup is written.
    let text = said.replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    serde_json::from_str(&text).expect("JSON")
}

#[test]
fn a_failure_is_found_and_its_ladder_opens() {
    let folder = tempfile::tempdir().expect("a folder");
    let page = page(folder.path(), 4911);
    let said = ask(
        folder.path(),
        &page,
        "say(at('#count').textContent); say(all_of('tr.row').length); say(at('#verdicts button').textContent); \
         at('#more').click(); say(all_of('tr.row').length); \
         at('#search').value = 'Reset 127.0.0.1:4911'; at('#search').dispatchEvent(new Event('input')); \
         say(at('#count').textContent); \
         at('tr.row').click(); say(at('tr.row').getAttribute('aria-expanded')); \
         say(all_of('tr.under svg .step > text, tr.under svg .step > g > text').map((t) => t.textContent).filter((t) => /^(SYN|SYN,ACK|RST,ACK) /.test(t)).map((t) => t.split(' ')[0])); \
         const width = () => Number(at('svg').getAttribute('width')), small = width(); at('.zoom button').click(); say(width() > small); \
         say(document.documentElement.scrollWidth <= document.documentElement.clientWidth); \
         at('tr.row').click(); say(all_of('tr.under').length)",
    );
    let total = ORDERLY + 1;
    assert_eq!(
        said,
        [
            json!(format!("{total} of {total} connections")),
            json!(500),
            // Failed connections come first.
            json!("1 \u{d7} reset (linger)"),
            json!(total),
            json!(format!("1 of {total} connections")),
            json!("true"),
            json!(["SYN", "SYN,ACK", "RST,ACK"]),
            json!(true),
            json!(true),
            json!(0),
        ]
    );
}

#[test]
fn it_can_be_used_without_a_mouse() {
    let folder = tempfile::tempdir().expect("a folder");
    let page = page(folder.path(), 4912);
    let said = ask(
        folder.path(),
        &page,
        "const number = () => document.activeElement.firstElementChild?.textContent; \
         press('/'); say(document.activeElement.id); press('ArrowDown'); say(number()); press('j'); say(number()); press('k'); \
         press('Enter'); say(all_of('tr.under').length); \
         press('/'); at('#search').value = 'nothing has this'; at('#search').dispatchEvent(new Event('input')); \
         say(all_of('tr.row').length); press('Escape'); say(all_of('tr.row').length); \
         all_of('#verdicts button')[0].click(); say(all_of('tr.row').length); all_of('#verdicts button')[0].click(); \
         all_of('th button')[0].click(); say(at('tr.row').firstElementChild.textContent); say(all_of('th')[0].ariaSort)",
    );
    let last = (ORDERLY + 1).to_string();
    assert_eq!(
        said,
        [
            json!("search"),
            json!("1"),
            json!("2"),
            json!(1),
            json!(0),
            json!(500),
            json!(1),
            json!(last),
            json!("descending")
        ]
    );
}
