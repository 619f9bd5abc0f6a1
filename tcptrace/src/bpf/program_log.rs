//! The kernel programs' own messages.

use std::io;

use aya::Ebpf;
use aya_log::EbpfLogger;
use log::debug;

use super::maps::readiness::Readiness;

/// Hands what the programs log to this process's logger.
pub struct Messages {
    logger: EbpfLogger<&'static dyn log::Log>,
    readiness: Readiness,
}

impl std::fmt::Debug for Messages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Messages").finish_non_exhaustive()
    }
}

impl Messages {
    /// None where no program that is loaded logs anything.
    pub(super) fn of(ebpf: &mut Ebpf) -> Option<Self> {
        let logger = EbpfLogger::init(ebpf).map_err(|error| debug!("no messages from the programs: {error}")).ok()?;
        let readiness = Readiness::of(&logger).ok()?;
        Some(Self { logger, readiness })
    }

    /// Waits for messages and logs them.
    ///
    /// # Errors
    /// When they cannot be waited for.
    pub async fn forward(&mut self) -> io::Result<()> {
        self.readiness.wait().await?;
        self.logger.flush();
        Ok(())
    }
}
