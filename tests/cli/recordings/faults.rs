//! Recordings with faults, and files that are not recordings.

use super::*;

#[test]
fn what_is_wrong_is_said_in_one_sentence_and_all_before_it_is_printed() {
    let unfinished = &LISTEN[..100];
    for (line, records, says) in [
        (
            START.replace("\"schema\":2", "\"schema\":7"),
            3,
            "line 3 begins a recording of schema 7, and this build reads schema 1 to 2",
        ),
        (LISTEN.replace("CLOSE", "SHUT"), 3, "line 3 is malformed at byte"),
        ("{\"type\":\"state\",}".to_owned(), 3, "line 3 is malformed at byte"),
        ("nonsense".to_owned(), 3, "line 3 is malformed at byte 1: it is not a JSON object"),
        (LISTEN.replace("2000000000", "null"), 3, "boot_ns is null"),
        ("{".repeat(2 << 20), 3, "line 3 is malformed: it has more than 1048576 bytes"),
    ] {
        let read = read(&[START, LISTEN, &line, LISTEN], &[]);
        assert_eq!((read.status, read.records.len(), read.log.lines().count()), (Some(1), records, 1), "{}", read.log);
        assert!(read.log.contains(says) && read.log.contains("trace.jsonl"), "{says} is not in: {}", read.log);
        assert_eq!(read.only("state")["comm"], "nginx");
    }
    let folder = Folder::new();
    let read = run(&folder.write("cut.jsonl", [START, "\n", LISTEN, "\n", unfinished].concat()), &[]);
    assert_eq!((read.status, read.records.len(), read.log.lines().count()), (Some(1), 3, 1), "{}", read.log);
    assert!(read.log.contains("cut off in the middle of line 3 (complete lines before it: 2"), "{}", read.log);
}

#[test]
fn what_is_no_recording_empties_no_file() {
    let folder = Folder::new();
    let kept = folder.write("kept.jsonl", "kept");
    for (line, says) in [
        (LISTEN.to_owned(), "line 1 is not a start record"),
        ("{}".to_owned(), "line 1 is malformed at byte 2: missing field `type`"),
        (START.replace("\"schema\":2", "\"schema\":3"), "schema 3"),
    ] {
        let path = folder.write("no.jsonl", line + "\n");
        let read = run(&path, &["-w", kept.to_str().expect("UTF-8")]);
        assert_eq!((read.status, read.records.len(), read.log.lines().count()), (Some(1), 0, 1), "{}", read.log);
        assert!(read.log.contains(says), "{says} is not in: {}", read.log);
        assert_eq!(fs::read_to_string(&kept).expect("it is there"), "kept");
    }
}

#[test]
fn the_file_that_is_read_is_not_written() {
    let folder = Folder::new();
    let path = folder.write("trace.jsonl", [START, "\n", LISTEN, "\n"].concat());
    let link = folder.0.path().join("link.jsonl");
    fs::hard_link(&path, &link).expect("a link");
    for written in [&path, &link] {
        let read = run(&path, &["-w", written.to_str().expect("UTF-8")]);
        assert_eq!((read.status, read.records.len(), read.log.lines().count()), (Some(1), 0, 1), "{}", read.log);
        assert!(read.log.contains("read and written at once"), "{}", read.log);
        assert!(fs::read_to_string(&path).expect("it is there").starts_with(START));
    }
}

#[test]
fn types_that_are_not_known_are_passed_over_and_mentioned_when_asked() {
    let lines = [START, r#"{"type":"omen","conn":1}"#, r#"{"type":"omen"}"#, LISTEN];
    assert_eq!(read(&lines, &[]).log, "");
    let read = read(&lines, &["-v"]);
    assert_eq!((read.status, read.records.len()), (Some(0), 3));
    assert!(read.log.contains("2 records of types that this build does not know"), "{}", read.log);
}

#[test]
fn verdicts_without_the_events_they_rest_on_are_worth_a_warning() {
    let read = read(&[START, r#"{"type":"close","conn":1}"#], &[]);
    assert_eq!((read.status, read.records.len()), (Some(0), 2));
    assert!(read.log.contains("no events"), "{}", read.log);
}

#[test]
fn times_that_run_back_by_more_than_processors_do_are_counted() {
    let (syn, ack, fin) = (segment(9_000_000_000, "S", 7, None), segment(8_999_990_000, ".", 8, Some(1)), "F.");
    assert_eq!(read(&[START, &syn, &ack], &[]).log, "");
    let read = read(&[START, &syn, &segment(3_000_000_000, fin, 8, Some(1))], &[]);
    assert_eq!(read.status, Some(0));
    assert!(read.log.contains("1 records are older than a record before them"), "{}", read.log);
}
