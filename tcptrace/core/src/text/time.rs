//! Wall-clock times: in UTC for machines, in the reader's time zone for humans.

use std::{cell::Cell, fmt, io::Write as _, ptr, str::FromStr};

use jiff::{Timestamp, tz::TimeZone};

use super::nine_digits;

const NANOSECONDS: i64 = 1_000_000_000;

// Times arrive in order: mostly only the fraction changes, so the text of the second is cached. Verdicts are written
// about a second after the events they include, so two seconds alternate.

/// Text of a time up to its fraction, with the second since the epoch and the time zone it is for.
type Second<const N: usize> = (i64, *const TimeZone, [u8; N]);

/// Cache for an even second and an odd one.
type Seconds<const N: usize> = [Cell<Second<N>>; 2];

/// An empty cache: no time is as early as its seconds.
const fn no_seconds<const N: usize>() -> Seconds<N> {
    [const { Cell::new((i64::MIN, ptr::null(), [0; N])) }; 2]
}

thread_local! {
    static UTC: Seconds<20> = const { no_seconds() };
    static LOCAL: Seconds<9> = const { no_seconds() };
}

/// A time in nanoseconds since the Unix epoch; displayed as RFC 3339 in UTC, always with nine fractional digits, or as
/// `-` if it is [`Self::UNKNOWN`].
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct WallTime(pub i64);

impl WallTime {
    /// The time of an event whose time was not recorded; null in JSON.
    pub const UNKNOWN: Self = Self(i64::MIN);

    /// Returns true if the time was recorded.
    #[inline]
    pub fn is_known(self) -> bool {
        self != Self::UNKNOWN
    }

    /// Returns the text up to the fraction, and the fraction in nanoseconds.
    #[inline]
    pub(crate) fn parts(self) -> ([u8; 20], u64) {
        let second = self.0.div_euclid(NANOSECONDS);
        let before = UTC.with(|cells| {
            cached(cells, second, ptr::null(), || until_fraction(second, "%Y-%m-%dT%H:%M:%S.", TimeZone::UTC))
        });
        (before, self.0.rem_euclid(NANOSECONDS).unsigned_abs())
    }

    /// Formats the time on the stack.
    fn text(self) -> [u8; 30] {
        let (before, fraction) = self.parts();
        let mut text = [b'Z'; 30];
        join(&mut text, before, nine_digits(fraction));
        text
    }
}

impl fmt::Display for WallTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.is_known() {
            return f.write_str("-");
        }
        f.write_str(str::from_utf8(&self.text()).unwrap_or_default())
    }
}

impl FromStr for WallTime {
    type Err = jiff::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let nanoseconds = text.parse::<Timestamp>()?.as_nanosecond();
        // Times out of range of 64 bits are centuries away: the nearest that fits will do.
        let clamped = nanoseconds.clamp((i64::MIN + 1).into(), i64::MAX.into());
        Ok(Self(i64::try_from(clamped).unwrap_or_default()))
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for WallTime {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !self.is_known() {
            return serializer.serialize_none();
        }
        serializer.serialize_str(str::from_utf8(&self.text()).unwrap_or_default())
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for WallTime {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Time;
        impl serde::de::Visitor<'_> for Time {
            type Value = WallTime;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a time by RFC 3339 or null")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<WallTime, E> {
                text.parse().map_err(|_| E::invalid_value(serde::de::Unexpected::Str(text), &self))
            }

            fn visit_unit<E: serde::de::Error>(self) -> Result<WallTime, E> {
                Ok(WallTime::UNKNOWN)
            }
        }
        // An absent field is not null, for which an `Option` would take it.
        deserializer.deserialize_any(Time)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for WallTime {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "WallTime".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "A time by RFC 3339, in UTC, always with nine digits; null if nobody recorded it.",
            "type": ["string", "null"],
            "format": "date-time",
            "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z$",
        })
    }
}

/// The time of day in a time zone: `14:12:45.104687123`.
#[derive(Clone, Copy, Debug)]
pub struct LocalTime {
    /// The time to show.
    pub time: WallTime,
    /// The reader's time zone.
    pub zone: &'static TimeZone,
}

