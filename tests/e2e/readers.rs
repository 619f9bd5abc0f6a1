//! Readers of stdout that are slower than what they get.

use std::{
    collections::BTreeSet,
    io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{RecvTimeoutError, channel},
    },
    time::Duration,
};

use rustix::process::Signal;
use serde_json::Value;
use tcptrace_tests::{Ends, LIMIT, Lines, Netns, binary, eventually, is_type, number, wait_tracing};

use crate::load;

/// Numbers of records: those that came, those lost by the slow reader, and those lost otherwise. Reports of losses are not
/// counted: one report follows on several that did not get through.
#[derive(Debug, Default, Eq, PartialEq)]
struct Counts {
    records: u64,
    by_reader: u64,
    otherwise: u64,
}

fn counts(lines: impl Iterator<Item = String>) -> Counts {
    lines.fold(Counts::default(), |counts, line| {
        let record: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        match (is_type(&record, "lost"), record["source"] == "output") {
            (false, _) => Counts { records: counts.records + 1, ..counts },
            (true, true) => Counts { by_reader: counts.by_reader + number(&record, "count"), ..counts },
            (true, false) => Counts { otherwise: counts.otherwise + number(&record, "count"), ..counts },
        }
    })
}

/// The port of the last connection.
const LAST_PORT: u16 = 4407;

/// Returns true if the lines are about that port.
fn is_last(lines: &str) -> bool {
    lines.contains(&format!(r#""port":{LAST_PORT}}}"#))
}

#[test]
fn one_line_a_second_neither_hangs_the_tracer_nor_hides_the_loss() {
    let netns = Netns::alone();
    let file = tempfile::NamedTempFile::new().expect("a file");
    let path = file.path().to_str().expect("UTF-8");
    let listeners = load::listeners(&netns, 4401..4407);
    let mut command = Command::new(binary());
    command.args(["--json", "-p", "4401-4407", "--segments", "all", "--ring-buffer", "64MiB", "-w", path]);
    let mut process = netns.start(command.stdout(Stdio::piped()).stderr(Stdio::piped()));
    let (stdout, log) = (process.stdout(), Lines::read(process.stderr(), |line| line));
    wait_tracing(&log);
    let (hurry, hurried) = channel::<()>();
    let caught_up = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&caught_up);
    let reader = std::thread::spawn(move || {
        let mut lines = BufReader::with_capacity(1 << 10, stdout).lines().map(|line| line.expect("UTF-8"));
        let mut read = Vec::new();
        while hurried.recv_timeout(Duration::from_secs(1)) == Err(RecvTimeoutError::Timeout) {
            read.extend(lines.next());
        }
        for line in lines {
            seen.fetch_or(is_last(&line), Ordering::Relaxed);
            read.push(line);
        }
        counts(read.into_iter())
    });
    // Some 100 MB, of which 64 MiB may wait.
    load::run(&netns, &listeners);
    // The load runs all the time: the last connection is in the file soon after.
    let ends = Ends::on(&netns, SocketAddr::from((Ipv4Addr::LOCALHOST, LAST_PORT)));
    ends.churn(1);
    eventually("the last connection in the file", LIMIT, || {
        let mut file = std::fs::File::open(path).expect("it can be read");
        let mut end = Vec::new();
        let length = file.seek(SeekFrom::End(0)).expect("a file has an end");
        file.seek(SeekFrom::Start(length.saturating_sub(1 << 16))).expect("it can be read");
        file.read_to_end(&mut end).expect("it can be read");
        is_last(&String::from_utf8_lossy(&end))
    });
    hurry.send(()).expect("the reader still reads");
    // Records of new connections reach the reader once it has read the backlog. The first of them may still find the
    // queue full and be lost, hence the repetition.
    eventually("the reader to catch up", LIMIT, || {
        ends.churn(1);
        caught_up.load(Ordering::Relaxed)
    });
    process.signal(Signal::INT);
    assert!(process.wait(LIMIT).success());
    let to_reader = reader.join().expect("the reader ends with the stream");
    let written = std::fs::read_to_string(path).expect("it can be read");
    let to_file = counts(written.lines().map(str::to_owned));
    assert!(to_reader.by_reader > 1_000, "{to_reader:?}");
    // A busy machine's disk is a slow reader too.
    let all = |counts: &Counts| counts.records + counts.by_reader;
    assert_eq!(all(&to_reader), all(&to_file), "{to_reader:?}, {to_file:?}");
    assert_eq!(to_reader.otherwise, to_file.otherwise, "{to_reader:?}, {to_file:?}");
    let summary = log.finish().pop().unwrap_or_default();
    let lost = format!(" {} lost", to_reader.by_reader + to_file.by_reader + to_file.otherwise);
    assert!(summary.contains(&lost), "{lost}: {summary}");
}

#[test]
fn ladders_that_come_too_fast_to_be_read_are_those_of_failures() {
    const PORT: u16 = 4408;
    const NOBODY: u16 = 4409;
    let netns = Netns::alone();
    let ends = Ends::on(&netns, SocketAddr::from((Ipv4Addr::LOCALHOST, PORT)));
    let mut command = Command::new(binary());
    command.args(["-p", &format!("{PORT},{NOBODY}"), "--ring-buffer", "64MiB"]).env("LC_ALL", "C.UTF-8");
    let mut process = netns.start(command.stdout(Stdio::piped()).stderr(Stdio::piped()));
    let (lines, log) = (Lines::read(process.stdout(), |line| line), Lines::read(process.stderr(), |line| line));
    wait_tracing(&log);
    let says = |lines: &[String], words: &str| lines.iter().any(|line| line.contains(words));
    // As many as it takes to open and close more than a thousand in a second, on a machine of any speed.
    let mut connections = 0;
    eventually("an excess", LIMIT, || {
        connections += 500;
        ends.churn(500);
        let mut exceeded = false;
        lines.look(|lines| exceeded = says(lines, "more than 1000 ladders a second"));
        exceeded
    });
    netns.run(|| TcpStream::connect((Ipv4Addr::LOCALHOST, NOBODY)).expect_err("nobody listens"));
    lines.wait_until("a refusal", LIMIT, |lines| says(lines, "refused: nobody listens there"));
    process.signal(Signal::INT);
    assert!(process.wait(LIMIT).success());

    let lines = lines.finish();
    let headings = lines.iter().filter_map(|line| line.strip_prefix('#')?.split(' ').next()?.parse::<u64>().ok());
    let drawn = headings.collect::<BTreeSet<_>>().len() as u64;
    let counted = |line: &String| {
        let (count, _) = line.split_once(" -- ")?.1.split_once(" that did not fail w")?;
        count.split(' ').next()?.parse::<u64>().ok()
    };
    let counted: u64 = lines.iter().filter_map(counted).sum();
    assert!(counted > 0, "{:#?}", lines.last());
    assert_eq!(drawn + counted, connections + 1, "{drawn} drawn, {counted} counted");
    let log = log.finish();
    assert!(says(&log, &format!("{} connections, 0 still open", connections + 1)), "{log:#?}");
    assert!(says(&log, ", 0 lost; "), "{log:#?}");
}
