//! A DfuSe device in memory, at the level of control transfers: ours or a ROM's, sound or broken.

use std::time::Duration;
use surefoot_core::info::{self, Info};
use surefoot_host::link::{Departure, LinkError, Setup, Usb};

/// How it misbehaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Trouble {
    /// Not at all.
    #[default]
    None,
    /// The byte at this address comes back with a bit flipped.
    WeakBit(u32),
    /// The cable is pulled at this DNLOAD, from 0.
    Unplugged(usize),
    /// errPROG for this address.
    WriteFails(u32),
    /// errERASE for this address.
    EraseFails(u32),
    /// UPLOAD of this address is stalled.
    Unreadable(u32),
    /// errVENDOR for new option bytes.
    OptionsRefused,
    /// New option bytes come out with these bits otherwise.
    OptionsTorn(u32),
}

/// The device.
pub struct Fake {
    pub info: Option<Info>,
    pub memory: &'static str,
    pub serial: &'static str,
    pub base: u32,
    pub flash: Vec<u8>,
    pub trouble: Trouble,
    pub departure: Departure,
    /// What the info request tells after the board came back.
    pub info_after: Option<Info>,
    /// Every change of the flash, in order.
    pub log: Vec<Change>,
    /// It was told to leave, and where to jump.
    pub left: Option<u32>,
    time: Duration,
    address: u32,
    state: u8,
    status: u8,
    work: Work,
    /// DNLOADs so far.
    pub downloads: usize,
}

/// A change of the flash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Erase(u32),
    Write(u32, usize),
    Options(u32),
}

#[derive(Clone, Debug)]
enum Work {
    None,
    Address(u32),
    Erase(u32),
    Write(u32, Vec<u8>),
    Options(u32),
    Leave,
}

pub const BASE: u32 = 0x0800_0000;
pub const OURS: &str = "@Internal Flash   /0x08000000/04*016Ka,01*064Kg,07*128Kg";
pub const ROM: &str = "@Internal Flash  /0x08000000/04*016Kg,01*064Kg,07*128Kg";
const BLOCK: u16 = 2048;

/// What a healthy board of the tests tells of itself.
pub fn info() -> Info {
    Info {
        version: [0, 1, 0],
        family: 0xF4,
        features: 1,
        reason: 5,
        image_fault: 1,
        policy: 2,
        device_id: 0x413,
        flash_kib: 1024,
        board_id: 0x1234_5678,
        slot_base: 0x0801_0000,
        slot_length: 0xF_0000,
        ..Info::default()
    }
}

impl Fake {
    fn new(info: Option<Info>, memory: &'static str) -> Self {
        Self {
            info,
            memory,
            serial: "0123",
            base: BASE,
            flash: vec![0xA5; 1 << 20],
            trouble: Trouble::None,
            departure: Departure::Application,
            info_after: None,
            log: Vec::new(),
            left: None,
            time: Duration::ZERO,
            address: BASE,
            state: 2,
            status: 0,
            work: Work::None,
            downloads: 0,
        }
    }

    /// Our bootloader.
    pub fn ours(info: Info) -> Self {
        Self::new(Some(info), OURS)
    }

    /// ST's ROM bootloader.
    pub fn rom() -> Self {
        Self::new(None, ROM)
    }

    fn sector(&self, address: u32) -> Option<(u32, usize)> {
        let sectors = [(4u32, 0x4000u32), (1, 0x1_0000), (7, 0x2_0000)];
        let mut base = self.base;
        for (count, size) in sectors {
            for _ in 0..count {
                if (base..base + size).contains(&address) {
                    return Some((base, size as usize));
                }
                base += size;
            }
        }
        None
    }

    fn download(&mut self, block: u16, data: &[u8]) -> Result<(), LinkError> {
        if self.trouble == Trouble::Unplugged(self.downloads) {
            return Err(LinkError::Gone);
        }
        self.downloads += 1;
        let word = || u32::from_le_bytes([data[1], data[2], data[3], data[4]]);
        self.work = match (block, data) {
            (_, []) => Work::Leave,
            (0, [0x21, ..]) => Work::Address(word()),
            (0, [0x41, ..]) => Work::Erase(word()),
            (0, [0x50, ..]) => Work::Options(word()),
            (0, _) => return Err(LinkError::Stall),
            (block, data) => {
                Work::Write(self.address + u32::from(block - 2) * u32::from(BLOCK), data.to_vec())
            }
        };
        self.state = 3;
        Ok(())
    }

    /// GETSTATUS: first "busy" with a time, then the work is done.
    fn get_status(&mut self) -> [u8; 6] {
        let mut poll = 0;
        match self.state {
            3 if matches!(self.work, Work::Leave) => {
                self.state = 7;
                self.left = Some(self.address);
            }
            3 => {
                self.state = 4;
                poll = 10;
            }
            4 => {
                self.state = 5;
                let work = std::mem::replace(&mut self.work, Work::None);
                self.carry_out(work);
            }
            _ => {}
        }
        [self.status, poll, 0, 0, self.state, 0]
    }

