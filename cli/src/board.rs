//! A board file on the command line: loaded, checked, its faults in three parts.

use crate::exit::Exit;
use crate::problem::Problem;
use clap::Args;
use std::path::{Path, PathBuf};
use surefoot_board::layout::{Area, Use};
use surefoot_board::{Board, BoardError, Fault, SealError};
use surefoot_core::config::{BLOCK_LEN, Config, Slot};
use surefoot_host::image::{Map, Region, Sector};

/// The option that names the board file.
#[derive(Clone, Debug, Args)]
pub struct BoardFile {
    /// The board file
    #[arg(long, short, default_value = "board.toml")]
    pub board: PathBuf,
}

/// The option where a board file is a help and no need.
#[derive(Clone, Debug, Args)]
pub struct MaybeBoardFile {
    /// The board file; board.toml in this folder is taken when it is there
    #[arg(long, short)]
    pub board: Option<PathBuf>,
}

impl MaybeBoardFile {
    /// Loads what was named, or what lies there.
    pub fn load(&self) -> Result<Option<Loaded>, Problem> {
        let near = Path::new("board.toml");
        match &self.board {
            Some(path) => load(path).map(Some),
            None if near.is_file() => load(near).map(Some),
            None => Ok(None),
        }
    }
}

/// A board and its block.
pub struct Loaded {
    /// The board.
    pub board: Board,
    block: [u8; BLOCK_LEN],
}

impl Loaded {
    /// The block, as the board's bootloader reads it.
    pub fn config(&self) -> Result<Config<'_>, Problem> {
        Config::parse(&self.block, self.board.binary_family).map_err(|fault| {
            Problem::new(
                Exit::Internal,
                "board.block",
                format!(
                    "the configuration block of board {} cannot be read back: {fault:?}",
                    self.board.name
                ),
                "Surefoot wrote it itself.",
                "Please report this board file.",
            )
        })
    }
}

/// What lies at a board's addresses, for what a file holds beside its slot.
pub fn address_map(board: &Board) -> Map {
    let region = |area: &Area| match area.what {
        Use::Bootloader => Region::Bootloader,
        Use::Data => Region::Data,
        Use::Journal => Region::Journal,
        Use::Application | Use::Second | Use::Backup => Region::OtherSlot,
        Use::Staging | Use::Free => Region::Spare,
    };
    let areas = board.layout.areas.iter();
    let areas = areas.map(|area| (Slot { base: area.base, length: area.size }, region(area)));
    Map::new(areas.collect(), board.binary_family)
}

/// The flash's sectors, as the manual counts them.
pub fn sectors(board: &Board) -> impl Iterator<Item = Sector> + '_ {
    let sectors = board.layout.flash.sectors();
    sectors.map(|s| Sector { number: s.sector.into(), base: s.base, size: s.size })
}

/// Loads a board file; its warnings go to standard error.
pub fn load(path: &Path) -> Result<Loaded, Problem> {
    let board = Board::load(path).map_err(|error| refused(&error))?;
    let block = board.block();
    Ok(Loaded { board, block })
}

/// A board file's fault as a problem. The fault's own text already names the remedy.
pub fn refused(error: &BoardError) -> Problem {
    let (name, why, remedy) = match &*error.fault {
        Fault::Unreadable(_) => (
            "unreadable",
            "Everything about a board comes from this file.",
            "Name the file with --board, or make one with `surefoot new`.",
        ),
        Fault::Syntax(_) => ("syntax", "The file is not TOML.", "Correct this line."),
        Fault::UnknownKey { .. } => {
            ("unknown-key", "An unknown key is most likely a mistyped one.", "Correct or remove this line.")
        }
        Fault::Missing { .. } => ("missing", "Without it there is no safe value.", "Add the line."),
        Fault::Type { .. } => ("type", "The value is of another kind.", "Correct this line."),
        Fault::Value { .. } => (
            "value",
            "The value cannot be used, by itself or together with the others.",
            "Correct it as said above.",
        ),
        Fault::Chip(_) => ("chip", "Flash map, clocks and pins follow from the chip.", "Correct this line."),
        Fault::NotYet { .. } => ("not-yet", "This version cannot do it.", "Use what the message names."),
        Fault::Layout(_) => (
            "layout",
            "Flash is erased by whole sectors; a region that shares one would be erased with its neighbour.",
            "Correct [layout] as said above; `surefoot layout --chip` finds one that fits the chip.",
        ),
        Fault::Clock(_) => ("clock", "USB needs exactly 48 MHz.", "Correct the [clock] section."),
        Fault::Pin(_) => ("pin", "The pin must exist and be free.", "Correct this line."),
    };
    Problem::new(Exit::Input, &format!("board.{name}"), error.to_string(), why, remedy)
}

/// A refused seal as a problem.
pub fn not_sealed(error: &SealError) -> Problem {
    let name = match error {
        SealError::NotABootloader => "not-a-bootloader",
        SealError::Damaged { .. } => "damaged",
        SealError::Family { .. } => "family",
        SealError::NoSignatures => "no-signatures",
        SealError::NoFailsafe => "no-failsafe",
        SealError::TooBig { .. } => "too-big",
        SealError::Linked { .. } => "linked",
    };
    let why = "A bootloader that does not fit its board could not start it.";
    let remedy = match error {
        SealError::NotABootloader | SealError::Damaged { .. } | SealError::Linked { .. } => {
            "Leave --firmware out to take the binary that is built in."
        }
        SealError::Family { .. } => {
            "Take the binary for the board's family, or correct `chip` in the board file."
        }
        SealError::NoSignatures | SealError::NoFailsafe => {
            "Leave --firmware out to take the full build, or change the board file as said above."
        }
        SealError::TooBig { .. } => "Give the bootloader more room in [layout] of the board file.",
    };
    Problem::new(Exit::Input, &format!("seal.{name}"), error.to_string(), why, remedy)
}
