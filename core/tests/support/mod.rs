//! A board in memory for the engines' tests: NOR flash, a bus that carries packets to [`Control`],
//! and the loop of a host's driver. Shared with the fuzz harness.
//!
//! The flash keeps NOR's rules and panics at any job outside the slots. Time is counted, not spent.
#![allow(dead_code)] // each test uses its part

use surefoot_core::config::{BLOCK_LEN, Config, ConfigFault, Fields, Policy, Region, Slot, Strategy, encode};
use surefoot_core::dfu::device::{Job, PADDING};
use surefoot_core::dfu::host::{Event, Host, Step as HostStep, Task};
use surefoot_core::dfu::request;
use surefoot_core::port::{FlashFault, Memory};
use surefoot_core::usb::{Control, PACKET, Setup, Step};

pub const FAMILY: u16 = 0x00F4;
pub const FLASH_BASE: u32 = 0x0800_0000;
pub const FLASH_SIZE: u32 = 0x10_0000;
pub const SLOT: Slot = Slot { base: 0x0801_0000, length: 0xF_0000 };
pub const UNIQUE_ID: [u8; 12] = [0x21, 0x00, 0x3A, 0x00, 0x0C, 0x51, 0x33, 0x34, 0xF5, 0x36, 0x37, 0x38];
pub const MEMORY: &str = "@Internal Flash   /0x08000000/04*016Ka,01*064Kg,07*128Kg";

/// The map of the STM32F407VG of the example board.
pub const REGIONS: [Region; 3] = [
    Region { base: 0x0800_0000, sector_size: 0x4000, count: 4, first: 0, owner: 0, erase_ms: 250 },
    Region { base: 0x0801_0000, sector_size: 0x1_0000, count: 1, first: 4, owner: 1, erase_ms: 550 },
    Region { base: 0x0802_0000, sector_size: 0x2_0000, count: 7, first: 5, owner: 1, erase_ms: 1000 },
];

/// The sealed block of that board, with changes.
pub fn block<'a>(change: impl FnOnce(&mut Fields<'a>)) -> [u8; BLOCK_LEN] {
    let mut fields = Fields {
        device_id: 0x413,
        family: FAMILY,
        board_id: 0xB0A2_D001,
        policy: Policy::Crc,
        backup_register: 0,
        psize: 2,
        strategy: Strategy::Single,
        trial_boots: 0,
        ram_base: 0x2000_0000,
        ram_size: 0x2_0000,
        stack_ram_base: 0x1000_0000,
        stack_ram_size: 0x1_0000,
        handoff: 0x2000_0000,
        magic_word: 0xDEAD_BEEF,
        update_timeout_ms: 30_000,
        double_tap_ms: 0,
        button: None,
        led: None,
        hse_hz: 8_000_000,
        hse_bypass: false,
        pll_hse: 0,
        pll_hsi: 0,
        rcc_cfgr: 0,
        flash_acr: 0,
        pwr_cr: 0,
        sysclk_hz: 168_000_000,
        vid: 0x0483,
        pid: 0xDF11,
        bcd_device: 0x0100,
        transfer_size: 2048,
        program_ns: 16_000,
        uid_address: 0x1FFF_7A10,
        flash_size_address: 0x1FFF_7A22,
        watchdog: true,
        read_unprotect: false,
        options_open: false,
        options_fixed: false,
        slots: &[SLOT],
        regions: &REGIONS,
        keys: &[],
        manufacturer: "Surefoot",
        product: "STM32 BOOTLOADER",
        memory: MEMORY,
    };
    change(&mut fields);
    let mut block = [0; BLOCK_LEN];
    encode(&fields, &mut block).expect("the test's block is good");
    block
}

/// NOR flash: an erase sets bits, programming clears them.
#[derive(Clone)]
pub struct Flash {
    pub bytes: Vec<u8>,
    /// Where jobs are allowed.
    pub slots: Vec<Slot>,
    /// What the next jobs answer instead of being done.
    pub faults: Vec<FlashFault>,
    pub jobs: Vec<Job>,
}

impl Flash {
    pub fn new(slots: &[Slot], size: u32) -> Self {
        Self { bytes: vec![0xFF; size as usize], slots: slots.to_vec(), faults: Vec::new(), jobs: Vec::new() }
    }

    pub fn range(&self, address: u32, length: u32) -> &[u8] {
        self.bytes(address, length).expect("inside the flash")
    }

