//! The desk of the clients: the virtual board with the shipped bootloader, a guest, and the scenarios' images.

use anyhow::{Result, ensure};
use std::path::Path;
use std::time::Duration;

use surefoot_core::config::Policy;
use surefoot_host::files::{self, Format, Ids, Part, Place, Segments};
use surefoot_host::image;
use surefoot_sim::{Board, BoardOptions, ChipModel, Nanos};
use surefoot_tests::fixtures::{self, SLOT};
use surefoot_tests::rig::{self, Rig};

use super::guest::{Guest, Output};
use super::initramfs::Initramfs;
use super::machine;

/// Start of flash.
pub const FLASH: u32 = 0x0800_0000;
/// Where the two pieces go: sectors 4 and 5.
pub const PIECES: [u32; 2] = [0x0801_0000, 0x0802_0000];
/// Most time for one command, a mass erase and a loaded machine included.
const PATIENCE: Duration = Duration::from_secs(90);

/// What goes through the cable.
pub struct Images {
    /// The bootloader, sealed for boards/f4-discovery.toml under the policy `signature`.
    pub bootloader: Vec<u8>,
    /// A signed blinky; its LED changes every 250 ms.
    pub blinky: Vec<u8>,
    /// The same with 30,000 bytes behind the program, signed too.
    pub large: Vec<u8>,
    /// 50,001 bytes of no program: no multiple of a block, a word or a half-word.
    pub odd: Vec<u8>,
    /// Two pieces for two sectors.
    pub pieces: [Vec<u8>; 2],
}

impl Images {
    /// Builds and signs everything.
    pub fn make() -> Result<Self> {
        let rig = Rig::new(surefoot_images::F4_FULL, Policy::Signature)?;
        let key = rig::example_key()?;
        let noise = |length: u32, seed: u32| {
            (0..length).map(|i| ((i ^ seed).wrapping_mul(2_654_435_761) >> 11) as u8).collect::<Vec<u8>>()
        };
        let elf = files::read(&fixtures::blinky_rust(250, SLOT)?, None)?;
        let flat = image::flat(&elf.segments, rig.slot())?;
        let signed = |program: Vec<u8>| {
            let image = rig.manifest(program, [1, 2, 3], Some(&key))?;
            anyhow::Ok(image.flat(image.start(), image.end()))
        };
        let large = signed([flat.clone(), noise(30_000, 4)].concat())?;
        let blinky = signed(flat)?;
        let pieces = [noise(3000, 1), noise(5000, 2)];
        Ok(Self { bootloader: rig.sealed, blinky, large, odd: noise(50_001, 3), pieces })
    }
}

/// Board and guest.
pub struct Desk {
    /// The board.
    pub board: Board,
    /// The guest.
    pub guest: Guest,
    /// The images.
    pub images: Images,
}

impl Desk {
    /// Boots the guest with the board plugged in and waiting for an update; `client` is the `surefoot` command.
    pub fn new(images: Images, client: &Path, work: &Path) -> Result<Self> {
        let kernel = machine::kernel()?;
        let mut archive = Initramfs::new()?;
        archive.file("init", include_bytes!("init.sh"));
        archive.program(Path::new("/usr/bin/dfu-util"), "dfu-util", work)?;
        archive.program(client, "surefoot", work)?;
        for (name, module) in kernel.modules(work)? {
            archive.file(&format!("modules/{name}"), &module);
        }
        archive.file("images/blinky.bin", &images.blinky);
        archive.file("images/large.bin", &images.large);
        archive.file("images/odd.bin", &images.odd);
        archive.file("images/two.dfu", &dfuse_file(&images.pieces)?);
        archive.copy(&fixtures::root().join("boards/f4-discovery.toml"), "boards/f4-discovery.toml")?;
        archive.copy(&fixtures::root().join("boards/keys/example.pub.pem"), "boards/keys/example.pub.pem")?;
        let mut options = BoardOptions::new(ChipModel::stm32f407vg());
        options.battery = true;
        let mut board = Board::with(options);
        board.set_pin(rig::BUTTON, Some(false));
        board.write_flash(FLASH, &images.bootloader);
        board.power_on();
        let guest = Guest::boot(&mut board, &kernel.image, &archive.finish(), work)?;
        Ok(Self { board, guest, images })
    }

