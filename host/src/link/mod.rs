//! Links: bytes to a board and from it, over real USB or inside a virtual board.
//!
//! A link knows [`Transfer`]s and time, and what becomes of a board; what the bytes mean is a protocol's
//! matter. `usb` is the operating system's USB; the virtual board's is `sim`.

#[cfg(feature = "sim")]
pub mod sim;
#[cfg(feature = "usb")]
pub mod usb;

use crate::explain::Explain;
use std::time::Duration;

/// SETUP packet: bmRequestType, bRequest, wValue, wIndex, wLength, as on the wire.
pub type Setup = [u8; 8];

/// What became of a board that was told to leave update mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Departure {
    /// It never left the bus.
    Stayed,
    /// It left and is back in update mode; the link is connected to it again.
    Back,
    /// It left and its application runs: seen, not assumed.
    Application,
    /// It left and has not come back as a DFU device, which is what an application does.
    Gone,
}

/// What a protocol has a link move.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Transfer {
    /// A control transfer with data from the device.
    ControlIn {
        /// The SETUP packet.
        setup: Setup,
        /// Most bytes that may come.
        length: u16,
        /// The device answers within this time.
        timeout: Duration,
    },
    /// A control transfer with data to the device, or with none.
    ControlOut {
        /// The SETUP packet.
        setup: Setup,
        /// The data.
        data: Vec<u8>,
        /// The device answers within this time.
        timeout: Duration,
    },
    /// None: waits for a board that was told to leave to go, and to come back.
    Departure {
        /// For at most so long.
        limit: Duration,
    },
}

/// A USB device's endpoint 0.
pub trait Usb {
    /// A control transfer with data from the device; its length is `buffer`'s. Returns the bytes read.
    ///
    /// # Errors
    /// [`LinkError`]; a stall is [`LinkError::Stall`].
    fn control_in(&mut self, setup: Setup, buffer: &mut [u8], timeout: Duration) -> Result<usize, LinkError>;

    /// A control transfer with data to the device, or with none.
    ///
    /// # Errors
    /// As [`Self::control_in`].
    fn control_out(&mut self, setup: Setup, data: &[u8], timeout: Duration) -> Result<(), LinkError>;

    /// Lets `time` pass.
    fn wait(&mut self, time: Duration);

    /// Time since the link was opened: the system's or the board's.
    fn elapsed(&self) -> Duration;

    /// Waits up to `limit` for a board that was told to leave to go, and to come back.
    ///
    /// # Errors
    /// [`LinkError`] when the link itself fails, or the board cannot be opened again.
    fn departure(&mut self, limit: Duration) -> Result<Departure, LinkError>;

    /// The link's and the device's place, for messages.
    fn name(&self) -> String;

    /// What the link noticed and the user should know: broken rules on a virtual board.
    fn remarks(&self) -> Vec<String> {
        Vec::new()
    }

    /// Ends the use of the link.
    ///
    /// # Errors
    /// [`LinkError`] when a virtual board's state cannot be kept.
    fn close(self: Box<Self>) -> Result<(), LinkError> {
        Ok(())
    }
}

/// Which device.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// idVendor.
    pub vid: Option<u16>,
    /// idProduct.
    pub pid: Option<u16>,
    /// iSerialNumber.
    pub serial: Option<String>,
}