    fn run(&mut self, job: Job, block: &[u8]) -> Result<(), FlashFault> {
        self.jobs.push(job);
        let (address, length) = match job {
            Job::Erase(sector) => (sector.base, sector.size),
            Job::Program { address, length } => (address, length),
            Job::Leave | Job::ReadUnprotect | Job::Options(_) => return Ok(()),
        };
        let allowed = self.slots.iter().any(|s| s.contains(address, length));
        assert!(allowed, "{job:x?} is outside the slots");
        if let Some(fault) = self.faults.pop() {
            return Err(fault);
        }
        let start = (address - FLASH_BASE) as usize;
        let cells = &mut self.bytes[start..start + length as usize];
        match job {
            Job::Program { .. } => {
                let data = &block[..length as usize];
                cells.iter_mut().zip(data).for_each(|(cell, byte)| *cell &= byte);
                if cells == data { Ok(()) } else { Err(FlashFault::ReadBack) }
            }
            _ => {
                cells.fill(0xFF);
                Ok(())
            }
        }
    }
}

impl Memory for Flash {
    fn bytes(&self, address: u32, length: u32) -> Option<&[u8]> {
        let start = address.checked_sub(FLASH_BASE)? as usize;
        self.bytes.get(start..start.checked_add(length as usize)?)
    }
}

/// The device did not take the transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stall;

/// The device at the end of a cable.
pub struct Board<'a> {
    pub control: Control<'a>,
    pub flash: Flash,
    pub block: Vec<u8>,
    /// Milliseconds of simulated time; waits and jobs add to it.
    pub now_ms: u64,
    /// Jobs end at this time.
    pub busy_until_ms: u64,
    /// The board left.
    pub left: bool,
    /// True: jobs wait for [`Board::work`].
    pub hold_jobs: bool,
}

impl<'a> Board<'a> {
    pub fn new(config: Result<Config<'a>, ConfigFault>) -> Self {
        let slots: Vec<Slot> = config.iter().flat_map(|c| c.slots()).collect();
        let end = config.iter().flat_map(|c| c.regions()).map(|r| r.base + r.length()).max();
        let size = end.map_or(FLASH_SIZE, |end| end - FLASH_BASE);
        Self {
            control: Control::new(config.ok(), &UNIQUE_ID),
            flash: Flash::new(&slots, size),
            block: vec![0; 4096 + PADDING],
            now_ms: 0,
            busy_until_ms: 0,
            left: false,
            hold_jobs: false,
        }
    }

    pub fn of(block: &'a [u8; BLOCK_LEN]) -> Self {
        Self::new(Config::parse(block, FAMILY))
    }

    /// A control transfer with data to the device.
    pub fn control_out(&mut self, setup: [u8; 8], data: &[u8]) -> Result<(), Stall> {
        self.work_if_not_held();
        let mut step = self.control.setup(&setup, &self.flash);
        let mut rest = data;
        for _ in 0..=data.len() / PACKET + 2 {
            step = match step {
                Step::Receive => {
                    assert!(!rest.is_empty(), "asked for more than wLength");
                    let (packet, behind) = rest.split_at(rest.len().min(PACKET));
                    rest = behind;
                    self.control.out_packet(packet, &mut self.block, &self.flash)
                }
                Step::Address(_) => self.control.in_done(),
                Step::Send(length) => {
                    assert_eq!((length, rest.len()), (0, 0), "the status stage is empty and last");
                    assert!(self.control.packet(&self.flash).is_empty());
                    self.control.in_done()
                }
                Step::Stall => return Err(Stall),
                Step::Done => {
                    self.work_if_not_held();
                    return Ok(());
                }
            };
        }
        panic!("the transfer does not end: {step:?}");
    }

    /// A control transfer with data from the device.
    pub fn control_in(&mut self, setup: [u8; 8]) -> Result<Vec<u8>, Stall> {
        self.work_if_not_held();
        let asked = usize::from(Setup::decode(&setup).length);
        let mut bytes = Vec::new();
        let mut step = self.control.setup(&setup, &self.flash);
        loop {
            match step {
                Step::Send(length) => {
                    let packet = self.control.packet(&self.flash);
                    assert_eq!(packet.len(), usize::from(length));
                    bytes.extend_from_slice(packet);
                    assert!(bytes.len() <= asked, "more than wLength");
                    let last = packet.len() < PACKET || bytes.len() == asked;
                    step = self.control.in_done();
                    if last {
                        break;
                    }
                }
                Step::Stall => return Err(Stall),
                other => panic!("{other:?} in the data stage"),
            }
        }
        if asked != 0 {
            assert_eq!(step, Step::Receive, "the status stage");
            step = self.control.out_packet(&[], &mut self.block, &self.flash);
        }
        assert_eq!(step, Step::Done);
        self.work_if_not_held();
        Ok(bytes)
    }

