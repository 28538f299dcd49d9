//! Boards with an image that their policy refuses, right before they decide about it.
//!
//! Each [`Refusal`] is a board, a fault of the image, and a way to the decision. What it makes is where
//! [`super::engine`] starts from. Whether the board refuses as expected is seen there, by its first run.

use super::crafted::{self, Crafted};
use crate::fixtures;
use crate::rig::{Rig, example_key};
use crate::sweep::bench::{self, Cells};
use anyhow::{Context, Result, ensure};
use ed25519_dalek::{Signer, SigningKey};
use sha2::block_api::compress256;
use sha2::{Digest, Sha256};
use surefoot_board::Board as BoardFile;
use surefoot_core::config::{FAMILY_F4, Slot};
use surefoot_core::image::manifest::{self, Algorithm, Manifest, Override};
use surefoot_core::image::{ImageFault, Version, crc32};
use surefoot_core::journal::{Event, Journal};
use surefoot_host::image::keys;
use surefoot_images::{F4_CRC, F4_FULL, Image};
use surefoot_sim::Nanos;
use surefoot_sim::usb::Wire;

/// `b .`
const TRAP: [u8; 2] = [0xFE, 0xE7];
/// `nop`
const NOP: [u8; 2] = [0x00, 0xBF];
/// Bytes of an image.
pub(super) const BODY: usize = 0x200;
/// Where it starts.
pub(super) const ENTRY: u32 = 0x100;
/// The security counter that the boards have confirmed.
pub(super) const FLOOR: u32 = 7;
/// The shortest time-out that a board file may have.
const TIMEOUT: Nanos = Nanos::secs(5);

/// The RAM.
const RAM: u32 = 0x2000_0000;
const RAM_LENGTH: usize = 0x2_0000;

/// How long before its end the way through it begins: the board counts from a little before it is seen.
const BEFORE: Nanos = Nanos::millis(80);

/// The board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One slot, no journal.
    Plain,
    /// One slot that takes all of the flash.
    Big,
    /// One slot and a journal.
    Single,
    /// Two slots that run in turn.
    Ab,
    /// A slot and a backup slot.
    Backup,
    /// One slot, policy `crc`, with the build that has nothing else.
    Crc,
    /// One slot and a journal, policy `crc`, with the full build.
    CrcJournal,
}

/// What is wrong with the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// The signature.
    Signature,
    /// The signature, whose R is made for each skip: the one that the chip comes to with it.
    Made,
    /// The signature is the right one with the group's order added to S, as anybody can.
    Order,
    /// A byte of the body, and the CRC-32 to match.
    Body,
    /// A block of the body, which is made so that eight rounds of SHA-256 in place of its 64 come to the same.
    Rounds,
    /// A word of the body that is the same as the one eight words before it, in the image that was signed.
    Word,
    /// A byte of the vector table that is zero in the image that was signed.
    Vector,
    /// A byte of the last, unfinished block, zero in the image that was signed.
    Tail,
    /// A frame for the way to the end of the jump, in place of the manifest.
    Frame,
    /// The same at the end of the body, with a manifest that fits it, and in place of the signature.
    FrameInBody,
    /// It is not signed.
    Unsigned,
    /// A stranger signed it.
    UnknownKey,
    /// Signed with a key that the block says is revoked.
    SealedRevoked,
    /// Signed with a key that a confirmed image has revoked.
    Revoked,
    /// Its counter is below the one on record.
    Counter,
    /// For another chip.
    Chip,
    /// For another board.
    Board,
    /// Linked for another address.
    LoadAddress,
    /// It has no manifest.
    NoManifest,
    /// The manifest's CRC-32 does not match the body.
    Crc,
    /// There is no manifest, and the last word is not the CRC-32.
    LastWord,
    /// The initial stack pointer is not in RAM.
    StackPointer,
    /// The reset vector is in the slot, behind what is proved.
    Reset,
    /// There is no magic in front of the manifest's offset.
    Magic,
    /// The manifest says another length than its offset.
    Length,
    /// Other code in the body, and the CRC-32 to match; the host has overwritten the image that was signed, after the
    /// board had proved it.
    Overwritten,
    /// Other code in the body; whole copies of the image that was signed are elsewhere in the slot.
    Copies,
    /// A stranger's image whose id is the address of such a copy.
    CopyAtId,
    /// The signature would fit if the key were its own R.
    KeyIsR,
    /// Other code in the body; the one that was signed is in the other slot, in an image with the same id.
    DecoyBody,
    /// Other vectors; those that were signed are in the other slot, in an image with the same id.
    DecoyHead,
    /// Other vectors; those that were signed are where flash is mapped at 0, at the length of what is behind them.
    Mapped,
    /// The same at the length of the slot.
    MappedHead,
    /// No image, but a configuration block with policy `none`, whose address is all that RAM holds.
    OwnBlock,
}

