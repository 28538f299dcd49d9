//! Ctrl-C and its kin: a command that has a virtual board at work ends in order, and the board keeps what it had.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether somebody asked this process to end.
#[derive(Clone, Debug)]
pub struct Signal(Arc<AtomicBool>);

impl Signal {
    /// From now on such a signal ends nothing by itself.
    ///
    /// # Errors
    /// When the system does not let signals be caught.
    pub fn caught() -> std::io::Result<Self> {
        let came = Arc::new(AtomicBool::new(false));
        #[cfg(unix)]
        for number in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM, signal_hook::consts::SIGHUP]
        {
            signal_hook::flag::register(number, Arc::clone(&came))?;
        }
        Ok(Self(came))
    }

    /// True once one came, or what is shown is not read any more.
    pub fn came(&self) -> bool {
        self.0.load(Ordering::Relaxed) || crate::output::is_closed()
    }

    /// For whoever looks at it from elsewhere.
    pub fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.0)
    }
}
