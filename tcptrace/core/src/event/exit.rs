//! The end of a process.

/// The end of a process that was exiting as it closed its socket: killed by a signal, or by exit(2).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Exit {
    /// Number of the signal that killed it (signal(7)); null if it exited on its own.
    pub signal: Option<u8>,
    /// Exit status; null if a signal killed it.
    pub code: Option<u8>,
}

impl Exit {
    /// Decodes a wait status (wait(2)): a signal in its lowest 7 bits, or an exit status in the 8 bits above the lowest 8.
    pub fn of_wait_status(status: u32) -> Self {
        match (status & 0x7f) as u8 {
            0 => Self { signal: None, code: Some((status >> 8 & 0xff) as u8) },
            signal => Self { signal: Some(signal), code: None },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_status_is_a_signal_or_a_code() {
        assert_eq!(Exit::of_wait_status(0), Exit { signal: None, code: Some(0) });
        assert_eq!(Exit::of_wait_status(3 << 8), Exit { signal: None, code: Some(3) });
        assert_eq!(Exit::of_wait_status(9), Exit { signal: Some(9), code: None });
        // SIGSEGV with a core file.
        assert_eq!(Exit::of_wait_status(0x80 | 11), Exit { signal: Some(11), code: None });
    }
}
