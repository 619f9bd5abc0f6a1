//! The lines of another process, read as they come.

use std::{
    fmt::Display,
    io::{BufRead, BufReader, Read},
    sync::{Arc, Condvar, Mutex, MutexGuard, mpsc::channel},
    thread::JoinHandle,
    time::{Duration, Instant},
};

/// Maximum number of lines that a failure shows.
const SHOWN: usize = 50;

/// Maximum number of lines parsed before waiting tests are notified.
const BATCH: usize = 1024;

/// Lines read by a thread of their own, so that their writer is never delayed and a test can wait for one of them. Another
/// thread parses them, since parsing may be slower than writing.
pub struct Lines<T> {
    shared: Arc<Shared<T>>,
    parser: JoinHandle<()>,
}

struct Shared<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

struct State<T> {
    items: Vec<T>,
    ended: bool,
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl<T: Display + Send + 'static> Lines<T> {
    /// Reads `source` to its end; every line is kept as the result of `parse`.
    pub fn read(source: impl Read + Send + 'static, parse: impl Fn(String) -> T + Send + 'static) -> Self {
        let state = Mutex::new(State { items: Vec::new(), ended: false });
        let shared = Arc::new(Shared { state, changed: Condvar::new() });
        let (lines, read) = channel();
        std::thread::spawn(move || {
            // A busy machine would otherwise delay the writer all the same, which gives up a reader that takes nothing for some
            // time. Tests without root have no load beside them.
            let _without_root = rustix::process::setpriority_process(None, -20);
            let lines_read = BufReader::with_capacity(1 << 20, source).split(b'\n').map_while(Result::ok);
            // The parser takes them all.
            lines_read.for_each(|line| lines.send(line).expect("the parser lives as long as there are lines"));
        });
        let writer = Arc::clone(&shared);
        let parser = std::thread::spawn(move || {
            while let Ok(line) = read.recv() {
                // All available lines at once, since a waiting test looks at all lines again each time.
                let lines = std::iter::once(line).chain(read.try_iter().take(BATCH));
                let mut items = lines.map(|line| parse(String::from_utf8_lossy(&line).into_owned())).collect();
                writer.lock().items.append(&mut items);
                writer.changed.notify_all();
            }
            writer.lock().ended = true;
            writer.changed.notify_all();
        });
        Self { shared, parser }
    }

    /// Passes all lines read so far to `look`, without waiting.
    pub fn look(&self, look: impl FnOnce(&[T])) {
        look(&self.shared.lock().items);
    }

    /// Waits until `done` returns true for all lines read so far. Fails after `limit`, or as soon as no more can come.
    #[track_caller]
    pub fn wait_until(&self, what: &str, limit: Duration, mut done: impl FnMut(&[T]) -> bool) {
        let deadline = Instant::now() + limit;
        let mut state = self.shared.lock();
        while !done(&state.items) {
            let left = deadline.saturating_duration_since(Instant::now());
            if state.ended || left.is_zero() {
                let why = if state.ended { "the output ended".to_owned() } else { format!("{limit:?} passed") };
                let (count, items) = (state.items.len(), state.items.iter().rev().take(SHOWN).rev());
                let items: String = items.map(|item| format!("\n  {item}")).collect();
                drop(state);
                panic!("{why} without {what}; of {count} lines the last were:{items}");
            }
            (state, _) =
                self.shared.changed.wait_timeout(state, left).unwrap_or_else(std::sync::PoisonError::into_inner);
        }
    }

    /// Returns all lines, after the end of the output.
    #[track_caller]
    pub fn finish(self) -> Vec<T> {
        self.parser.join().expect("the parser ends with its source");
        std::mem::take(&mut self.shared.lock().items)
    }
}
