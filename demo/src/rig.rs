//! A board on a desk: the virtual STM32F407 with a sealed bootloader, a cable, and a supply to cut.
//!
//! What the demo, the sweep, the budgets and the end-to-end tests have in common. It judges
//! nothing; what must hold is said where it is used.

use anyhow::{Context, Result};
use ed25519_dalek::pkcs8::DecodePrivateKey;
use std::path::Path;
use std::time::Duration;
use surefoot_board::Board as BoardFile;
use surefoot_boards::{EXAMPLE_KEY, EXAMPLE_PUBLIC_KEY, F4_DISCOVERY, F4_DISCOVERY_AB};
use surefoot_core::config::{BLOCK_LEN, Config, FAMILY_F4, Policy, Slot};
use surefoot_core::dfu::{State, request};
use surefoot_core::image::Version;
use surefoot_core::info::{self, Info};
use surefoot_host::files::{self, Segments};
use surefoot_host::image::{self, Identity};
use surefoot_host::job::{self, Finish, JobError, Plan, Progress, Session, Silent};
use surefoot_host::link::sim::Cable;
use surefoot_host::link::{Departure, LinkError, Setup, Usb};
use surefoot_images::Image;
use surefoot_sim::usb::Wire;
use surefoot_sim::{Board, BoardOptions, ChipModel, Nanos, Pin, Snapshot};
use tempfile::TempDir;

/// The LED of boards/f4-discovery.toml.
pub const LED: Pin = Pin::new('D', 12);
/// Its button.
pub const BUTTON: Pin = Pin::new('A', 0);
/// Power-on to a device on the bus.
const ATTACH: Nanos = Nanos::secs(5);

/// What a board shows after its supply came on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// It waits for an update on USB.
    UpdateMode,
    /// It runs what is in its slot.
    Application,
    /// Neither.
    Nothing,
}

/// The board and what is around it.
pub struct Rig {
    /// The virtual board.
    pub board: Board,
    /// Its board file.
    pub file: BoardFile,
    /// The bootloader as it is in the chip.
    pub sealed: Vec<u8>,
    block: [u8; BLOCK_LEN],
    cable: Cable,
}

/// A state to come back to.
#[derive(Clone)]
pub struct Moment {
    board: Snapshot,
    cable: Cable,
}

/// The board file of the examples with another policy.
pub fn board_file(policy: Policy) -> Result<BoardFile> {
    let word = match policy {
        Policy::None => "none",
        Policy::Crc => "crc",
        Policy::Signature => "signature",
    };
    let text = F4_DISCOVERY.replace("policy = \"signature\"", &format!("policy = \"{word}\""));
    let file = parsed(&text)?;
    anyhow::ensure!(file.policy == policy, "the example board's file has changed its form");
    Ok(file)
}

/// The example board's private key. Published, so good for tests only.
pub fn example_key() -> Result<ed25519_dalek::SigningKey> {
    Ok(ed25519_dalek::SigningKey::from_pkcs8_pem(EXAMPLE_KEY.1)?)
}

/// A text in an example board's place, with the keys that example boards name.
pub fn parsed(text: &str) -> Result<BoardFile> {
    Ok(BoardFile::parse(text, boards()?.path())?)
}

/// A folder with the example boards and their keys, for as long as it is kept.
pub fn boards() -> Result<TempDir> {
    let folder = tempfile::tempdir()?;
    fill(folder.path())?;
    Ok(folder)
}

/// Puts the example boards and their keys into a folder.
pub fn fill(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder.join("keys"))?;
    let boards = [("f4-discovery.toml", F4_DISCOVERY), ("f4-discovery-ab.toml", F4_DISCOVERY_AB)];
    for (name, text) in boards.into_iter().chain([EXAMPLE_KEY, EXAMPLE_PUBLIC_KEY]) {
        std::fs::write(folder.join(name), text)?;
    }
    Ok(())
}

impl Rig {
    /// A board with `firmware`, sealed for the example board under `policy`, without supply.
    pub fn new(firmware: Image, policy: Policy) -> Result<Self> {
        Self::with(firmware, board_file(policy)?)
    }

    /// The same for a board file of its own.
    pub fn with(firmware: Image, file: BoardFile) -> Result<Self> {
        Self::on(Self::options(), firmware, file)
    }

