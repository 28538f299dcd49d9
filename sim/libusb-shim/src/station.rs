//! The one board of the process and its host controller, without any C.
//!
//! Reads the flash from a file at the start and writes it back, with a report, at the end.

use std::path::PathBuf;
use std::time::Duration;

use surefoot_sim::usb::host::{Enumerated, Error, UsbHost, configuration_parts};
use surefoot_sim::{Board, ChipModel, Nanos, Pin};

/// File with the flash contents from 0x08000000 on; read at the start, written at the end. Required.
pub const FLASH: &str = "SUREFOOT_FLASH";
/// File for the report at the end: one JSON object, [`Report`].
pub const REPORT: &str = "SUREFOOT_REPORT";
/// Milliseconds of simulated time that the board runs on after the last call, so that a leave is carried out.
pub const AFTERWARDS: &str = "SUREFOOT_AFTERWARDS_MS";

/// What happened on the board in this process.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Report {
    /// Simulated milliseconds since power-on.
    pub simulated_ms: u64,
    /// The bootloader's or the application's USB device is still attached at the end.
    pub attached: bool,
    /// Edges on the LED's pin PD12: instants in simulated milliseconds.
    pub led_ms: Vec<u64>,
    /// Flash operations.
    pub operations: u64,
    /// Broken rules of the manual.
    pub violations: Vec<String>,
}

/// A board with a USB host, and where its flash comes from.
pub struct Station {
    board: Board,
    host: UsbHost,
    flash: PathBuf,
    found: Enumerated,
}

/// Longest time that a board may take until it shows itself.
const ATTACH: Nanos = Nanos::secs(3);

impl Station {
    /// Makes the board that the environment names, powers it, and enumerates what it shows.
    ///
    /// # Errors
    ///
    /// A sentence: no flash file, or a board that does not enumerate.
    pub fn from_environment() -> Result<Self, String> {
        let flash =
            std::env::var_os(FLASH).map(PathBuf::from).ok_or_else(|| format!("{FLASH} is not set"))?;
        let bytes = std::fs::read(&flash).map_err(|error| format!("{}: {error}", flash.display()))?;
        Self::new(&bytes, flash)
    }

    fn new(bytes: &[u8], flash: PathBuf) -> Result<Self, String> {
        let mut board = Board::new(ChipModel::stm32f407vg());
        if !board.write_flash(0x0800_0000, bytes) {
            return Err(format!("{} bytes do not fit the chip's flash", bytes.len()));
        }
        board.power_on();
        let mut host = UsbHost::default();
        host.plug(&mut board);
        let found = host.wait_attach(&mut board, ATTACH).and_then(|()| host.enumerate(&mut board));
        let found = found.map_err(|error| format!("the board does not enumerate: {error}"))?;
        Ok(Self { board, host, flash, found })
    }

    /// The device descriptor.
    pub fn device(&self) -> &[u8] {
        &self.found.device
    }

    /// The configuration with everything behind it.
    pub fn configuration(&self) -> &[u8] {
        &self.found.configuration
    }

    /// The descriptors in the configuration.
    pub fn parts(&self) -> impl Iterator<Item = &[u8]> {
        configuration_parts(&self.found.configuration)
    }

    /// Whether the device that was enumerated is still there.
    pub fn attached(&mut self) -> bool {
        self.host.is_attached(&mut self.board)
    }

    /// A control transfer to the host.
    ///
    /// # Errors
    ///
    /// Those of [`UsbHost::control_in`].
    pub fn control_in(&mut self, setup: [u8; 8], limit: Nanos) -> Result<Vec<u8>, Error> {
        self.host.control_in(&mut self.board, &setup, limit)
    }

    /// A control transfer to the device.
    ///
    /// # Errors
    ///
    /// Those of [`UsbHost::control_out`].
    pub fn control_out(&mut self, setup: [u8; 8], data: &[u8], limit: Nanos) -> Result<(), Error> {
        self.host.control_out(&mut self.board, &setup, data, limit)
    }

    /// A port reset, as `libusb_reset_device` does it: the device is configured again afterwards.
    ///
    /// # Errors
    ///
    /// Those of [`UsbHost::enumerate`]; another device than before is [`Error::Gone`].
    pub fn reset(&mut self) -> Result<(), Error> {
        let found = self.host.enumerate(&mut self.board)?;
        if found == self.found { Ok(()) } else { Err(Error::Gone) }
    }

    /// The program waits: the board's time passes.
    pub fn wait(&mut self, time: Duration) {
        self.host.idle(&mut self.board, Nanos(time.as_nanos() as u64));
    }

    /// Lets the board run on as the environment says, and writes the flash and the report.
    ///
    /// # Errors
    ///
    /// A sentence with the file that could not be written.
    pub fn finish(&mut self) -> Result<(), String> {
        let afterwards = std::env::var(AFTERWARDS).ok().and_then(|text| text.parse().ok()).unwrap_or(0);
        self.wait(Duration::from_millis(afterwards));
        let failed = |path: &PathBuf, error: std::io::Error| format!("{}: {error}", path.display());
        std::fs::write(&self.flash, self.board.flash()).map_err(|error| failed(&self.flash, error))?;
        if let Some(path) = std::env::var_os(REPORT).map(PathBuf::from) {
            let text = serde_json::to_string(&self.report()).expect("plain data");
            std::fs::write(&path, text).map_err(|error| failed(&path, error))?;
        }
        Ok(())
    }

    fn report(&mut self) -> Report {
        let edges = self.board.pin_trace(Pin::new('D', 12));
        Report {
            simulated_ms: self.board.now().as_millis(),
            attached: self.attached(),
            led_ms: edges.iter().map(|edge| edge.at.as_millis()).collect(),
            operations: self.board.operations(),
            violations: self.board.violations().iter().map(ToString::to_string).collect(),
        }
    }
}