/// Why a link does not work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// The device refused the request.
    #[error("the device stalled the request")]
    Stall,
    /// No answer in time.
    #[error("the device did not answer in time")]
    Timeout,
    /// The device is gone.
    #[error("the device was disconnected")]
    Gone,
    /// The transfer broke in another way.
    #[error("the transfer failed: {0}")]
    Transfer(String),
    /// No DFU device.
    #[error("no board in update mode was found{0}")]
    NoDevice(String),
    /// More than one.
    #[error("{} boards in update mode were found", .0.len())]
    Several(Vec<String>),
    /// The user may not open the device.
    #[error("no permission to open the USB device {0}")]
    Permission(String),
    /// Another program or driver holds the device.
    #[error("the USB device {0} is in use")]
    Busy(String),
    /// The operating system has bound a driver through which it cannot be reached.
    #[error("the USB device {0} has no usable driver")]
    Driver(String),
    /// Its descriptors are not those of a DFU device.
    #[error("the device is not a usable DFU device: {0}")]
    Descriptors(&'static str),
    /// The operating system's USB does not work.
    #[error("USB cannot be used: {0}")]
    System(String),
    /// The virtual board booted its application.
    #[error("the virtual board in {file} runs its application and is not in update mode")]
    Running {
        /// Its state file.
        file: String,
        /// It has a button that can be held.
        has_button: bool,
    },
    /// The state file holds no board that can be used.
    #[error("{file} is not a board's state: {why}")]
    State {
        /// Its name.
        file: String,
        /// It is one, by its first words, but not as it was written.
        damaged: bool,
        /// What is wrong.
        why: String,
    },
    /// There is no such state file, or it cannot be read.
    #[error("the virtual board in {file} cannot be read: {why}")]
    Unread {
        /// Its name.
        file: String,
        /// The system's words.
        why: String,
    },
    /// The state file cannot be written.
    #[error("the virtual board's state cannot be kept: {0}")]
    Unkept(String),
    /// Another command has the virtual board.
    #[error("the virtual board in {0} is in use")]
    Locked(String),
    /// A signal ended the command while it worked on a virtual board.
    #[error(
        "a signal ended the command; the virtual board in {0} lost its supply there and keeps what it had"
    )]
    Ended(String),
    /// There is no model of the chip.
    #[error("there is no virtual {0} yet")]
    NoModel(String),
    /// The program on a virtual board locked the core up.
    #[error("the core locked up at 0x{pc:08X}")]
    Lockup {
        /// Where it is.
        pc: u32,
    },
    /// The virtual board cannot go on.
    #[error("{0}")]
    Virtual(String),
}

const UDEV: &str = "Put this line into /etc/udev/rules.d/70-surefoot.rules, then run \
    `sudo udevadm control --reload` and plug the board in again: \
    SUBSYSTEM==\"usb\", ATTR{idVendor}==\"0483\", ATTR{idProduct}==\"df11\", TAG+=\"uaccess\"";

impl Explain for LinkError {
    fn code(&self) -> String {
        let name = match self {
            Self::Stall => "stall",
            Self::Timeout => "timeout",
            Self::Gone => "gone",
            Self::Transfer(_) => "transfer",
            Self::NoDevice(_) => "no-device",
            Self::Several(_) => "several",
            Self::Permission(_) => "permission",
            Self::Busy(_) => "busy",
            Self::Driver(_) => "driver",
            Self::Descriptors(_) => "descriptors",
            Self::System(_) => "system",
            Self::Running { .. } => "running",
            Self::State { .. } => "state",
            Self::Unread { .. } => "unread",
            Self::Unkept(_) => "unkept",
            Self::Locked(_) => "locked",
            Self::Ended(_) => "ended",
            Self::NoModel(_) => "no-model",
            Self::Lockup { .. } => "locked-up",
            Self::Virtual(_) => "virtual",
        };
        format!("link.{name}")
    }