    fn work_if_not_held(&mut self) {
        if !self.hold_jobs {
            self.work();
        }
    }

    /// Does one flash job, as the firmware's loop does one at a turn.
    pub fn work(&mut self) {
        let Some(job) = self.control.take_job() else {
            return;
        };
        let ms = match job {
            Job::Erase(sector) => sector.erase_ms,
            Job::Program { length, .. } => (length / 4 * 16).div_ceil(1000),
            Job::Leave => {
                self.left = true;
                0
            }
            Job::ReadUnprotect | Job::Options(_) => 0,
        };
        self.busy_until_ms = self.busy_until_ms.max(self.now_ms) + u64::from(ms);
        let result = self.flash.run(job, &self.block);
        if job != Job::Leave {
            self.control.job_done(result);
        }
    }

    /// A class request without data.
    pub fn plain(&mut self, code: u8) -> Result<(), Stall> {
        self.control_out(out(code, 0, 0), &[])
    }

    pub fn download(&mut self, block: u16, data: &[u8]) -> Result<(), Stall> {
        self.control_out(out(request::DNLOAD, block, data.len() as u16), data)
    }

    pub fn upload(&mut self, block: u16, length: u16) -> Result<Vec<u8>, Stall> {
        self.control_in(class_in(request::UPLOAD, block, length))
    }

    /// Status, poll time-out, state.
    pub fn status(&mut self) -> (u8, u32, u8) {
        let bytes = self.control_in(class_in(request::GETSTATUS, 0, 6)).expect("GETSTATUS is answered");
        let [status, p0, p1, p2, state, 0] = bytes[..] else { panic!("{bytes:?}") };
        (status, u32::from_le_bytes([p0, p1, p2, 0]), state)
    }

    pub fn state(&mut self) -> u8 {
        self.control_in(class_in(request::GETSTATE, 0, 1)).expect("GETSTATE is answered")[0]
    }

    /// A DNLOAD with its polls, each after the time that was asked for: final status and state.
    pub fn downloaded(&mut self, block: u16, data: &[u8]) -> (u8, u8) {
        self.download(block, data).expect("the DNLOAD is taken");
        let (status, mut wait, mut state) = self.status();
        assert_eq!((status, state), (0, 4), "the first answer is dfuDNBUSY, OK");
        for _ in 0..100 {
            self.now_ms += u64::from(wait);
            let now = self.status();
            (wait, state) = (now.1, now.2);
            if state != 4 {
                return (now.0, state);
            }
        }
        panic!("stays busy");
    }
}

pub fn out(code: u8, value: u16, length: u16) -> [u8; 8] {
    Setup { request_type: request::OUT, request: code, value, index: 0, length }.encode()
}

pub fn class_in(code: u8, value: u16, length: u16) -> [u8; 8] {
    Setup { request_type: request::IN, request: code, value, index: 0, length }.encode()
}

/// Carries a host task out against the board; the steps it took.
pub fn drive(board: &mut Board, task: Task) -> Result<u32, surefoot_core::dfu::host::Error> {
    let mut host = Host::new(0, 2048, task);
    let mut received: Vec<u8>;
    let mut event = Event::Continue;
    for steps in 0..100_000 {
        event = match host.step(event) {
            HostStep::Out { .. } | HostStep::In { .. } if board.left => Event::Disconnected,
            HostStep::Out { setup, data } => match board.control_out(setup, data) {
                Ok(()) => Event::Continue,
                Err(Stall) => Event::Stalled,
            },
            HostStep::In { setup, .. } => match board.control_in(setup) {
                Ok(bytes) => {
                    received = bytes;
                    Event::Received(&received)
                }
                Err(Stall) => Event::Stalled,
            },
            HostStep::Wait { ms } => {
                board.now_ms += u64::from(ms);
                Event::Continue
            }
            HostStep::Progress { done, total } => {
                assert!(done <= total);
                Event::Continue
            }
            HostStep::Done => return Ok(steps),
            HostStep::Failed(error) => return Err(error),
        };
    }
    panic!("the task does not end");
}

/// SplitMix64: enough for tests, and the same everywhere.
pub struct Random(pub u64);

impl Random {
    /// From the environment variable SUREFOOT_SEED, or `default`; printed, so that a failure can
    /// be run again.
    pub fn seeded(default: u64) -> Self {
        let seed = std::env::var("SUREFOOT_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(default);
        println!("SUREFOOT_SEED={seed}");
        Self(seed)
    }

    pub fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, limit: u32) -> u32 {
        (self.word() >> 32) as u32 % limit
    }

    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.word() as u8).collect()
    }
}
