//! The file of `--write`: accepted and refused files, a full disk, and reopening.

use std::{
    os::unix::fs::{PermissionsExt, symlink},
    path::PathBuf,
    sync::atomic::{AtomicUsize, Ordering},
};

use super::*;
use crate::causes::with_causes;

/// The folder of a test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("tcptrace-sink-{}-{number}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_file_of_another_user_or_with_other_names_is_refused_and_keeps_its_content() {
    let folder = Folder::new();
    let path = folder.path("trace.jsonl");
    fs::write(&path, "precious").unwrap();
    fs::hard_link(&path, folder.path("other")).unwrap();
    let refused = || match Sink::file(&path, SMALL, FileForm::default()) {
        Err(SinkError::Open(error)) => error,
        other => panic!("{other:?}"),
    };
    assert!(matches!(refused(), OpenError::Linked(_)));
    fs::remove_file(folder.path("other")).unwrap();
    // Only root can change the owner of a file.
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(&path, Some(12345), None).unwrap();
        assert!(matches!(refused(), OpenError::Foreign(_)));
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
}

#[test]
fn a_file_that_others_could_read_is_closed_to_them() {
    let folder = Folder::new();
    let path = folder.path("trace.jsonl");
    fs::write(&path, "old").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    drop(Sink::file(&path, SMALL, FileForm::default()).unwrap());
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
}

#[test]
fn a_new_file_is_private_and_an_old_one_is_emptied() {
    let folder = Folder::new();
    let path = folder.path("trace.jsonl");
    let sink = Sink::file(&path, SMALL, FileForm::default()).unwrap();
    assert_eq!(sink.input.try_write("one\n".into(), 1), Offer::Accepted);
    assert!(matches!(sink.finish(LONG), Finish::Flushed));
    assert_eq!(fs::read_to_string(&path).unwrap(), "one\n");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);

    let sink = Sink::file(&path, SMALL, FileForm::default()).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "");
    assert!(matches!(sink.finish(LONG), Finish::Flushed));
}

#[test]
fn what_is_no_plain_file_is_refused() {
    let folder = Folder::new();
    let refused = |name: &str| match Sink::file(&folder.path(name), SMALL, FileForm::default()) {
        Err(SinkError::Open(error)) => error,
        other => panic!("{other:?}"),
    };
    fs::write(folder.path("target"), "precious").unwrap();
    symlink(folder.path("target"), folder.path("link")).unwrap();
    symlink(folder.path("nowhere"), folder.path("dangling")).unwrap();
    fs::create_dir(folder.path("folder")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        folder.path("fifo"),
        FileType::Fifo,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
        0,
    )
    .unwrap();

    assert!(matches!(refused("link"), OpenError::Symlink(_)));
    assert_eq!(fs::read_to_string(folder.path("target")).unwrap(), "precious");
    assert!(matches!(refused("dangling"), OpenError::Symlink(_)));
    assert!(!folder.path("nowhere").exists());
    assert!(matches!(refused("folder"), OpenError::Folder(_)));
    assert!(matches!(refused("missing/trace.jsonl"), OpenError::NoFolder(_)));
    assert!(matches!(refused("target/trace.jsonl"), OpenError::NoFolder(_)));
    assert!(matches!(refused("fifo"), OpenError::NoReader(_)));
}

#[test]
fn a_full_disk_ends_nothing_and_what_it_has_no_room_for_is_counted() {
    let mut sink = Sink::file(Path::new("/dev/full"), SMALL, FileForm::default()).unwrap();
    assert_eq!(sink.input.try_write("record\n".into(), 1), Offer::Accepted);
    assert_eq!(sink.input.try_write("2 records\n".into(), 2), Offer::Accepted);
    assert!(is_running(&mut sink));
    let mut lost = 0;
    while lost < 3 {
        lost += sink.take_lost().records;
        thread::yield_now();
    }
    assert_eq!(lost, 3);
    let Finish::Ended(SinkEnd::Failed(error)) = sink.finish(LONG) else { panic!("there was no room until the end") };
    assert_eq!(
        with_causes(&*error),
        "there was no room for the end of /dev/full, and records are missing; make room or give another file: No space left \
         on device (os error 28)"
    );
}