/// The way to the decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// The supply comes on.
    Boot,
    /// The host has sent the image and leaves.
    Leave,
    /// The board is in update mode, and no host is there.
    Silence,
    /// The supply comes on, and the state says that the image is on trial.
    Trial,
    /// The supply comes on, and a host tries to erase the journal.
    Erase,
}

impl Way {
    /// True when it is the start that decides.
    pub fn is_start(self) -> bool {
        matches!(self, Self::Boot | Self::Trial | Self::Erase)
    }

    /// True where what matters is what the journal says afterwards.
    pub fn is_about_the_state(self) -> bool {
        matches!(self, Self::Trial | Self::Erase)
    }
}

/// A board with an image that it refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The board.
    pub kind: Kind,
    /// The image's fault.
    pub wrong: Wrong,
    /// How it comes to be looked at.
    pub way: Way,
    /// The state names the image as the confirmed one, though it is not: ids can be forged.
    pub forged: bool,
}

impl Refusal {
    /// Its name.
    pub fn name(&self) -> String {
        let words = format!("{:?}-{:?}-{:?}", self.kind, self.wrong, self.way).to_lowercase();
        if self.forged { words + "-forged" } else { words }
    }
}

/// All of them.
pub fn all() -> Vec<Refusal> {
    use {Kind::*, Way::*, Wrong::*};
    let mut all = Vec::new();
    let mut add = |kind, way, wrongs: &[Wrong]| {
        all.extend(wrongs.iter().map(|&wrong| Refusal { kind, wrong, way, forged: false }));
    };
    let signed = [Signature, Body, Unsigned, UnknownKey, SealedRevoked, Chip, Board, LoadAddress, NoManifest];
    let vectors = [StackPointer, Reset, Magic, Length];
    add(Plain, Boot, &signed);
    add(Plain, Boot, &vectors);
    add(Plain, Boot, &[Made, Order, Rounds, Word, Vector, Tail, Frame, FrameInBody]);
    add(Single, Boot, &[Frame, FrameInBody]);
    add(Ab, Boot, &[Made]);
    add(Plain, Leave, &[Signature, Body, Unsigned, SealedRevoked, Overwritten]);
    add(Plain, Silence, &[Signature, Body, SealedRevoked, KeyIsR]);
    let counted = [Signature, Body, Unsigned, UnknownKey, SealedRevoked, Revoked, Counter, Board, NoManifest];
    for kind in [Single, Ab, Backup] {
        add(kind, Boot, &counted);
        add(kind, Leave, &[Body, SealedRevoked, Revoked, Counter, Overwritten]);
    }
    add(Ab, Leave, &[Signature]);
    add(Ab, Silence, &[Body, Revoked, Counter]);
    add(CrcJournal, Boot, &[Wrong::Crc, Counter, NoManifest]);
    let plain = [Wrong::Crc, LastWord, Chip, Board, LoadAddress];
    add(Kind::Crc, Boot, &plain);
    add(Kind::Crc, Boot, &vectors);
    add(Kind::Crc, Leave, &[Wrong::Crc, LastWord, Overwritten]);
    add(Kind::Crc, Silence, &[Wrong::Crc]);
    for kind in [Single, Ab, Backup] {
        let forged = [Body, SealedRevoked, Revoked, Counter];
        all.extend(forged.map(|wrong| Refusal { kind, wrong, way: Boot, forged: true }));
        for way in [Trial, Erase] {
            all.extend([Revoked, Counter].map(|wrong| Refusal { kind, wrong, way, forged: false }));
        }
    }
    all.extend(crafted::all().map(|(kind, wrong, forged)| Refusal { kind, wrong, way: Boot, forged }));
    all
}

