//! Wall-clock times: in UTC for machines, in the system's time zone for people.

use std::{borrow::Cow, cell::Cell, fmt, io::Write as _, str::FromStr};

use jiff::{Timestamp, tz::TimeZone};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{EIGHT, eight, from_word};

const NANOSECONDS: i64 = 1_000_000_000;

/// Text of a time up to its fraction, and the second since the epoch that it is the text of.
type Second<const N: usize> = (i64, [u8; N]);

/// The even one and the odd one of two seconds that follow each other.
type Seconds<const N: usize> = [Cell<Second<N>>; 2];

thread_local! {
    // Times come in order: nearly always only the fraction is new. Closes are told a second later than what they include,
    // so that two seconds take turns. No time is as early as the one these begin with.
    static UTC: Seconds<20> = const { [const { Cell::new((i64::MIN, [0; 20])) }; 2] };
    static LOCAL: Seconds<9> = const { [const { Cell::new((i64::MIN, [0; 9])) }; 2] };
}

/// A time in nanoseconds since the Unix epoch; it reads as RFC 3339 in UTC, always with nine digits.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct WallTime(pub i64);

impl WallTime {
    /// The text up to the fraction, and the nanoseconds of that.
    #[inline]
    pub(crate) fn parts(self) -> ([u8; 20], u64) {
        let second = self.0.div_euclid(NANOSECONDS);
        let before =
            UTC.with(|cells| cached(cells, second, || until_fraction(second, "%Y-%m-%dT%H:%M:%S.", TimeZone::UTC)));
        (before, self.0.rem_euclid(NANOSECONDS).unsigned_abs())
    }

    /// The text, made on the stack.
    fn text(self) -> [u8; 30] {
        let (before, fraction) = self.parts();
        let mut text = [b'Z'; 30];
        join(&mut text, before, nine_digits(fraction));
        text
    }
}

impl fmt::Display for WallTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(str::from_utf8(&self.text()).unwrap_or_default())
    }
}

impl FromStr for WallTime {
    type Err = jiff::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let nanoseconds = text.parse::<Timestamp>()?.as_nanosecond();
        // What 64 bits cannot say lies centuries away: the nearest they can will do.
        let clamped = nanoseconds.clamp(i64::MIN.into(), i64::MAX.into());
        Ok(Self(i64::try_from(clamped).unwrap_or_default()))
    }
}

impl Serialize for WallTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(str::from_utf8(&self.text()).unwrap_or_default())
    }
}

impl<'de> Deserialize<'de> for WallTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_word(deserializer, "a time by RFC 3339", |text| text.parse().ok())
    }
}

impl JsonSchema for WallTime {
    fn schema_name() -> Cow<'static, str> {
        "WallTime".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A time by RFC 3339, in UTC, always with nine digits.",
            "type": "string",
            "format": "date-time",
            "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$",
        })
    }
}

/// The same as people have it on their wall: `14:12:45.104687123` in the system's time zone.
#[derive(Clone, Copy, Debug)]
pub struct LocalTime(pub WallTime);

impl LocalTime {
    /// The text, made on the stack.
    pub(crate) fn text(self) -> [u8; 18] {
        let WallTime(nanoseconds) = self.0;
        let second = nanoseconds.div_euclid(NANOSECONDS);
        let before =
            LOCAL.with(|cells| cached(cells, second, || until_fraction(second, "%H:%M:%S.", TimeZone::system())));
        let mut text = [0; 18];
        join(&mut text, before, nine_digits(nanoseconds.rem_euclid(NANOSECONDS).unsigned_abs()));
        text
    }
}

impl fmt::Display for LocalTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(str::from_utf8(&self.text()).unwrap_or_default())
    }
}

/// The nine digits of a fraction.
fn nine_digits(nanoseconds: u64) -> [u8; 9] {
    let [b, c, d, e, f, g, h, i] = eight(nanoseconds);
    [b'0' + (nanoseconds / EIGHT) as u8, b, c, d, e, f, g, h, i]
}

/// Puts the parts, whose lengths are known when this is compiled, at the beginning of `text`.
fn join<const N: usize>(text: &mut [u8], before: [u8; N], fraction: [u8; 9]) {
    if let Some((start, rest)) = text.split_first_chunk_mut() {
        *start = before;
        if let Some(digits) = rest.first_chunk_mut() {
            *digits = fraction;
        }
    }
}

fn cached<const N: usize>([even, odd]: &Seconds<N>, second: i64, make: impl FnOnce() -> [u8; N]) -> [u8; N] {
    let cell = if second % 2 == 0 { even } else { odd };
    let (of, text) = cell.get();
    if of == second {
        return text;
    }
    let text = make();
    cell.set((second, text));
    text
}

fn until_fraction<const N: usize>(second: i64, format: &str, zone: TimeZone) -> [u8; N] {
    let mut text = [b' '; N];
    let time = Timestamp::from_second(second).unwrap_or_default().to_zoned(zone);
    // Cannot fail: the formats above are valid and their text has N bytes for every year of four digits.
    let _ = write!(text.as_mut_slice(), "{}", time.strftime(format));
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn always_nine_digits_and_utc() {
        for (nanoseconds, text) in [
            (0, "1970-01-01T00:00:00.000000000Z"),
            (1_795_170_666_104_687_123, "2026-11-20T10:31:06.104687123Z"),
            (-1, "1969-12-31T23:59:59.999999999Z"),
            (i64::MIN, "1677-09-21T00:12:43.145224192Z"),
            (i64::MAX, "2262-04-11T23:47:16.854775807Z"),
        ] {
            assert_eq!(WallTime(nanoseconds).to_string(), text);
            assert_eq!(serde_json::to_string(&WallTime(nanoseconds)).unwrap(), format!("\"{text}\""));
        }
    }

    #[test]
    fn people_see_their_own_zone() {
        let zone = TimeZone::get("Asia/Kolkata")
            .unwrap_or(TimeZone::fixed(jiff::tz::offset(5).saturating_add(jiff::Span::new().minutes(30))));
        assert_eq!(&until_fraction::<9>(0, "%H:%M:%S.", zone), b"05:30:00.");
        let here = Timestamp::from_second(7).unwrap().to_zoned(TimeZone::system()).strftime("%H:%M:%S").to_string();
        assert_eq!(LocalTime(WallTime(7_000_000_012)).to_string(), format!("{here}.000000012"));
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(nanoseconds: i64) {
            prop_assert_eq!(WallTime(nanoseconds).to_string().parse().ok(), Some(WallTime(nanoseconds)));
        }

        #[test]
        fn neighbours_share_a_second_and_nothing_else(nanoseconds in 0..i64::MAX / 2, step in 0..3 * NANOSECONDS) {
            for nanoseconds in [nanoseconds, nanoseconds + step, nanoseconds] {
                let expected = Timestamp::from_nanosecond(nanoseconds.into()).unwrap();
                prop_assert_eq!(WallTime(nanoseconds).to_string(), format!("{expected:.9}"));
            }
        }
    }
}
