//! DfuSe memory strings.
//!
//! Checked: errors point into the text, groups stay in the address space, sectors are found by
//! their addresses, and what was read can be written and read again.

use crate::support;
use surefoot_core::dfu::memory::{parse, parse_front, write};

/// Any bytes that are text.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    front(text);
    let memory = match parse(text) {
        Ok(memory) => memory,
        Err(error) => {
            assert!(error.position <= text.len());
            return;
        }
    };
    let groups: Vec<_> = memory.groups().collect();
    assert!(!groups.is_empty());
    for group in &groups {
        assert!(group.sector_size > 0 && group.count > 0 && group.end() <= 1 << 32);
        let sector = memory.sector(group.base).expect("a group's first address has a sector");
        assert!(sector.base <= group.base && sector.end() > u64::from(group.base));
        // Groups of another address may lie on top; then this one is not all allowed.
        let length = (group.end() - u64::from(group.base)).min(u64::from(u32::MAX)) as u32;
        let outside = memory.first_outside(group.base, length, |access| access == group.access);
        assert!(groups.len() > 1 || outside.is_none());
    }
    assert!(memory.sectors().take(1000).all(|s| s.end() <= 1 << 32 && s.size > 0));
    let mut again = String::new();
    write(&mut again, memory.name(), groups.iter().copied()).expect("a string takes everything");
    let parsed = parse(&again).unwrap_or_else(|e| panic!("{again}: {e:?}"));
    assert!(parsed.groups().eq(groups));
}

/// What is whole at the start of a text is a memory string of its own; of a whole one it is all.
fn front(text: &str) {
    match (parse_front(text), parse(text)) {
        (Ok((front, fault)), whole) => {
            assert!(front.groups().next().is_some() && front.groups().all(|g| g.count > 0));
            assert_eq!(whole.is_ok(), fault.is_none());
            assert!(whole.is_err() || whole.is_ok_and(|whole| whole.groups().eq(front.groups())));
        }
        (Err(error), whole) => assert!(whole.is_err() && error.position <= text.len()),
    }
}

/// Strings of real devices.
pub fn seeds() -> Vec<Vec<u8>> {
    [
        support::MEMORY,
        "@Option Bytes  /0x1FFFC000/01*016 e/0x1FFEC000/01*016 e",
        "@Device Feature/0xFFFF0000/01*004 e",
        "@SPI/0x0/16*1Mf,8*512Bd",
        "@Top/0xFFFF0000/1*64Kg",
    ]
    .map(|text| text.into())
    .into()
}