/// A board right before its decision.
pub struct Scene {
    /// The board.
    pub rig: Rig,
    /// Where the refused image is.
    pub slot: Slot,
    /// It.
    pub image: Vec<u8>,
    /// Its first instruction.
    pub entry: u32,
    /// An image in the other slot that is refused, too.
    pub decoy: Option<(Slot, Vec<u8>)>,
}

impl Refusal {
    /// Makes it, with another build of the firmware where one is given.
    pub fn scene(&self, firmware: Option<Image>) -> Result<Scene> {
        self.make(firmware).with_context(|| self.name())
    }

    /// The build it is about.
    pub fn build(&self) -> Image {
        if self.kind == Kind::Crc { F4_CRC } else { F4_FULL }
    }

    fn make(&self, firmware: Option<Image>) -> Result<Scene> {
        let file = self.file()?;
        let slot = *file.running_slots().last().context("a slot")?;
        let mut rig = Rig::on(bench::parts(), firmware.unwrap_or(self.build()), file)?;
        let made = match self.crafted(&rig.file)? {
            Some(made) => made,
            None => Crafted::only(self.image(&rig.file, slot, &[0])?),
        };
        self.record(&mut rig, &made)?;
        let Crafted { image, around, decoy, ram, before, .. } = made;
        let mut scene = Scene { rig, slot, image, entry: slot.base + ENTRY, decoy };
        match self.way {
            Way::Boot | Way::Trial | Way::Erase => {
                scene.put()?;
                let decoy = scene.decoy.iter().map(|(slot, image)| (slot.base, image.clone()));
                for (at, bytes) in decoy.chain(around).collect::<Vec<_>>() {
                    ensure!(scene.rig.board.write_flash(at, &bytes), "0x{at:08x} is not in flash");
                }
                scene.trap_ram();
                scene.rig.board.power_on();
                // Zeros are what a record of stale bytes would take for the lowest floor.
                if let Some(word) = ram.or((self.way == Way::Trial).then_some(0)) {
                    scene.rig.board.write_memory(RAM, &word.to_le_bytes().repeat(RAM_LENGTH / 4));
                }
            }
            Way::Silence => {
                scene.put()?;
                scene.rig.board.power_on();
                scene.rig.board.run_until(|board| board.usb_ref().pulled_up(), Nanos::secs(3));
                ensure!(scene.rig.board.usb_ref().pulled_up(), "the board does not come to update mode");
                scene.trap_ram();
                scene.rig.board.run_for(Nanos(TIMEOUT.0 - BEFORE.0));
            }
            Way::Leave => {
                scene.rig.board.power_on();
                scene.rig.attach()?;
                scene.trap_ram();
                if let Some(before) = before {
                    let image = std::mem::replace(&mut scene.image, before);
                    scene.send()?;
                    let info = scene.rig.info()?;
                    ensure!(info.image_fault == 0, "what was signed is refused: {info:?}");
                    scene.image = image;
                }
                scene.send()?;
                scene.leave()?;
            }
        }
        Ok(scene)
    }

