//! Configuration blocks: nothing that passes for one makes the code that reads it panic.
//!
//! Checked: accessors; a board that runs on such a block answers a host and erases only what the
//! block says is writable. What makes sense as a board is for the sealing side to see to; here only
//! maps with more sectors than any part has are left out, since they take long.

use crate::{device, support};
use surefoot_core::config::{BLOCK_LEN, BLOCK_MAGIC, BinaryHeader, Config, HEADER_LEN, Text};
use surefoot_core::dfu::device::Job;
use surefoot_core::dfu::request;
use surefoot_core::image::crc32;
use surefoot_core::usb::{Control, Setup, Step};

/// More sectors or pages than any STM32 has.
const MAX_SECTORS: u32 = 2048;

/// The block's bytes; magic, format, length and checksum are put right so that the rest is reached.
pub fn run(data: &[u8]) {
    let _ = BinaryHeader::find(data);
    let mut block = [0; BLOCK_LEN];
    block.iter_mut().zip(data).for_each(|(to, from)| *to = *from);
    let _ = Config::parse(&block, support::FAMILY);
    block[0..4].copy_from_slice(&BLOCK_MAGIC.to_le_bytes());
    block[4..6].copy_from_slice(&1u16.to_le_bytes());
    block[6..8].copy_from_slice(&(BLOCK_LEN as u16).to_le_bytes());
    let crc = crc32(&block[12..]).to_le_bytes();
    block[8..12].copy_from_slice(&crc);
    let Ok(config) = Config::parse(&block, support::FAMILY) else {
        return;
    };
    accessors(&config);
    requests(config);
}

fn accessors(config: &Config) {
    assert!((64..=4096).contains(&config.transfer_size()));
    assert!((1..=2).contains(&config.slots().count()));
    assert!((1..=8).contains(&config.regions().count()));
    assert!(config.keys().count() <= 4);
    for text in [Text::Manufacturer, Text::Product, Text::Memory] {
        assert!(config.text(text).len() < BLOCK_LEN);
    }
    let _ = (config.button(), config.led(), config.policy(), config.psize(), config.backup_register());
}

/// Everything a host reads at first, and an erase and a write somewhere in a slot.
fn requests(config: Config) {
    let mut control = Control::new(Some(config), &support::UNIQUE_ID);
    let flash = support::Flash::new(&[], 0x4000);
    let mut block = vec![0; 4096 + 16];
    let get = |value, index| Setup { request_type: 0x80, request: 6, value, index, length: 255 };
    for value in [0x100, 0x200, 0x300, 0x301, 0x302, 0x303, 0x304, 0x3EE] {
        read(&mut control, &flash, get(value, 0));
    }
    if config.regions().map(|r| u32::from(r.count)).sum::<u32>() > MAX_SECTORS {
        return;
    }
    for slot in config.slots() {
        let address = slot.base.wrapping_add(slot.length / 2).to_le_bytes();
        for code in [0x21, 0x41] {
            let command = [code, address[0], address[1], address[2], address[3]];
            download(&mut control, &flash, &mut block, 0, &command);
            let Some(job) = control.take_job() else { continue };
            match job {
                Job::Erase(s) => assert!(config.is_writable(s.base, s.size), "{s:x?}"),
                other => panic!("{other:?}"),
            }
            control.job_done(Ok(()));
        }
        device::finish(&mut control, &flash, &mut block);
    }
}

fn read(control: &mut Control, flash: &support::Flash, setup: Setup) {
    let mut step = control.setup(&setup.encode(), flash);
    for _ in 0..8 {
        match step {
            Step::Send(_) => step = control.in_done(),
            _ => return,
        }
    }
    panic!("{setup:?} does not end");
}

fn download(control: &mut Control, flash: &support::Flash, block: &mut [u8], number: u16, data: &[u8]) {
    let length = data.len() as u16;
    let setup =
        Setup { request_type: request::OUT, request: request::DNLOAD, value: number, index: 0, length };
    if control.setup(&setup.encode(), flash) == Step::Receive {
        control.out_packet(data, block, flash);
        control.in_done();
    }
    device::finish(control, flash, block);
}

/// A real block, and one with two slots and all that is optional.
pub fn seeds() -> Vec<Vec<u8>> {
    vec![
        support::block(|_| {}).to_vec(),
        support::block(|f| (f.psize, f.read_unprotect, f.transfer_size) = (3, true, 4096)).to_vec(),
        [&[0; HEADER_LEN][..], &support::block(|_| {})].concat(),
    ]
}
