//! The connections that `--only` and `--fail-on` select, by words for their verdicts.

use std::{
    fmt::{self, Debug, Display, Formatter},
    str::FromStr,
};

use thiserror::Error;

use super::facts::{Facts, bits, words};

/// A selection of connections: those for which at least one of its words holds, and none of the words after `!`. If all
/// words have `!`, it includes all other connections. The default includes all of them.
#[derive(Clone, Copy, Default, Eq, PartialEq)]
pub struct Only {
    include: u64,
    exclude: u64,
}

impl Only {
    /// Connections that failed or stalled.
    pub(crate) const PROBLEMS: Self = Self { include: Facts::FAILED.0 | Facts::STALLED.0, exclude: 0 };

    /// Returns whether a connection is selected; `None` if that depends on facts that may still become known.
    pub fn decide(&self, known: Facts, possible: Facts) -> Option<bool> {
        if known.0 & self.exclude != 0 {
            return Some(false);
        }
        let included = self.include == 0 || known.0 & self.include != 0;
        match (included, self.exclude & possible.0 != 0, self.include & possible.0 != 0) {
            (true, false, _) => Some(true),
            (true, true, _) | (false, _, true) => None,
            (false, _, false) => Some(false),
        }
    }

    /// Returns the combination of both, for an option given more than once: what either selects and neither excludes.
    #[must_use]
    pub const fn and(self, more: Self) -> Self {
        Self { include: self.include | more.include, exclude: self.exclude | more.exclude }
    }
}

/// A word that `--only` does not know.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("'{}' is not a known word: give any of {}, with ! in front to exclude them", .0.escape_debug(), words().join(","))]
pub struct OnlyError(String);

/// Parses a comma-separated list of [`words`], each of them with or without `!`. Spaces around them are ignored.
impl FromStr for Only {
    type Err = OnlyError;

    fn from_str(text: &str) -> Result<Self, OnlyError> {
        text.split(',').map(str::trim).try_fold(Self::default(), |only, given| {
            let (word, excluded) = given.strip_prefix('!').map_or((given, false), |word| (word.trim_start(), true));
            let bits = bits(word);
            match (bits, excluded) {
                (0, _) => Err(OnlyError(given.to_owned())),
                (_, true) => Ok(only.and(Self { include: 0, exclude: bits })),
                (_, false) => Ok(only.and(Self { include: bits, exclude: 0 })),
            }
        })
    }
}

/// Writes the words as [`Only::from_str`] parses them.
impl Display for Only {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let all = |of: u64, mark: &'static str| {
            let chosen = words().iter().filter(move |word| bits(word) & of == bits(word));
            chosen.map(move |word| format!("{mark}{word}"))
        };
        let words: Vec<String> = all(self.include, "").chain(all(self.exclude, "!")).collect();
        f.write_str(&words.join(","))
    }
}

