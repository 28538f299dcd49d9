//! A virtual board and its state file: one line of JSON, then the flash.

use crate::files::{self, FileError};
use crate::job::State;
use crate::link::LinkError;
use serde::{Deserialize, Serialize};
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use surefoot_core::config::{Pin as ConfigPin, Slot};
use surefoot_sim::{Board, BoardOptions, ChipModel, Hse, Nanos, Pin};

const FORMAT: u32 = 1;
/// How a state file begins, in each version.
const FIRST_WORDS: &[u8] = b"{\"surefoot_board_state\":";
/// RTC_BKP0R to RTC_BKP19R (RM0090 section 26.6.20).
const BACKUP_REGISTERS: usize = 20;
/// Ports A to I (RM0090 section 8).
const PORTS: u8 = 9;
/// The fastest external clock, in hertz (DS8626 section 5.3.8).
const MAX_HSE: u32 = 50_000_000;
/// A hundred years in nanoseconds: sums of two ages do not overflow.
const OLDEST: u64 = 100 * 366 * 24 * 3600 * 1_000_000_000;

/// What is soldered around the chip, from the board file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fitting {
    /// The board's name.
    pub board: String,
    /// The chip's name.
    pub chip: String,
    /// Crystal or clock in hertz, 0 for none.
    pub hse_hz: u32,
    /// It is a clock.
    pub hse_bypass: bool,
    /// The button, as in the configuration block.
    pub button: Option<u16>,
    /// The LED, as in the configuration block.
    pub led: Option<u16>,
    /// First address of the slot.
    pub slot_base: u32,
    /// Bytes of the slot.
    pub slot_length: u32,
    /// Base and length of the other slot, where two slots run.
    #[serde(default)]
    pub second: Option<(u32, u32)>,
    /// The magic word that asks for update mode.
    pub magic: u32,
    /// The backup register for it.
    pub backup_register: u8,
}

impl Fitting {
    /// Values that no board has, from a damaged file, would be met in the middle of a job.
    fn check(&self) -> Result<(), &'static str> {
        let real = |pin: Option<u16>| pin.is_none_or(|p| ConfigPin(p).port() < PORTS && p >> 11 == 0);
        let slots_fit = self.slots().iter().all(|slot| slot.base.checked_add(slot.length).is_some());
        match () {
            () if !real(self.button) || !real(self.led) => Err("it names a pin that no chip has"),
            () if usize::from(self.backup_register) >= BACKUP_REGISTERS => {
                Err("it names a backup register that no chip has")
            }
            () if self.hse_hz > MAX_HSE => Err("no crystal is as fast"),
            () if !slots_fit => Err("its slot leaves the address space"),
            () => Ok(()),
        }
    }

    /// The slots in which applications run.
    pub fn slots(&self) -> Vec<Slot> {
        let first = Slot { base: self.slot_base, length: self.slot_length };
        let second = self.second.map(|(base, length)| Slot { base, length });
        std::iter::once(first).chain(second).collect()
    }
}

/// What somebody does while the supply goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PowerOn {
    /// Holds the button for two seconds.
    pub button: bool,
    /// Had the application write the magic word before.
    pub magic: bool,
    /// Has fitted another crystal than the board file's, for this time.
    pub hse: Option<Hse>,
}

#[derive(Serialize, Deserialize)]
struct Header {
    surefoot_board_state: u32,
    fitting: Fitting,
    /// Time in the board's life, nanoseconds.
    now: u64,
    backup: Vec<u32>,
    option_bytes: u32,
}

/// A virtual board with what is around it.
pub struct VirtualBoard {
    /// The simulator's board.
    pub board: Board,
    /// What is around it.
    pub fitting: Fitting,
    /// The board's age when it was loaded.
    age: u64,
    /// Held as long as the board is.
    lock: Option<StateLock>,
    /// Somebody else than the button decides on its pin.
    button_pin_taken: bool,
}