    /// The example board with small slots.
    fn file(&self) -> Result<BoardFile> {
        let layout = match self.kind {
            Kind::Big => "application = \"0x08004000 + 1008K\"",
            Kind::Plain | Kind::Crc => "application = \"0x0800C000 + 16K\"",
            Kind::Single | Kind::CrcJournal => "journal = \"0x08004000\"\napplication = \"0x0800C000 + 16K\"",
            Kind::Backup => {
                "strategy = \"backup\"\njournal = \"0x08004000\"\napplication = \"0x0800C000 + 16K\"\n\
                 backup = \"0x08010000 + 64K\""
            }
            Kind::Ab => {
                "strategy = \"ab\"\njournal = \"0x08004000\"\napplication = \"0x0800C000 + 16K\"\n\
                 application-b = \"0x08010000 + 64K\""
            }
        };
        self.file_with(layout, self.has_journal())
    }

    /// True when the board has a state.
    pub fn has_journal(&self) -> bool {
        !matches!(self.kind, Kind::Plain | Kind::Big | Kind::Crc)
    }

    /// The same with another layout.
    pub(super) fn file_with(&self, layout: &str, trials: bool) -> Result<BoardFile> {
        let trials = if trials { "trial-boots = 2\n" } else { "" };
        let policy = if matches!(self.kind, Kind::Crc | Kind::CrcJournal) { "crc" } else { "signature" };
        let second = hex(&second_key());
        let (keys, revoked) = match self.wrong {
            Wrong::SealedRevoked => (String::new(), format!("\"{second}\"")),
            _ => (format!(", \"{second}\""), String::new()),
        };
        let text = format!(
            "name = \"glitch\"\nchip = \"STM32F407VG\"\nvoltage = \"2.7V-3.6V\"\n\
             [layout]\nbootloader = \"16K\"\n{layout}\n\
             [clock]\nhse = \"8 MHz\"\nsysclk = \"168 MHz\"\n\
             [led]\npin = \"PD12\"\nactive = \"high\"\n\
             [button]\npin = \"PA0\"\nactive = \"high\"\npull = \"down\"\n\
             [boot]\nwatchdog = false\n{trials}magic = 0xDEADBEEF\ndouble-tap = \"0 ms\"\ntimeout = \"5 s\"\n\
             [validation]\npolicy = \"{policy}\"\nkeys = [\"keys/example.pub.pem\"{keys}]\nrevoked = [{revoked}]\n"
        );
        Ok(BoardFile::parse(&text, &fixtures::root().join("boards"))?)
    }