impl LocalTime {
    /// Formats the time on the stack.
    pub(crate) fn text(self) -> [u8; 18] {
        if !self.time.is_known() {
            return *b"--:--:--.---------";
        }
        let WallTime(nanoseconds) = self.time;
        let second = nanoseconds.div_euclid(NANOSECONDS);
        let make = || until_fraction(second, "%H:%M:%S.", self.zone.clone());
        let before = LOCAL.with(|cells| cached(cells, second, ptr::from_ref(self.zone), make));
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

/// Writes the parts, whose lengths are compile-time constants, to the beginning of `text`.
fn join<const N: usize>(text: &mut [u8], before: [u8; N], fraction: [u8; 9]) {
    if let Some((start, rest)) = text.split_first_chunk_mut() {
        *start = before;
        if let Some(digits) = rest.first_chunk_mut() {
            *digits = fraction;
        }
    }
}

fn cached<const N: usize>(
    [even, odd]: &Seconds<N>,
    second: i64,
    zone: *const TimeZone,
    make: impl FnOnce() -> [u8; N],
) -> [u8; N] {
    let cell = if second % 2 == 0 { even } else { odd };
    let (of, in_zone, text) = cell.get();
    // Time zones are never freed, so the same pointer means the same zone.
    if of == second && ptr::eq(in_zone, zone) {
        return text;
    }
    let text = make();
    cell.set((second, zone, text));
    text
}

fn until_fraction<const N: usize>(second: i64, format: &str, zone: TimeZone) -> [u8; N] {
    let mut text = [b' '; N];
    let time = Timestamp::from_second(second).unwrap_or_default().to_zoned_datetime(zone);
    // Cannot fail: the formats above are valid, and the text has N bytes for every four-digit year.
    let _ = write!(text.as_mut_slice(), "{}", time.strftime(format));
    text
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn always_nine_digits_and_utc() {
        for (nanoseconds, text) in [
            (0, "1970-01-01T00:00:00.000000000Z"),
            (1_795_170_666_104_687_123, "2026-11-20T10:31:06.104687123Z"),
            (-1, "1969-12-31T23:59:59.999999999Z"),
            (i64::MIN + 1, "1677-09-21T00:12:43.145224193Z"),
            (i64::MAX, "2262-04-11T23:47:16.854775807Z"),
        ] {
            assert_eq!(WallTime(nanoseconds).to_string(), text);
            assert_eq!(serde_json::to_string(&WallTime(nanoseconds)).unwrap(), format!("\"{text}\""));
        }
    }

    #[test]
    fn a_time_that_nobody_recorded_is_null() {
        assert_eq!(serde_json::to_string(&WallTime::UNKNOWN).unwrap(), "null");
        assert_eq!(serde_json::from_str::<WallTime>("null").unwrap(), WallTime::UNKNOWN);
        assert!(serde_json::from_str::<WallTime>("7").is_err());
        assert_eq!(WallTime::UNKNOWN.to_string(), "-");
        static UTC: TimeZone = TimeZone::UTC;
        assert_eq!(LocalTime { time: WallTime::UNKNOWN, zone: &UTC }.to_string(), "--:--:--.---------");
        // No text is parsed as the unknown time.
        assert!("-009999-01-02T01:59:59Z".parse::<WallTime>().unwrap().is_known());
    }

    #[test]
    fn people_see_their_own_zone() {
        static INDIA: LazyLock<TimeZone> = LazyLock::new(|| {
            TimeZone::get("Asia/Kolkata")
                .unwrap_or(TimeZone::fixed(jiff::tz::offset(5).checked_add(jiff::Span::new().minutes(30)).unwrap()))
        });
        static UTC: TimeZone = TimeZone::UTC;
        assert_eq!(&until_fraction::<9>(0, "%H:%M:%S.", INDIA.clone()), b"05:30:00.");
        let time = WallTime(7_000_000_012);
        for _ in 0..2 {
            assert_eq!(LocalTime { time, zone: &INDIA }.to_string(), "05:30:07.000000012");
            assert_eq!(LocalTime { time, zone: &UTC }.to_string(), "00:00:07.000000012");
        }
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(nanoseconds in i64::MIN + 1..) {
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
