//! Whether somebody asked this process to end: SIGINT (Ctrl-C), SIGTERM or SIGHUP.
//!
//! For verbs that run a virtual board and have to write its state first. Where there are no such
//! signals none ever comes, and the system ends the process itself.

use std::io::Result;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A signal that is waited for.
pub struct Signal(Arc<AtomicBool>);

impl Signal {
    /// From now on such a signal ends nothing by itself.
    pub fn caught() -> Result<Self> {
        let came = Arc::new(AtomicBool::new(false));
        #[cfg(unix)]
        for number in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM, signal_hook::consts::SIGHUP]
        {
            signal_hook::flag::register(number, Arc::clone(&came))?;
        }
        Ok(Self(came))
    }

    /// True once one came.
    pub fn came(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