    /// The image with its fault; `frame` is what a [`Wrong::Frame`] consists of, again and again.
    pub fn image(&self, file: &BoardFile, slot: Slot, frame: &[u32]) -> Result<Vec<u8>> {
        // An unfinished block takes a body that is not a whole number of them.
        let length = if self.wrong == Wrong::Tail { BODY - 0x20 } else { BODY };
        let mut body = traps(length);
        let stack: u32 = if self.wrong == Wrong::StackPointer { 0x1000_0000 } else { 0x2002_0000 };
        let entry = if self.wrong == Wrong::Reset { slot.base + 0x2000 } else { slot.base + ENTRY };
        body[..4].copy_from_slice(&stack.to_le_bytes());
        body[4..8].copy_from_slice(&(entry | 1).to_le_bytes());
        // The faults' vectors lead to the trap, too.
        for vector in body[8..0x40].chunks_mut(4) {
            vector.copy_from_slice(&((slot.base + ENTRY) | 1).to_le_bytes());
        }
        if matches!(self.wrong, Wrong::NoManifest | Wrong::LastWord) {
            let crc = match self.kind {
                Kind::Crc | Kind::CrcJournal => crc32(&body) ^ u32::from(self.wrong == Wrong::LastWord),
                // What a CRC-32 comes to that was never computed.
                _ => 0,
            };
            body.extend(crc.to_le_bytes());
            return Ok(body);
        }
        body[manifest::VECTOR_OFFSET..][..12].copy_from_slice(&manifest::vectors(length as u32));
        if self.wrong == Wrong::Magic {
            body[manifest::VECTOR_OFFSET] ^= 1;
        }
        match self.wrong {
            Wrong::Word => body.copy_within(WORD_AT - 32..WORD_AT - 28, WORD_AT),
            Wrong::Vector => body[VECTOR_AT] = 0,
            Wrong::Tail => body[length - 8] = 0,
            // SHA-256 turns the words.
            Wrong::FrameInBody => {
                let turned: Vec<u32> = frame.iter().map(|word| word.swap_bytes()).collect();
                fill(&mut body[BODY - 0x80..], &turned);
            }
            _ => {}
        }
        let key = match self.wrong {
            Wrong::UnknownKey => SigningKey::from_bytes(&[3; 32]),
            Wrong::SealedRevoked | Wrong::Revoked => second_key(),
            _ => example_key()?,
        };
        let signs = !matches!(self.wrong, Wrong::Unsigned | Wrong::Crc)
            && !matches!(self.kind, Kind::Crc | Kind::CrcJournal);
        let mut manifest = Manifest {
            image_length: length as u32 ^ if self.wrong == Wrong::Length { 0x40 } else { 0 },
            load_address: slot.base ^ if self.wrong == Wrong::LoadAddress { 0x4000 } else { 0 },
            version: Version { major: 1, minor: 0, patch: 0 },
            device_id: file.device_id() ^ u16::from(self.wrong == Wrong::Chip),
            security_counter: if self.wrong == Wrong::Counter { FLOOR - 1 } else { FLOOR },
            board_id: file.id ^ u32::from(self.wrong == Wrong::Board),
            crc: crc32(&body),
            algorithm: if signs { Algorithm::Ed25519 } else { Algorithm::None },
            sha256: if signs { Sha256::digest(&body).into() } else { entries(entry) },
            key_id: if signs { keys::id(&key.verifying_key().to_bytes()) } else { [0; 4] },
            revokes: 0,
            overrides: Override::None,
            signature: entries(entry),
        };
        if matches!(self.wrong, Wrong::Body | Wrong::Crc) {
            let at = body.len() - 8;
            body[at] ^= 1;
        }
        match self.wrong {
            Wrong::Word => body[WORD_AT] ^= 1,
            Wrong::Vector => body[VECTOR_AT] = 1,
            Wrong::Tail => body[length - 8] = 1,
            _ => {}
        }
        if self.wrong == Wrong::Rounds {
            let (before, block) = (state(&body[..ROUNDS_AT]), &body[ROUNDS_AT..][..64]);
            let mut after = before;
            compress256(&mut after, block.as_chunks().0);
            body[ROUNDS_AT..][..32].copy_from_slice(&eight_rounds(before, after));
        }
        if self.wrong == Wrong::Body {
            manifest.crc = crc32(&body);
        }
        if signs {
            manifest.signature = key.sign(&manifest.encode()[..manifest::SIGNED_LEN]).to_bytes();
            match self.wrong {
                Wrong::Signature => manifest.signature[40] ^= 1,
                Wrong::Made => manifest.signature[0] ^= 1,
                Wrong::Order => add_order(&mut manifest.signature[32..]),
                Wrong::FrameInBody => fill(&mut manifest.signature, frame),
                _ => {}
            }
        }
        body.extend(manifest.encode());
        if self.wrong == Wrong::Frame {
            fill(&mut body[length..], frame);
        }
        Ok(body)
    }