    /// A board as a factory ships it: the bootloader and nothing else, freshly powered, seen by the guest.
    pub fn fresh(&mut self) -> Result<()> {
        self.power_off()?;
        let mut flash = self.images.bootloader.clone();
        flash.resize(self.board.flash().len(), 0xFF);
        self.board.write_flash(FLASH, &flash);
        self.board.take_violations();
        self.power_on()
    }

    /// Cuts the supply and waits until the guest has noticed.
    pub fn power_off(&mut self) -> Result<()> {
        self.board.power_off();
        self.expect("gone").map(drop)
    }

    /// Switches the supply on and waits until the guest sees a DFU device.
    pub fn power_on(&mut self) -> Result<()> {
        self.board.power_on();
        self.expect("device")?;
        self.guest.cable.take_controls();
        Ok(())
    }

    /// Runs a command that must succeed, and returns what it wrote.
    pub fn expect(&mut self, command: &str) -> Result<String> {
        let output = self.run(command)?;
        ensure!(output.code == 0, "{command}: exit code {}\n{}", output.code, output.text);
        Ok(output.text)
    }

    /// Runs a command.
    pub fn run(&mut self, command: &str) -> Result<Output> {
        self.guest.run(&mut self.board, command, PATIENCE)
    }

    /// The flash from the start of the slot on.
    pub fn slot(&self) -> &[u8] {
        &self.board.flash()[(SLOT - FLASH) as usize..]
    }

    /// The slot holds `bytes` and is erased behind them.
    pub fn slot_holds(&self, bytes: &[u8]) -> Result<()> {
        let slot = self.slot();
        let wrong = bytes.iter().zip(slot).position(|(wanted, found)| wanted != found);
        ensure!(wrong.is_none(), "the slot differs at byte {}", wrong.unwrap_or_default());
        let rest = slot[bytes.len()..].iter().position(|&byte| byte != 0xFF);
        ensure!(rest.is_none(), "the slot is not erased {} bytes behind the image", rest.unwrap_or_default());
        Ok(())
    }

    /// The blinky runs: the LED changes every 250 ms of simulated time.
    pub fn blinks(&mut self) -> Result<()> {
        self.guest.turn_until(&mut self.board, Duration::from_secs(5), |_, board| {
            surefoot_core::config::Slot { base: SLOT, length: 0xF_0000 }.contains(board.pc(), 2)
        })?;
        let from = self.board.now();
        self.board.run_for(Nanos::secs(2));
        let trace = self.board.pin_trace(rig::LED);
        let edges: Vec<Nanos> = trace.iter().map(|edge| edge.at).filter(|&at| at > from).collect();
        let steady = edges.windows(2).all(|pair| (pair[1] - pair[0]).0.abs_diff(250_000_000) < 2_000_000);
        ensure!(edges.len() >= 6 && steady, "the LED does not change every 250 ms: {edges:?}");
        Ok(())
    }

    /// Neither the firmware nor the application broke a rule of the manual.
    pub fn no_violations(&mut self) -> Result<()> {
        let list: Vec<String> = self.board.take_violations().iter().map(ToString::to_string).collect();
        ensure!(list.is_empty(), "{} rules of the manual were broken:\n{}", list.len(), list.join("\n"));
        Ok(())
    }
}

/// A DfuSe file with an element for each piece; each piece gets a flash sector of its own.
fn dfuse_file(pieces: &[Vec<u8>; 2]) -> Result<Vec<u8>> {
    let parts = pieces.iter().zip(PIECES).map(|(piece, address)| Part {
        address,
        bytes: piece.clone(),
        place: Place::Offset(0),
    });
    Ok(files::encode(Format::Dfu, &Segments::new(parts)?, Ids::default())?)
}