impl VirtualBoard {
    /// A new board with `bootloader` at the start of its flash, without supply.
    ///
    /// # Errors
    /// [`LinkError::NoModel`]; [`LinkError::Virtual`] when the bootloader lies outside the flash.
    pub fn new(fitting: Fitting, base: u32, bootloader: &[u8]) -> Result<Self, LinkError> {
        let mut options = BoardOptions::new(model(&fitting.chip)?);
        options.battery = true;
        options.jump_polls = true;
        options.hse = match (fitting.hse_hz, fitting.hse_bypass) {
            (0, _) => Hse::None,
            (hz, false) => Hse::Crystal(hz),
            (hz, true) => Hse::Clock(hz),
        };
        let mut board = Board::with(options);
        board.load(base, bootloader).map_err(|e| LinkError::Virtual(e.to_string()))?;
        Ok(Self { board, fitting, age: 0, lock: None, button_pin_taken: false })
    }

    /// The board in a state file.
    ///
    /// # Errors
    /// [`LinkError::Unread`]; [`LinkError::State`] when the file is damaged, another one or of another version.
    pub fn load(path: &Path) -> Result<Self, LinkError> {
        let file = path.display().to_string();
        let bytes = files::read_bytes(path).map_err(|error| match error {
            FileError::Read { source, .. } => {
                LinkError::Unread { file: file.clone(), why: source.to_string() }
            }
            FileError::NotRegular(_) => {
                LinkError::Unread { file: file.clone(), why: "it is not a regular file".into() }
            }
            other => LinkError::State { file: file.clone(), damaged: false, why: other.to_string() },
        })?;
        let damaged = bytes.starts_with(FIRST_WORDS);
        let bad = |why: &str| LinkError::State { file: file.clone(), damaged, why: why.to_owned() };
        let end = bytes.iter().position(|&b| b == b'\n').ok_or_else(|| bad("it has no first line"))?;
        let header: Header = serde_json::from_slice(&bytes[..end]).map_err(|e| match damaged {
            true => bad(&e.to_string()),
            false => bad("its first line is not that of a state"),
        })?;
        if header.surefoot_board_state != FORMAT || header.backup.len() != BACKUP_REGISTERS {
            return Err(bad("it is of another version"));
        }
        let flash = &bytes[end + 1..];
        header.fitting.check().map_err(&bad)?;
        if header.now > OLDEST {
            return Err(bad("no board is as old"));
        }
        let mut loaded = match Self::new(header.fitting, FLASH_BASE, flash) {
            Err(LinkError::Virtual(why)) => return Err(bad(&why)),
            other => other?,
        };
        if loaded.board.flash().len() != flash.len() {
            return Err(bad("its flash has another size than the chip's"));
        }
        for (number, value) in header.backup.into_iter().enumerate() {
            loaded.board.set_backup_register(number, value);
        }
        loaded.board.set_option_bytes(header.option_bytes);
        loaded.age = header.now;
        Ok(loaded)
    }

    /// Writes the state file.
    ///
    /// # Errors
    /// [`LinkError::Unkept`].
    pub fn save(&self, path: &Path) -> Result<(), LinkError> {
        let header = Header {
            surefoot_board_state: FORMAT,
            fitting: self.fitting.clone(),
            now: self.now().0,
            backup: (0..BACKUP_REGISTERS).map(|n| self.board.backup_register(n)).collect(),
            option_bytes: self.board.option_bytes(),
        };
        let mut bytes = serde_json::to_vec(&header).map_err(|e| LinkError::Unkept(e.to_string()))?;
        bytes.push(b'\n');
        bytes.extend_from_slice(self.board.flash());
        files::write_bytes(path, &bytes).map_err(unkept)
    }

    /// Keeps other commands off the state file until the board is dropped.
    pub fn keep(&mut self, lock: StateLock) {
        self.lock = Some(lock);
    }

    /// The board's age.
    pub fn now(&self) -> Nanos {
        Nanos(self.age.saturating_add(self.board.now().0))
    }