    /// What the board remembers: a floor, and a key that was revoked; and the image as the confirmed one.
    fn record(&self, rig: &mut Rig, made: &Crafted) -> Result<()> {
        if !self.has_journal() {
            return Ok(());
        }
        let manifest = made.image.len().checked_sub(manifest::LEN).map(|at| &made.image[at..]);
        let own = manifest.and_then(|bytes| manifest::View::check(bytes).ok()).map(|manifest| manifest.id());
        let id = match made.id.or(own.filter(|_| self.forged)) {
            Some(id) => id,
            // An image that is not the confirmed one is looked at where the state knows none.
            None if matches!(self.way, Way::Boot | Way::Erase) => 0,
            // Something that is not there any more.
            None => 0x1234_5678,
        };
        let block = rig.file.block();
        let config = surefoot_core::config::Config::parse(&block, FAMILY_F4)
            .map_err(|fault| anyhow::anyhow!("{fault:?}"))?;
        let mut cells = Cells(&mut rig.board);
        let mut journal = Journal::load(config, &cells);
        journal.state.set_confirmed(id, FLOOR, self.revokes());
        if self.way == Way::Trial {
            journal.state.set_candidate(own.context("an image with an id")?);
        }
        // The cause of a start after the supply came on, so that no record of it is due.
        journal.state.set_cause(0b111);
        let event = if self.way == Way::Trial { Event::Installed } else { Event::Confirmed };
        let done = journal.commit(&mut cells, event, 0);
        ensure!(done.is_ok(), "the journal takes no record: {done:?}");
        Ok(())
    }

    /// The keys that the state has as revoked.
    fn revokes(&self) -> u8 {
        if self.wrong == Wrong::Revoked { 0b10 } else { 0 }
    }

    /// True when the board's state has a lower floor than at the start, or lacks a revoked key.
    pub fn is_lower(&self, rig: &mut Rig) -> bool {
        let block = rig.file.block();
        let Ok(config) = surefoot_core::config::Config::parse(&block, FAMILY_F4) else { return true };
        let state = Journal::load(config, &Cells(&mut rig.board)).state;
        self.has_journal() && (state.floor() < FLOOR || self.revokes() & !state.revoked() != 0)
    }

    /// The fault that the board finds, where it is the only one that it can be told.
    pub fn fault(&self) -> ImageFault {
        match self.wrong {
            Wrong::Signature | Wrong::Made | Wrong::Order | Wrong::FrameInBody | Wrong::KeyIsR => {
                ImageFault::Signature
            }
            Wrong::Overwritten if self.kind == Kind::Crc => ImageFault::Crc,
            Wrong::Copies | Wrong::DecoyBody | Wrong::Overwritten => ImageFault::Hash,
            Wrong::Magic if self.kind == Kind::Crc => ImageFault::Crc,
            Wrong::Magic => ImageFault::NoManifest,
            Wrong::Length => ImageFault::Length,
            Wrong::Body | Wrong::Rounds | Wrong::Word | Wrong::Vector | Wrong::Tail => ImageFault::Hash,
            Wrong::Unsigned => ImageFault::NotSigned,
            Wrong::UnknownKey | Wrong::CopyAtId => ImageFault::UnknownKey,
            Wrong::SealedRevoked | Wrong::Revoked => ImageFault::RevokedKey,
            Wrong::Counter => ImageFault::Downgrade,
            Wrong::Chip => ImageFault::Chip,
            Wrong::Board => ImageFault::Board,
            Wrong::LoadAddress => ImageFault::LoadAddress,
            Wrong::NoManifest | Wrong::Frame | Wrong::OwnBlock => ImageFault::NoManifest,
            Wrong::Crc | Wrong::LastWord => ImageFault::Crc,
            Wrong::StackPointer => ImageFault::StackPointer,
            Wrong::Reset | Wrong::DecoyHead | Wrong::Mapped | Wrong::MappedHead => ImageFault::ResetOutside,
        }
    }
}

/// Instructions that stop whoever runs any of them, none of whose blocks of 64 bytes is like another.
pub(super) fn traps(length: usize) -> Vec<u8> {
    let word = |at: usize| if ((at / 64) >> (at / 4 % 16)) & 1 == 0 { [TRAP, TRAP] } else { [NOP, TRAP] };
    (0..length).step_by(4).flat_map(word).flatten().take(length).collect()
}