    fn carry_out(&mut self, work: Work) {
        match work {
            Work::Address(address) => self.address = address,
            Work::Erase(address) if self.trouble == Trouble::EraseFails(address) => self.fail(4),
            Work::Erase(address) => {
                let Some((base, size)) = self.sector(address) else { return self.fail(8) };
                self.log.push(Change::Erase(base));
                self.flash[(base - self.base) as usize..][..size].fill(0xFF);
            }
            Work::Write(address, _) if self.trouble == Trouble::WriteFails(address) => self.fail(6),
            Work::Write(address, data) => {
                self.log.push(Change::Write(address, data.len()));
                let at = (address - self.base) as usize;
                assert!(self.flash[at..at + data.len()].iter().all(|b| *b == 0xFF), "written over");
                self.flash[at..at + data.len()].copy_from_slice(&data);
            }
            Work::Options(_) if self.trouble == Trouble::OptionsRefused => self.fail(11),
            Work::Options(value) => {
                self.log.push(Change::Options(value));
                let torn = if let Trouble::OptionsTorn(bits) = self.trouble { bits } else { 0 };
                if let Some(info) = &mut self.info {
                    info.options = value ^ torn;
                }
            }
            Work::None | Work::Leave => {}
        }
    }

    fn fail(&mut self, status: u8) {
        (self.status, self.state) = (status, 10);
    }

    fn upload(&mut self, block: u16, buffer: &mut [u8]) {
        let address = self.address + u32::from(block - 2) * u32::from(BLOCK);
        let at = (address - self.base) as usize;
        buffer.copy_from_slice(&self.flash[at..at + buffer.len()]);
        if let Trouble::WeakBit(weak) = self.trouble
            && let Some(byte) = weak.checked_sub(address).and_then(|i| buffer.get_mut(i as usize))
        {
            *byte ^= 1;
        }
        self.state = 9;
    }

    fn descriptor(&self, kind: u8, index: u8) -> Result<Vec<u8>, LinkError> {
        match (kind, index) {
            (1, 0) => Ok(vec![18, 1, 0, 2, 0, 0, 0, 64, 0x83, 4, 0x11, 0xDF, 0, 1, 1, 2, 3, 1]),
            (2, 0) => {
                let [low, high] = BLOCK.to_le_bytes();
                let mut bytes = vec![9, 2, 27, 0, 1, 1, 0, 0x80, 50];
                bytes.extend([9, 4, 0, 0, 0, 0xFE, 1, 2, 4]);
                bytes.extend([9, 0x21, 0x0B, 0xFF, 0, low, high, 0x1A, 1]);
                Ok(bytes)
            }
            (3, 1..=4) => {
                let text = ["Surefoot", "STM32 BOOTLOADER", self.serial, self.memory][usize::from(index) - 1];
                let mut bytes = vec![(2 + 2 * text.len()) as u8, 3];
                bytes.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
                Ok(bytes)
            }
            _ => Err(LinkError::Stall),
        }
    }
}

impl Usb for Fake {
    fn control_in(
        &mut self,
        setup: Setup,
        buffer: &mut [u8],
        _timeout: Duration,
    ) -> Result<usize, LinkError> {
        let value = u16::from_le_bytes([setup[2], setup[3]]);
        let answer = match (setup[0], setup[1]) {
            (0x80, 6) => self.descriptor(setup[3], setup[2])?,
            (0xC0, info::REQUEST) => self.info.ok_or(LinkError::Stall)?.encode().to_vec(),
            (0xA1, 3) => self.get_status().to_vec(),
            (0xA1, 2) => {
                let length = buffer.len();
                let address = self.address + u32::from(value - 2) * u32::from(BLOCK);
                if self.trouble == Trouble::Unreadable(address) {
                    return Err(LinkError::Stall);
                }
                self.upload(value, buffer);
                return Ok(length);
            }
            _ => return Err(LinkError::Stall),
        };
        let length = answer.len().min(buffer.len());
        buffer[..length].copy_from_slice(&answer[..length]);
        Ok(length)
    }

    fn control_out(&mut self, setup: Setup, data: &[u8], _timeout: Duration) -> Result<(), LinkError> {
        match (setup[0], setup[1]) {
            (0x21, 1) => self.download(u16::from_le_bytes([setup[2], setup[3]]), data),
            (0x21, 4) => {
                (self.state, self.status) = (2, 0);
                Ok(())
            }
            (0x21, 6) => {
                self.state = 2;
                Ok(())
            }
            _ => Err(LinkError::Stall),
        }
    }

    fn wait(&mut self, time: Duration) {
        self.time += time;
    }

    fn elapsed(&self) -> Duration {
        self.time
    }

    fn departure(&mut self, _limit: Duration) -> Result<Departure, LinkError> {
        if self.departure == Departure::Back {
            self.info = self.info_after.or(self.info);
            self.state = 2;
        }
        Ok(self.departure)
    }

    fn name(&self) -> String {
        "fake".into()
    }
}