/// Runs `test` in a process of its own that limits the size of files, since the limit holds for all files and threads. The
/// parent checks that the file then has `content`, and gets `None`; the child gets the path of the file.
fn in_process_of_its_own(test: &str, content: &str) -> Option<PathBuf> {
    const ASKED: &str = "TCPTRACE_TEST_LIMIT";
    let asked = std::env::var_os(ASKED).map(PathBuf::from);
    if asked.is_none() {
        let folder = Folder::new();
        let path = folder.path("trace.jsonl");
        let this = std::env::current_exe().unwrap();
        let name = format!("sink::tests::file::{test}");
        let run = std::process::Command::new(this).args(["--exact", &name]).env(ASKED, &path).output().unwrap();
        assert!(run.status.success(), "{run:?}");
        assert_eq!(fs::read_to_string(path).unwrap(), content);
    }
    asked
}

/// Sets or removes the limit on the size of files.
fn limit(bytes: Option<u64>) {
    let limit = rustix::process::Rlimit { current: bytes, maximum: None };
    rustix::process::setrlimit(rustix::process::Resource::Fsize, limit).unwrap();
}

#[test]
fn the_head_of_an_empty_file_waits_for_room() {
    let name = "the_head_of_an_empty_file_waits_for_room";
    let Some(path) = in_process_of_its_own(name, "start\nthree\n") else { return };
    let sink = Sink::file(&path, SMALL, FileForm::default()).unwrap();
    limit(Some(3));
    assert_eq!(sink.input.try_write("start\n".into(), 1), Offer::Accepted);
    assert_eq!(sink.input.try_write("one\ntwo\n".into(), 2), Offer::Accepted);
    let mut lost = 0;
    while lost < 2 {
        lost += sink.take_lost().records;
        thread::yield_now();
    }
    limit(None);
    assert_eq!(sink.input.try_write("three\n".into(), 1), Offer::Accepted);
    // Room counts as available only after a second.
    assert!(
        matches!(sink.finish(LONG), Finish::Ended(SinkEnd::Failed(error)) if matches!(*error, WriteError::Full { .. }))
    );
}

#[test]
fn the_head_of_a_file_without_room_for_more_is_there_in_the_end() {
    let name = "the_head_of_a_file_without_room_for_more_is_there_in_the_end";
    let Some(path) = in_process_of_its_own(name, "start\n") else { return };
    let sink = Sink::file(&path, SMALL, FileForm::default()).unwrap();
    limit(Some(3));
    assert_eq!(sink.input.try_write("start\n".into(), 1), Offer::Accepted);
    assert_eq!(sink.input.try_write("one\ntwo\n".into(), 2), Offer::Accepted);
    while sink.take_lost().records < 2 {
        thread::yield_now();
    }
    limit(Some(6));
    assert!(
        matches!(sink.finish(LONG), Finish::Ended(SinkEnd::Failed(error)) if matches!(*error, WriteError::Full { .. }))
    );
}

#[test]
fn when_there_is_room_again_the_file_goes_on_and_nothing_in_it_is_torn() {
    let name = "when_there_is_room_again_the_file_goes_on_and_nothing_in_it_is_torn";
    let Some(path) = in_process_of_its_own(name, "one\nfour\n") else { return };
    let sink = Sink::file(&path, SMALL, FileForm::default()).unwrap();
    limit(Some(6));
    assert_eq!(sink.input.try_write("one\n".into(), 1), Offer::Accepted);
    while fs::metadata(&path).unwrap().len() < 4 {
        thread::yield_now();
    }
    assert_eq!(sink.input.try_write("two\nthree\n".into(), 2), Offer::Accepted);
    while sink.take_lost().records < 2 {
        thread::yield_now();
    }
    limit(None);
    assert_eq!(sink.input.try_write("four\n".into(), 1), Offer::Accepted);
    // Room counts as available only after a second.
    assert!(
        matches!(sink.finish(LONG), Finish::Ended(SinkEnd::Failed(error)) if matches!(*error, WriteError::Full { .. }))
    );
}