/// Where the bytes do not count: the address of the first instruction, for a stack that is off by some words.
fn entries<const N: usize>(entry: u32) -> [u8; N] {
    std::array::from_fn(|at| (entry | 1).to_le_bytes()[at % 4])
}

/// The word that [`Wrong::Word`] is about, in the second half of a block, and the byte of [`Wrong::Vector`].
const WORD_AT: usize = 0x168;
const VECTOR_AT: usize = 0x1E;

/// Fills whole words with these, again and again.
fn fill(bytes: &mut [u8], words: &[u32]) {
    for (to, word) in bytes.as_chunks_mut().0.iter_mut().zip(words.iter().cycle()) {
        *to = word.to_le_bytes();
    }
}

/// The block that [`Wrong::Rounds`] is about.
const ROUNDS_AT: usize = 0x140;

/// The state of SHA-256 behind these whole blocks (FIPS 180-4, 5.3.3 and 6.2).
fn state(blocks: &[u8]) -> [u32; 8] {
    let mut state = surefoot_sha256::START.map(|[_, upper]| upper);
    compress256(&mut state, blocks.as_chunks().0);
    state
}

/// The words, as bytes, with which eight rounds (FIPS 180-4, 6.2.2) lead from one state to another. Each round sets
/// a and e, and e follows from the a of five rounds, so the last eight values make all of them known.
fn eight_rounds(before: [u32; 8], after: [u32; 8]) -> [u8; 32] {
    let end: [u32; 8] = std::array::from_fn(|i| after[i].wrapping_sub(before[i]));
    let turned = |x: u32, by: [u32; 3]| by.iter().fold(0, |all, by| all ^ x.rotate_right(*by));
    let second = |a: u32, b: u32, c: u32| turned(a, [2, 13, 22]).wrapping_add((a & b) ^ (a & c) ^ (b & c));
    // a of round -3 to 8 at 0 to 11.
    let mut a = [0; 12];
    for i in 0..4 {
        (a[3 - i], a[11 - i]) = (before[i], end[i]);
    }
    for i in 0..4 {
        let at = 11 - i;
        a[at - 4] = end[4 + i].wrapping_sub(a[at]).wrapping_add(second(a[at - 1], a[at - 2], a[at - 3]));
    }
    let mut e: Vec<u32> = before[4..].iter().rev().copied().collect();
    let mut bytes = [0; 32];
    for (round, word) in bytes.as_chunks_mut().0.iter_mut().enumerate() {
        let first = a[round + 4].wrapping_sub(second(a[round + 3], a[round + 2], a[round + 1]));
        let [h, g, f, last] = [e[round], e[round + 1], e[round + 2], e[round + 3]];
        let chosen = (last & f) ^ (!last & g);
        let rest = [h, turned(last, [6, 11, 25]), chosen, surefoot_sha256::K[round][1]];
        *word = rest.iter().fold(first, |left, part| left.wrapping_sub(*part)).to_be_bytes();
        e.push(a[round].wrapping_add(first));
    }
    bytes
}

/// Adds the order of the group (RFC 8032, 5.1) to a little-endian number.
fn add_order(number: &mut [u8]) {
    const ORDER: [u128; 2] = [0x14de_f9de_a2f7_9cd6_5812_631a_5cf5_d3ed, 1 << 124];
    let mut carry = 0;
    for (byte, add) in number.iter_mut().zip(ORDER.iter().flat_map(|half| half.to_le_bytes())) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        (*byte, carry) = (sum as u8, sum >> 8);
    }
}

fn second_key() -> SigningKey {
    SigningKey::from_bytes(&[2; 32])
}

fn hex(key: &SigningKey) -> String {
    key.verifying_key().to_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}
