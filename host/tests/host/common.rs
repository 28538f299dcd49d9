//! What the tests share: a small ELF, a sealed block, images.

use ed25519_dalek::SigningKey;
use surefoot_core::config::{self, BLOCK_LEN, Fields, Key, Policy, Region, Slot, Strategy};

/// The example board's slot.
pub const SLOT: Slot = Slot { base: 0x0801_0000, length: 0xF_0000 };

/// An ELF of one program segment per `(address, bytes)`, without sections.
pub fn elf(segments: &[(u32, &[u8])]) -> Vec<u8> {
    let mut out = b"\x7FELF\x01\x01\x01".to_vec();
    out.resize(16, 0);
    let headers = 52 + 32 * segments.len() as u32;
    for half in [2u16, 40] {
        out.extend(half.to_le_bytes()); // ET_EXEC, EM_ARM
    }
    for word in [1u32, 0, 52, 0, 0x0500_0200] {
        out.extend(word.to_le_bytes());
    }
    for half in [52u16, 32, segments.len() as u16, 40, 0, 0] {
        out.extend(half.to_le_bytes());
    }
    let mut offset = headers;
    for (address, bytes) in segments {
        let size = bytes.len() as u32;
        // The virtual address differs on purpose: only the physical one counts.
        for word in [1, offset, 0x2000_0000, *address, size, size + 64, 5, 4] {
            out.extend(u32::to_le_bytes(word));
        }
        offset += size;
    }
    for (_, bytes) in segments {
        out.extend(*bytes);
    }
    out
}

/// An ELF as GNU ld writes it without `-n`: its one program segment begins with the ELF's own
/// headers, so the segment starts before the code. Sections: null, `.text` at `address`, and
/// `.bss` behind it.
pub fn elf_with_headers_loaded(address: u32, text: &[u8]) -> Vec<u8> {
    const TEXT: u32 = 0x100;
    let size = text.len() as u32;
    let mut out = elf(&[(address, text)]);
    out.truncate(52);
    for word in [1, 0, address - TEXT, address - TEXT, TEXT + size, TEXT + size + 64, 5, 0x1_0000] {
        out.extend(u32::to_le_bytes(word));
    }
    out.resize(TEXT as usize, 0);
    out.extend(text);
    let sections = out.len() as u32;
    out[32..36].copy_from_slice(&sections.to_le_bytes());
    out[48..50].copy_from_slice(&3u16.to_le_bytes());
    // sh_name, type, flags, address, offset, size, link, info, align, entry size.
    let (alloc_code, alloc_data) = (6, 3);
    for section in [
        [0; 10],
        [0, 1, alloc_code, address, TEXT, size, 0, 0, 4, 0],
        [0, 8, alloc_data, 0x2000_0000, TEXT + size, 64, 0, 0, 4, 0],
    ] {
        out.extend(section.into_iter().flat_map(u32::to_le_bytes));
    }
    out
}

/// A plausible application of `length` bytes linked for `base`.
pub fn application(base: u32, length: usize) -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..length).map(|i| (i * 7 + i / 256) as u8).collect();
    bytes[..0x40].fill(0);
    bytes[..4].copy_from_slice(&0x2002_0000u32.to_le_bytes());
    bytes[4..8].copy_from_slice(&(base + 0x41).to_le_bytes());
    bytes
}

/// The key that [`block`] trusts.
pub fn key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

/// A revoked key of [`block`].
pub fn revoked_key() -> SigningKey {
    SigningKey::from_bytes(&[9; 32])
}

/// A block like the example board's.
pub fn block(policy: Policy) -> [u8; BLOCK_LEN] {
    block_with(policy, |_| ())
}

/// The same with some fields otherwise.
pub fn block_with(policy: Policy, change: impl for<'a> FnOnce(&mut Fields<'a>)) -> [u8; BLOCK_LEN] {
    let mut block = [0; BLOCK_LEN];
    let region = |base, sector_size, count, first, owner| Region {
        base,
        sector_size,
        count,
        first,
        owner,
        erase_ms: 250,
    };
    let mut fields = Fields {
        device_id: 0x413,
        family: config::FAMILY_F4,
        board_id: 0x1234_5678,
        policy,
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
        regions: &[
            region(0x0800_0000, 0x4000, 4, 0, 0),
            region(0x0801_0000, 0x1_0000, 1, 4, 1),
            region(0x0802_0000, 0x2_0000, 7, 5, 1),
        ],
        keys: &[
            Key { bytes: key().verifying_key().to_bytes(), revoked: false },
            Key { bytes: revoked_key().verifying_key().to_bytes(), revoked: true },
        ],
        manufacturer: "Surefoot",
        product: "STM32 BOOTLOADER",
        memory: "@Internal Flash   /0x08000000/04*016Ka,01*064Kg,07*128Kg",
    };
    change(&mut fields);
    config::encode(&fields, &mut block).expect("the fields are legal");
    block
}

/// A program segment that is loaded.
#[derive(Clone, Copy)]
pub struct LoadSegment {
    pub physical: u32,
    pub virtual_address: u32,
    pub offset: u32,
    pub size: u32,
    pub memory: u32,
}

/// A section, by the fields of its header.
#[derive(Clone, Copy)]
pub struct SectionOf {
    pub name: &'static str,
    pub kind: u32,
    pub flags: u32,
    pub address: u32,
    pub offset: u32,
    pub size: u32,
}

/// An ELF with any tables over `content`, which stands at 0x1000.
pub fn elf_of(segments: &[LoadSegment], sections: &[SectionOf], content: &[u8]) -> Vec<u8> {
    let mut out = elf(&[]);
    for s in segments {
        let header = [1, s.offset, s.virtual_address, s.physical, s.size, s.memory, 5, 4];
        out.extend(header.into_iter().flat_map(u32::to_le_bytes));
    }
    assert!(out.len() <= 0x1000);
    out.resize(0x1000, 0);
    out.extend(content);
    let names_at = out.len() as u32;
    let mut names = vec![0];
    let mut table = vec![[0; 10]];
    for s in sections {
        table.push([names.len() as u32, s.kind, s.flags, s.address, s.offset, s.size, 0, 0, 1, 0]);
        names.extend(s.name.bytes().chain([0]));
    }
    let name = names.len() as u32;
    names.extend(b".shstrtab\0");
    table.push([name, 3, 0, 0, names_at, names.len() as u32, 0, 0, 1, 0]);
    out.extend(&names);
    out.resize(out.len().next_multiple_of(4), 0);
    let table_at = out.len() as u32;
    let count = table.len() as u16;
    out.extend(table.into_iter().flatten().flat_map(u32::to_le_bytes));
    out[28..32].copy_from_slice(&52u32.to_le_bytes());
    out[32..36].copy_from_slice(&table_at.to_le_bytes());
    out[44..46].copy_from_slice(&(segments.len() as u16).to_le_bytes());
    out[48..50].copy_from_slice(&count.to_le_bytes());
    out[50..52].copy_from_slice(&(count - 1).to_le_bytes());
    out
}