#[test]
fn rotated_files_get_numbers() {
    let folder = Folder::new();
    let path = folder.path("trace.jsonl");
    fs::write(&path, "earlier").unwrap();
    let rotation = Rotation { at: RotateAt::Size(5), keep: None };
    let mut sink = Sink::file(&path, SMALL, FileForm { sealer: None, rotation: Some(rotation) }).unwrap();
    assert_eq!(sink.input.try_write("one\n".into(), 1), Offer::Accepted);
    assert!(!sink.is_due_for_rotation(host_clock::now()));
    assert_eq!(sink.input.try_write("two\n".into(), 1), Offer::Accepted);
    while !sink.is_due_for_rotation(host_clock::now()) {
        thread::yield_now();
    }
    assert!(sink.reopen(Reopen::Rotated).blocking_recv().is_ok());
    assert!(!sink.is_due_for_rotation(host_clock::now()));
    assert_eq!(sink.input.try_write("three\n".into(), 1), Offer::Accepted);
    assert!(matches!(sink.finish(LONG), Finish::Flushed));
    let names = ["trace.000001.jsonl", "trace.000002.jsonl", "trace.jsonl"];
    let contents = names.map(|name| fs::read_to_string(folder.path(name)).unwrap());
    assert_eq!(contents, ["earlier", "one\ntwo\n", "three\n"]);
}

#[test]
fn after_a_rotation_a_new_file_is_begun() {
    let folder = Folder::new();
    let (path, moved) = (folder.path("trace.jsonl"), folder.path("trace.jsonl.1"));
    let mut sink = Sink::file(&path, SMALL, FileForm::default()).unwrap();
    assert_eq!(sink.input.try_write("one\n".into(), 1), Offer::Accepted);
    fs::rename(&path, &moved).unwrap();
    assert_eq!(sink.input.try_write("two\n".into(), 1), Offer::Accepted);
    let reopening = sink.reopen(Reopen::ByName);
    assert_eq!(sink.input.try_write("three\n".into(), 1), Offer::Accepted);
    assert!(reopening.blocking_recv().is_ok() && path.exists());
    assert!(matches!(sink.finish(LONG), Finish::Flushed));

    assert_eq!(fs::read_to_string(&moved).unwrap(), "one\ntwo\n");
    assert_eq!(fs::read_to_string(&path).unwrap(), "three\n");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
}

#[test]
fn without_a_rotation_the_file_is_continued() {
    let folder = Folder::new();
    let path = folder.path("trace.jsonl");
    let mut sink = Sink::file(&path, SMALL, FileForm::default()).unwrap();
    assert_eq!(sink.input.try_write("one\n".into(), 1), Offer::Accepted);
    sink.reopen(Reopen::ByName);
    assert_eq!(sink.input.try_write("two\n".into(), 1), Offer::Accepted);
    assert!(matches!(sink.finish(LONG), Finish::Flushed));
    assert_eq!(fs::read_to_string(&path).unwrap(), "one\ntwo\n");
}

#[test]
fn a_file_that_became_a_symlink_is_not_followed() {
    let folder = Folder::new();
    let path = folder.path("trace.jsonl");
    let mut sink = Sink::file(&path, SMALL, FileForm::default()).unwrap();
    fs::remove_file(&path).unwrap();
    symlink(folder.path("other"), &path).unwrap();
    assert!(sink.reopen(Reopen::ByName).blocking_recv().is_err());
    let end = wait_for_end(&mut sink);
    let SinkEnd::Failed(error) = end else { panic!("{end:?}") };
    assert!(matches!(*error, WriteError::Reopen(OpenError::Symlink(_))), "{error:?}");
    assert!(!folder.path("other").exists());
}