    fn why(&self) -> String {
        match self {
            Self::Stall => "It does not know the request, or not in its present state.".into(),
            Self::Timeout => "It may hang, or the cable or a hub may be bad.".into(),
            Self::Gone => "The cable was pulled, the supply failed, or the board was reset.".into(),
            Self::Transfer(_) => "The bus or the device misbehaved.".into(),
            Self::NoDevice(_) => {
                "The board is not connected, or its application runs and it is not in update mode.".into()
            }
            Self::Several(names) => format!("Found: {}.", names.join("; ")),
            Self::Permission(_) => "The operating system keeps the device for the administrator.".into(),
            Self::Busy(_) => "Another program or a driver of the system has claimed it.".into(),
            Self::Driver(_) => "Windows has bound another driver than WinUSB to it.".into(),
            Self::Descriptors(_) => "A bootloader offers a DFU interface with a memory string.".into(),
            Self::System(_) => "The system's USB support refused.".into(),
            Self::Running { has_button: true, .. } => {
                "Nothing asked for update mode when its supply went on.".into()
            }
            Self::Running { has_button: false, .. } => {
                "It has no button, and its application did not ask for update mode.".into()
            }
            Self::State { damaged: true, .. } => {
                "It was changed by something else than surefoot, or cut short.".into()
            }
            Self::State { .. } => "It was not written by surefoot as the state of a virtual board.".into(),
            Self::Unread { .. } => "A virtual board is kept in a file.".into(),
            Self::Unkept(_) => "What a command changes on a virtual board is written into its file.".into(),
            Self::Locked(_) => "Another command works with it and would lose its changes.".into(),
            Self::Ended(_) => "A virtual board ends as a real one whose plug is pulled.".into(),
            Self::NoModel(_) => "There are models of STM32F405, F407, F411, F415, F417 and F446.".into(),
            Self::Lockup { .. } => {
                "A fault came while the core handled a fault, or the vector table has no handler for it."
                    .into()
            }
            Self::Virtual(_) => "What it executed does not let it go on.".into(),
        }
    }

    fn remedy(&self) -> String {
        match self {
            Self::Stall | Self::Timeout | Self::Transfer(_) => {
                "Reset the board into update mode and try again.".into()
            }
            Self::Gone => "Connect it again; the bootloader takes the update from the start.".into(),
            Self::NoDevice(_) => {
                "Check the cable (some only charge), then bring the board into update mode: \
                hold its button at reset, or let the application ask for it."
                    .into()
            }
            Self::Several(_) => "Choose one with --serial.".into(),
            Self::Permission(_) if cfg!(target_os = "linux") => UDEV.into(),
            Self::Permission(_) => "Run the command with the rights to open USB devices.".into(),
            Self::Busy(_) => "Close other flash tools and virtual machines that hold it.".into(),
            Self::Driver(_) => {
                "Install WinUSB for it with Zadig, or remove the driver in the Device Manager; \
                Surefoot's own bootloader needs none."
                    .into()
            }
            Self::Descriptors(_) => "Check --vid and --pid; another DFU device may have been found.".into(),
            Self::System(_) => {
                "Check that the user may list USB devices (in a container: pass /dev/bus/usb in).".into()
            }
            Self::Running { file, has_button: true } => format!(
                "Hold its button while the supply goes on: --link sim:{file},button, or let the application ask: \
                 --link sim:{file},magic."
            ),
            Self::Running { file, has_button: false } => {
                format!("Let the application ask for it: --link sim:{file},magic.")
            }
            Self::State { damaged: true, .. } => {
                "Take a copy that was kept, or remove it and let a new virtual board be made with --board.".into()
            }
            Self::State { .. } => {
                "Check its name; a new virtual board is made where there is no file yet, from the board file.".into()
            }
            Self::Unread { .. } => "Check its name and its permissions.".into(),
            Self::Unkept(_) => "Check the folder, its permissions and the free space.".into(),
            Self::Locked(_) => "Wait for the other command, or end it.".into(),
            Self::Ended(_) => "Give the command again; the bootloader takes the update from the start.".into(),
            Self::NoModel(_) => "Take one of these with --chip or in the board file.".into(),
            Self::Lockup { .. } => {
                "Check the application's fault handlers, its stack, and VTOR: it must stay at the slot's vector table."
                    .into()
            }
            Self::Virtual(_) => "See `surefoot sim run --state FILE` for what it does.".into(),
        }
    }
}
