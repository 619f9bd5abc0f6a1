//! TCP options in JSON.

use super::by_serde;
use crate::{
    render::line_writer::Line,
    tcp::{OptionBytes, TcpOption, TcpOptions, Timestamp, hex_digits},
};

impl Line<'_> {
    pub(super) fn options(&mut self, options: &TcpOptions) -> &mut Self {
        let Some(Common { mss, window_scale, sack_permitted, timestamp, kinds, count }) = Common::of(options) else {
            by_serde(options, self.out());
            return self;
        };
        self.raw(r#"{"mss":"#).number_or_null(mss);
        self.raw(r#","window_scale":"#).number_or_null(window_scale);
        self.raw(r#","sack_permitted":"#).truth(sack_permitted);
        match timestamp {
            Some(Timestamp { value, echo }) => {
                self.raw(r#","timestamp":{"value":"#).number(value).raw(r#","echo":"#).number(echo).raw("}")
            }
            None => self.raw(r#","timestamp":null"#),
        };
        let bytes = options.0.as_slice();
        if !bytes.is_empty() {
            self.raw(r#","order":["#);
            for (index, &kind) in kinds.iter().take(count).enumerate() {
                self.raw(if index == 0 { "" } else { "," }).number(kind);
            }
            self.raw(r#"],"raw":""#);
            // Digits of all bytes, then one copy: to append them byte by byte takes four times as long.
            let mut digits = [[0; 2]; OptionBytes::MAX];
            digits.iter_mut().zip(bytes).for_each(|(digits, &byte)| *digits = hex_digits(byte));
            self.raw(digits.get(..bytes.len()).unwrap_or_default().as_flattened());
            self.raw("\"");
        }
        self.raw("}")
    }
}

/// The options of nearly every segment.
struct Common {
    mss: Option<u16>,
    window_scale: Option<u8>,
    sack_permitted: bool,
    timestamp: Option<Timestamp>,
    /// Kinds in the order of the header, so that one pass over the options suffices; only the first `count` are valid.
    kinds: [u8; OptionBytes::MAX],
    count: usize,
}

impl Common {
    /// Returns the options; `None` if there are any others.
    fn of(options: &TcpOptions) -> Option<Self> {
        let mut common = Self {
            mss: None,
            window_scale: None,
            sack_permitted: false,
            timestamp: None,
            kinds: [0; OptionBytes::MAX],
            count: 0,
        };
        for option in &options.0 {
            if let Some(kind) = common.kinds.get_mut(common.count) {
                *kind = option.kind();
                common.count += 1;
            }
            match option {
                TcpOption::Eol | TcpOption::Nop => {}
                TcpOption::Mss(mss) => common.mss = Some(mss),
                TcpOption::WindowScale(shift) => common.window_scale = Some(shift),
                TcpOption::SackPermitted => common.sack_permitted = true,
                TcpOption::Timestamp(timestamp) => common.timestamp = Some(timestamp),
                _ => return None,
            }
        }
        Some(common)
    }
}