impl Debug for Only {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "Only({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        render::samples,
        verdict::{Close, CloseKind, Handshake, Outcome, Reset, ResetCause, Role},
    };

    const SECOND: u64 = 1_000_000_000;

    fn only(text: &str) -> Only {
        text.parse().expect("known words")
    }

    fn handshake(outcome: Option<Outcome>, reset: Option<Reset>) -> Facts {
        let record = Handshake { outcome, reset, ..*samples::handshake().record };
        Facts::of_handshake(&record, SECOND)
    }

    fn close(kind: CloseKind, reset: Option<Reset>) -> Facts {
        Facts::of_close(&Close { kind, reset, ..*samples::close().record })
    }

    #[test]
    fn the_words_are_those_of_the_records_each_once() {
        let words = words();
        for word in ["failed", "stalled", "slow", "all", "refused", "no_port", "three_way", "four_segment", "linger"] {
            assert_eq!(words.iter().filter(|known| **known == word).count(), 1, "{word}");
        }
        assert_eq!(words.iter().filter(|known| **known == "reset").count(), 1, "an outcome and a kind");
        for word in words {
            assert_eq!(only(word).to_string(), *word);
            assert_eq!(only(&format!("!{word}")).to_string(), format!("!{word}"));
        }
    }

    #[test]
    fn a_list_is_a_set() {
        assert_eq!(only(" refused, !linger ,failed,refused").to_string(), "failed,refused,!linger");
        assert_eq!(format!("{:?}", only("slow")), "Only(slow)");
    }

    #[test]
    fn an_unknown_word_is_named_with_those_that_are_known() {
        for (text, word) in [("", ""), ("failed,", ""), ("resets", "resets"), ("!nothing", "!nothing"), ("!", "!")] {
            let error = text.parse::<Only>().expect_err("no such word").to_string();
            assert!(error.starts_with(&format!("'{word}' is not a known word")), "{error}");
            assert!(error.contains("failed,stalled,slow,all,established,refused"), "{error}");
        }
    }

    #[test]
    fn what_failed_is_a_question_of_the_verdict() {
        let by = |by, cause| Some(Reset { by, cause });
        for (facts, failed) in [
            (handshake(Some(Outcome::Established), None), false),
            (handshake(None, None), false),
            (handshake(Some(Outcome::Refused), None), true),
            (handshake(Some(Outcome::Cancelled), None), true),
            (handshake(Some(Outcome::NoPort), None), true),
            (handshake(Some(Outcome::Reset), by(Role::Server, ResetCause::Unknown)), true),
            (handshake(Some(Outcome::Reset), by(Role::Client, ResetCause::Unknown)), false),
            (close(CloseKind::FourSegment, None), false),
            (close(CloseKind::FourSegment, by(Role::Client, ResetCause::DataAfterClose)), false),
            (close(CloseKind::Unfinished, None), false),
            (close(CloseKind::TimedOut, None), true),
            (close(CloseKind::Reset, by(Role::Server, ResetCause::Linger)), true),
            (close(CloseKind::Reset, by(Role::Server, ResetCause::LateFin)), false),
        ] {
            assert_eq!(facts.failed(), failed, "{facts:?}");
            assert_eq!(only("failed").decide(facts, Facts::NOTHING), Some(failed));
            assert_eq!(only("!failed").decide(facts, Facts::NOTHING), Some(!failed));
        }
    }

    #[test]
    fn a_word_of_several_groups_means_all_of_them() {
        let reset = only("reset");
        assert_eq!(reset.decide(handshake(Some(Outcome::Reset), None), Facts::NOTHING), Some(true));
        assert_eq!(reset.decide(close(CloseKind::Reset, None), Facts::NOTHING), Some(true));
        assert_eq!(reset.decide(close(CloseKind::Orderly, None), Facts::NOTHING), Some(false));
    }

    #[test]
    fn a_decision_waits_only_for_what_can_still_change_it() {
        let established = Facts::NEW.with(handshake(Some(Outcome::Established), None));
        for (text, decision) in [
            ("established", Some(true)),
            ("all", Some(true)),
            ("!refused", Some(true)),
            ("refused", Some(false)),
            ("!established", Some(false)),
            ("failed", None),
            ("!failed", None),
            ("stalled", None),
            ("established,!linger", None),
            ("three_way,failed", Some(true)),
        ] {
            assert_eq!(only(text).decide(established, Facts::LATER), decision, "{text}");
        }
        assert_eq!(only("stalled").decide(Facts::NEW.with(Facts::of_stall()), Facts::ANYTHING), Some(true));
        assert_eq!(only("!slow").decide(Facts::NEW, Facts::ANYTHING), None);
        assert_eq!(Only::default().decide(Facts::NEW, Facts::ANYTHING), Some(true));
    }

    #[test]
    fn slow_is_a_handshake_that_took_as_long() {
        let mut record = *samples::handshake().record;
        (record.connect_ns, record.syn_to_synack_ns, record.synack_to_ack_ns) = (None, Some(SECOND), None);
        let slow = only("slow");
        assert_eq!(slow.decide(Facts::of_handshake(&record, SECOND), Facts::NOTHING), Some(true));
        assert_eq!(slow.decide(Facts::of_handshake(&record, SECOND + 1), Facts::NOTHING), Some(false));
        record.synack_to_ack_ns = Some(1);
        assert_eq!(slow.decide(Facts::of_handshake(&record, SECOND + 1), Facts::NOTHING), Some(true));
        (record.connect_ns, record.syn_to_synack_ns) = (Some(2 * SECOND), None);
        assert_eq!(slow.decide(Facts::of_handshake(&record, 2 * SECOND), Facts::NOTHING), Some(true));
        record.connect_ns = None;
        assert_eq!(slow.decide(Facts::of_handshake(&record, 1), Facts::NOTHING), Some(false), "nothing tells");
    }
}