    /// Switches the supply on.
    pub fn power_on(&mut self, how: PowerOn) {
        if how.magic {
            let register = usize::from(self.fitting.backup_register);
            self.board.set_backup_register(register, self.fitting.magic);
        }
        if let Some(hse) = how.hse {
            self.board.fit_hse(hse);
        }
        self.hold_button(how.button);
        self.board.power_on();
        if how.button {
            self.board.run_for(Nanos::secs(2));
            self.hold_button(false);
        }
    }

    /// Switches the supply off.
    pub fn power_off(&mut self) {
        self.board.power_off();
    }

    /// Presses the button, or lets it go: then its pin is at the other level.
    pub fn hold_button(&mut self, pressed: bool) {
        if let Some(button) = self.fitting.button.map(ConfigPin).filter(|_| !self.button_pin_taken) {
            let level = if pressed { button.active_high() } else { !button.active_high() };
            self.board.set_pin(sim_pin(button), Some(level));
        }
    }

    /// Drives a pin from outside from now on; nothing else does, not even the button where it is the button's.
    pub fn hold_pin(&mut self, pin: Pin, level: bool) {
        self.button_pin_taken |= self.button().is_some_and(|(button, _)| button == pin);
        self.board.set_pin(pin, Some(level));
    }

    /// The button's pin in the simulator's words, and its level while it is pressed.
    pub fn button(&self) -> Option<(Pin, bool)> {
        let button = ConfigPin(self.fitting.button?);
        Some((sim_pin(button), button.active_high()))
    }

    /// True while the core executes in an application's slot.
    pub fn runs_application(&self) -> bool {
        self.running().is_some()
    }

    /// The slot in which the core executes.
    pub fn running(&self) -> Option<Slot> {
        let here = |slot: &Slot| slot.contains(self.board.pc(), 2);
        self.fitting.slots().into_iter().find(here).filter(|_| self.board.is_powered())
    }

    /// What its slots and its journal hold; nothing where there is no sealed bootloader in its flash.
    pub fn state(&self) -> Option<State> {
        State::in_flash(FLASH_BASE, self.board.flash())
    }

    /// The LED's pin in the simulator's words.
    pub fn led(&self) -> Option<(Pin, bool)> {
        let led = ConfigPin(self.fitting.led?);
        Some((sim_pin(led), led.active_high()))
    }
}

const FLASH_BASE: u32 = 0x0800_0000;

fn sim_pin(pin: ConfigPin) -> Pin {
    Pin { port: pin.port(), number: pin.pin() }
}

/// The chip's registers, if there are models of them.
fn model(chip: &str) -> Result<ChipModel, LinkError> {
    ChipModel::find(chip).ok_or_else(|| LinkError::NoModel(chip.to_owned()))
}

fn unkept(error: FileError) -> LinkError {
    LinkError::Unkept(error.to_string())
}

/// True while another command has the right to change a state file. Waits for nothing and makes nothing.
pub fn is_in_use(state: &Path) -> bool {
    let lock = File::open(lock_of(state));
    lock.is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
}

/// The file beside a state file on which its lock lies.
fn lock_of(state: &Path) -> PathBuf {
    let mut name = state.file_name().unwrap_or_default().to_owned();
    name.push(".lock");
    state.with_file_name(name)
}

/// The right to change a state file. The lock lies on a file of its own beside it, since the state
/// file is replaced by each save; the system takes it off when the process ends, however it ends.
#[derive(Debug)]
pub struct StateLock {
    _file: File,
}

impl StateLock {
    /// Waits up to `patience` for the right, and finds out whether the state can be written.
    ///
    /// # Errors
    /// [`LinkError::Locked`], [`LinkError::Unkept`].
    pub fn take(state: &Path, patience: Duration) -> Result<Self, LinkError> {
        files::check_writable(state).map_err(unkept)?;
        let path = lock_of(state);
        let io = |e: std::io::Error| LinkError::Unkept(format!("{}: {e}", path.display()));
        let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(io)?;
        let until = Instant::now() + patience;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self { _file: file }),
                Err(TryLockError::Error(error)) => return Err(io(error)),
                Err(TryLockError::WouldBlock) if Instant::now() >= until => {
                    return Err(LinkError::Locked(state.display().to_string()));
                }
                Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(20)),
            }
        }
    }
}