    /// The parts of the boards that the others make.
    pub fn options() -> BoardOptions {
        BoardOptions { battery: true, ..BoardOptions::new(ChipModel::stm32f407vg()) }
    }

    /// The same on a board with these parts.
    pub fn on(options: BoardOptions, firmware: Image, file: BoardFile) -> Result<Self> {
        let sealed = surefoot_board::seal(firmware.binary, &file)?;
        let mut board = Board::with(options);
        board.load(sealed.base, &sealed.image)?;
        board.set_pin(BUTTON, Some(false));
        let cable = Cable::plug(&mut board, &file.running_slots());
        Ok(Self { board, block: file.block(), cable, sealed: sealed.image, file })
    }

    /// The slot.
    pub fn slot(&self) -> Slot {
        self.file.slot()
    }

    /// The sealed configuration.
    pub fn config(&self) -> Config<'_> {
        // `Rig::with` sealed it.
        Config::parse(&self.block, FAMILY_F4).expect("the board's own block")
    }

    /// An ELF file as a signed image for this board, or with a manifest only when there is no key.
    pub fn image(
        &self,
        elf: &Path,
        version: [u16; 3],
        key: Option<&ed25519_dalek::SigningKey>,
    ) -> Result<Segments> {
        let loaded = files::read(elf, None)?;
        let flat = image::flat(&loaded.segments, self.slot())?;
        self.manifest(flat, version, key)
    }

    /// Flat bytes for the slot with a manifest behind them.
    pub fn manifest(
        &self,
        flat: Vec<u8>,
        [major, minor, patch]: [u16; 3],
        key: Option<&ed25519_dalek::SigningKey>,
    ) -> Result<Segments> {
        let identity = Identity {
            version: Version { major, minor, patch },
            security_counter: 1,
            device_id: self.file.device_id(),
            board_id: self.file.id,
        };
        let bytes = image::sign(flat, self.slot(), identity, key, false)?;
        Ok(Segments::one(self.slot().base, bytes)?)
    }

    /// Bytes for the slot which look like a program (they sleep), `length` of them with a manifest
    /// behind, for timing.
    pub fn filler(&self, length: u32) -> Vec<u8> {
        let mut bytes: Vec<u8> = (0..length).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        let entry = self.slot().base + 0x200;
        bytes[0..4].copy_from_slice(&0x2002_0000u32.to_le_bytes());
        bytes[4..8].copy_from_slice(&(entry | 1).to_le_bytes());
        bytes[8..0x200].fill(0);
        // wfi; b .-2
        bytes[0x200..0x204].copy_from_slice(&[0x30, 0xBF, 0xFD, 0xE7]);
        bytes
    }

    /// Supply on; says what the board does within `limit`.
    pub fn power_on(&mut self, limit: Nanos) -> Found {
        self.board.power_on();
        self.look(limit)
    }

    /// Runs until the board waits on USB or its application runs, at most for `limit`.
    pub fn look(&mut self, limit: Nanos) -> Found {
        let slots = self.file.running_slots();
        let shown = |board: &Board| {
            if board.usb_ref().pulled_up() {
                Found::UpdateMode
            } else if slots.iter().any(|slot| slot.contains(board.pc(), 2)) {
                Found::Application
            } else {
                Found::Nothing
            }
        };
        let end = self.board.now() + limit;
        while self.board.now() < end && self.board.is_powered() {
            let left = end.since(self.board.now());
            self.board.run_until(|b| shown(b) != Found::Nothing, left.min(Nanos::millis(5)));
            let found = shown(&self.board);
            if found != Found::Nothing {
                return found;
            }
        }
        Found::Nothing
    }

    /// Supply off and on with the button held, until the board is in update mode and enumerated.
    pub fn into_update_mode(&mut self) -> Result<()> {
        self.board.power_off();
        self.board.set_pin(BUTTON, Some(true));
        self.board.power_on();
        let attached = self.attach();
        self.board.set_pin(BUTTON, Some(false));
        attached
    }

    /// Waits for the board on the bus.
    pub fn attach(&mut self) -> Result<()> {
        Ok(self.cable.attach(&mut self.board, ATTACH)?)
    }

    /// Pulls the cable and plugs it in again.
    pub fn replug(&mut self) -> Result<()> {
        self.cable.unplug(&mut self.board);
        self.board.run_for(Nanos::millis(50));
        self.cable = Cable::plug(&mut self.board, &self.file.running_slots());
        self.attach()
    }

    /// One DNLOAD and its GETSTATUS, waited for as the device asks; bStatus and bState at the end.
    pub fn download(&mut self, block: u8, data: &[u8]) -> Result<(u8, u8)> {
        let second = Duration::from_secs(1);
        let [low, high] = (data.len() as u16).to_le_bytes();
        self.control_out([request::OUT, request::DNLOAD, block, 0, 0, 0, low, high], data, second)?;
        loop {
            let mut status = [0; 6];
            let asked = [request::IN, request::GETSTATUS, 0, 0, 0, 0, 6, 0];
            self.control_in(asked, &mut status, Duration::from_secs(5))?;
            if status[4] != State::DownloadBusy as u8 {
                return Ok((status[0], status[4]));
            }
            self.wait(Duration::from_millis(u32::from_le_bytes([status[1], status[2], status[3], 0]).into()));
        }
    }

    /// What the bootloader says of itself.
    pub fn info(&mut self) -> Result<Info> {
        let mut bytes = [0; info::LEN];
        let setup = [0xC0, info::REQUEST, 0, 0, 0, 0, info::LEN as u8, 0];
        let length = self.control_in(setup, &mut bytes, Duration::from_secs(1))?;
        Info::decode(&bytes[..length]).context("the answer to the info request has no meaning")
    }

    /// What the host would do with `image`, checked against the board file.
    pub fn plan(&mut self, image: &Segments) -> Result<Plan, JobError> {
        let block = self.block;
        let config = Config::parse(&block, FAMILY_F4).ok();
        let mut session = Session::open(self, false)?;
        session.look()?;
        job::plan(session.target(), config, image, job::Options::default())
    }

    /// What the host would do if it checked nothing, to see what the device says.
    pub fn blind_plan(&mut self, image: &Segments) -> Result<Plan, JobError> {
        let session = Session::open(self, false)?;
        let options = job::Options { unchecked: true, ..job::Options::default() };
        job::plan(session.target(), None, image, options)
    }

    /// Carries a plan out, verifies it and leaves.
    pub fn update(&mut self, plan: &Plan) -> Result<Finish, JobError> {
        self.update_watched(plan, &mut Silent)
    }

    /// The same with somebody watching.
    pub fn update_watched(&mut self, plan: &Plan, progress: &mut dyn Progress) -> Result<Finish, JobError> {
        let mut session = Session::open(self, false)?;
        session.flash(plan, progress)?;
        session.verify(&plan.write, progress)?;
        session.leave(plan.start)
    }

    /// Plans and carries out an update.
    pub fn flash(&mut self, image: &Segments) -> Result<Finish, JobError> {
        let plan = self.plan(image)?;
        self.update(&plan)
    }

    /// Time between the LED's changes over `span`, in microseconds.
    pub fn blinks(&mut self, span: Nanos) -> Vec<u64> {
        let from = self.board.now();
        self.board.run_for(span);
        let at: Vec<u64> =
            self.board.pin_trace(LED).iter().filter(|e| e.at > from).map(|e| e.at.0 / 1000).collect();
        at.windows(2).map(|pair| pair[1] - pair[0]).collect()
    }

    /// The state now, with the cable's.
    pub fn moment(&mut self) -> Moment {
        Moment { board: self.board.snapshot(), cable: self.cable.clone() }
    }

    /// Back to a state.
    pub fn back_to(&mut self, moment: &Moment) {
        self.board.restore(&moment.board);
        self.cable.clone_from(&moment.cable);
    }
}

impl Usb for Rig {
    fn control_in(&mut self, setup: Setup, buffer: &mut [u8], timeout: Duration) -> Result<usize, LinkError> {
        self.cable.control_in(&mut self.board, setup, buffer, timeout)
    }

    fn control_out(&mut self, setup: Setup, data: &[u8], timeout: Duration) -> Result<(), LinkError> {
        self.cable.control_out(&mut self.board, setup, data, timeout)
    }

    fn wait(&mut self, time: Duration) {
        self.cable.wait(&mut self.board, time);
    }

    fn elapsed(&self) -> Duration {
        Duration::from_nanos(self.board.now().0)
    }

    fn departure(&mut self, limit: Duration) -> Result<Departure, LinkError> {
        self.cable.departure(&mut self.board, limit)
    }

    fn name(&self) -> String {
        format!("virtual {}", self.file.name)
    }
}
