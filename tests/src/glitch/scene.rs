//! What is done to the board of a refusal before it is looked at, and to its image between two looks.

use super::refusals::{BODY, Scene, traps};
use anyhow::{Context, Result, ensure};
use std::time::Duration;
use surefoot_core::config::OWNER_SLOT0;
use surefoot_core::dfu::{command, request};
use surefoot_core::image::crc32;
use surefoot_core::image::manifest;
use surefoot_host::link::Usb;
use surefoot_sim::usb::Wire;

impl Scene {
    /// Gives it another image.
    pub fn replace(&mut self, image: Vec<u8>) -> Result<()> {
        ensure!(self.rig.board.write_flash(self.slot.base, &image), "the slot is too small");
        self.image = image;
        Ok(())
    }

    /// Gives the image another R, and the manifest's CRC-32 to match.
    pub fn sign(&mut self, r: &[u8; 32]) -> Result<()> {
        let manifest = &mut self.image[BODY..];
        manifest[0x60..0x80].copy_from_slice(r);
        let crc = crc32(&manifest[..0xA0]);
        manifest[0xA0..0xA4].copy_from_slice(&crc.to_le_bytes());
        let (at, bytes) = (self.slot.base + BODY as u32, manifest.to_vec());
        ensure!(self.rig.board.write_flash(at, &bytes), "the slot is too small");
        Ok(())
    }

    /// The R of the image.
    pub fn r(&self) -> [u8; 32] {
        std::array::from_fn(|at| self.image[BODY + 0x60 + at])
    }

    /// Puts the image where it is refused; behind it there is more of the trap.
    pub(super) fn put(&mut self) -> Result<()> {
        let mut all = self.image.clone();
        all.resize(all.len().next_multiple_of(4), 0xFF);
        let end = self.slot.length as usize;
        // A CRC-32 in the last word is the last word.
        if self.image.len() > BODY + manifest::LEN - 1 {
            all.extend(&traps(end)[all.len()..]);
        }
        ensure!(self.rig.board.write_flash(self.slot.base, &all), "the image does not fit");
        Ok(())
    }

    /// The RAM that the bootloader does not use.
    pub(super) fn trap_ram(&mut self) {
        const FREE: u32 = 0x2000_4000;
        const END: u32 = 0x2002_0000;
        self.rig.board.write_memory(FREE, &traps((END - FREE) as usize));
    }

    /// The host sends the image.
    pub(super) fn send(&mut self) -> Result<()> {
        let owner = if self.slot == self.rig.slot() { OWNER_SLOT0 } else { OWNER_SLOT0 << 1 };
        let config = self.rig.config().with_open(owner);
        let sector = config.sector_from(self.slot.base).context("no sector")?.base;
        let size = usize::from(config.transfer_size());
        self.command(command::ERASE, sector)?;
        self.command(command::SET_ADDRESS, self.slot.base)?;
        for (number, data) in (2..).zip(self.image.clone().chunks(size)) {
            self.takes(number, data)?;
        }
        Ok(())
    }

    /// It leaves, up to the answer before the board goes.
    pub(super) fn leave(&mut self) -> Result<()> {
        let second = Duration::from_secs(1);
        self.rig.control_out([request::OUT, request::DNLOAD, 0, 0, 0, 0, 0, 0], &[], second)?;
        let asked = [request::IN, request::GETSTATUS, 0, 0, 0, 0, 6, 0];
        self.rig.control_in(asked, &mut [0; 6], second)?;
        ensure!(self.rig.board.usb_ref().pulled_up(), "the board has gone already");
        Ok(())
    }

    fn command(&mut self, command: u8, address: u32) -> Result<()> {
        let mut data = vec![command];
        data.extend(address.to_le_bytes());
        self.takes(0, &data)
    }

    fn takes(&mut self, block: u8, data: &[u8]) -> Result<()> {
        let status = self.rig.download(block, data)?;
        ensure!(status.0 == 0, "block {block} is refused: {status:?}");
        Ok(())
    }
}
