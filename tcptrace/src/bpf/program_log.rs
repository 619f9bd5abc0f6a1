//! Forwards messages that the kernel programs log.

use std::io;

use aya::Ebpf;
use aya_log::EbpfLogger;
use log::debug;

use super::maps::readiness::Readiness;

/// Forwards messages of the kernel programs to this process's logger.
pub struct ProgramLog {
    logger: EbpfLogger<&'static dyn log::Log>,
    readiness: Readiness,
}

impl std::fmt::Debug for ProgramLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProgramLog").finish_non_exhaustive()
    }
}

impl ProgramLog {
    /// Opens the log of the loaded programs; `None` if none of them logs anything.
    pub(super) fn of(ebpf: &mut Ebpf) -> Option<Self> {
        let logger = EbpfLogger::init(ebpf).map_err(|error| debug!("the programs log no messages: {error}")).ok()?;
        let readiness = Readiness::of(&logger).ok()?;
        Some(Self { logger, readiness })
    }

    /// Waits for messages and forwards them. Cancel safe.
    ///
    /// # Errors
    /// When waiting fails.
    pub async fn forward(&mut self) -> io::Result<()> {
        self.readiness.wait().await?;
        self.logger.flush();
        Ok(())
    }
}
