//! Arbitrary lines, in pieces of any size, with any damage.

use proptest::{collection::vec, prelude::*, sample::Index};

use super::*;

/// Gives a few bytes at a time.
struct Slow<'a>(&'a [u8], usize);

impl Read for Slow<'_> {
    fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
        let few = to.len().min(self.1);
        self.0.read(&mut to[..few])
    }
}

/// The stamp with both times, as live events have them.
fn live(Stamp { time, boot_ns }: Stamp) -> Stamp {
    let time = if time.is_known() { time } else { WallTime(0) };
    Stamp { time, boot_ns: Some(boot_ns.unwrap_or(1)) }
}

proptest! {
    #[test]
    fn however_the_bytes_come_they_say_the_same(piece in 1..700_usize) {
        let text = lines(&samples::all());
        let (records, error, counters) = read_from(Slow(text.as_bytes(), piece));
        prop_assert!(error.is_none(), "{error:?}");
        prop_assert_eq!((records, counters), (read(&text).0, read(&text).2));
    }

    #[test]
    fn any_line_is_read(segment in samples::any_segment(), state in samples::any_state()) {
        let mut entries = [OutputRecord::Segment(segment), OutputRecord::State(state)];
        for entry in &mut entries {
            let (OutputRecord::Segment(SegmentOutput { stamp, .. }) | OutputRecord::State(StateOutput { stamp, .. })) = entry else {
                continue;
            };
            *stamp = live(*stamp);
        }
        let (records, error, _) = read(start() + &lines(&entries));
        prop_assert!(error.is_none(), "{error:?}");
        prop_assert_eq!(records.len(), 3);
    }

    #[test]
    fn all_flags_and_options_of_a_segment_come_back(mut segment in samples::any_segment()) {
        segment.stamp = live(segment.stamp);
        if segment.ace.is_some() {
            segment.flags = segment.flags.without(TcpFlags::ACE);
        }
        let (records, error, _) = read(start() + &lines(&[OutputRecord::Segment(segment.clone())]));
        prop_assert!(error.is_none(), "{error:?}");
        let [_, Record::Event(Recorded { event: Event::Segment(Segment { header, .. }), .. }), ..] = &records[..] else {
            panic!("{records:?}");
        };
        prop_assert_eq!(header.flags, segment.flags.with_ace(segment.ace.unwrap_or(0)));
        prop_assert_eq!(header.options, segment.options.0);
    }

    #[test]
    fn any_bytes_end(bytes: Vec<u8>) {
        // A brace alone also begins other formats.
        let _ = read([b"{\"type\":".to_vec(), bytes].concat());
    }

    #[test]
    fn damage_ends_with_an_error_or_not_at_all(
        damage in vec((any::<Index>(), any::<u8>(), any::<bool>()), 1..6),
        cut: Index,
    ) {
        let mut text = lines(&samples::all()).into_bytes();
        let (whole, ..) = read(&text);
        for (at, byte, insert) in damage {
            let at = 1 + at.index(text.len() - 1);
            if insert { text.insert(at, byte) } else { text[at] = byte }
        }
        text.truncate(1 + cut.index(text.len()));
        let (records, error, _) = read(&text);
        prop_assert!(records.len() <= whole.len());
        if let Some(error) = error {
            let message = error.to_string();
            prop_assert!(!message.chars().any(char::is_control), "{message:?}");
        }
    }
}
