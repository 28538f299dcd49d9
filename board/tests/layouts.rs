//! The layouts that must work, and what is said of those that cannot.

use surefoot_board::draw;
use surefoot_board::layout::{Layout, LayoutError, Request, Span, Use};
use surefoot_chips::{Banks, find};

fn open(base: u32) -> Span {
    Span { base, size: None }
}

fn sized(base: u32, kib: u32) -> Span {
    Span { base, size: Some(kib * 1024) }
}

fn small(bootloader_kib: u32, application: u32) -> Request {
    Request::new(bootloader_kib * 1024, open(application))
}

fn check(chip: &str, request: &Request) -> Result<Layout, LayoutError> {
    Layout::check(&find(chip).expect(chip), request)
}

/// Use, first address, KiB, sectors.
fn rows(layout: &Layout) -> Vec<(&'static str, u32, u32, String)> {
    layout
        .map()
        .iter()
        .map(|r| (r.what.expect("flash").name(), r.base, r.size / 1024, r.sectors.clone()))
        .collect()
}

#[test]
fn f4_1mb_small() {
    let layout = check("STM32F407VG", &small(32, 0x0800_8000)).expect("a layout");
    assert_eq!(
        rows(&layout),
        [
            ("bootloader", 0x0800_0000, 32, "sectors 0-1".into()),
            ("application", 0x0800_8000, 992, "sectors 2-11".into()),
        ]
    );
}

#[test]
fn f4_1mb_with_room_for_settings() {
    let request = Request { data: Some(sized(0x0800_4000, 16)), ..small(16, 0x0801_0000) };
    let layout = check("STM32F407VG", &request).expect("a layout");
    assert_eq!(
        rows(&layout),
        [
            ("bootloader", 0x0800_0000, 16, "sector 0".into()),
            ("data", 0x0800_4000, 16, "sector 1".into()),
            ("free", 0x0800_8000, 32, "sectors 2-3".into()),
            ("application", 0x0801_0000, 960, "sectors 4-11".into()),
        ]
    );
}

#[test]
fn f103rc_256k_with_pages_of_2k() {
    let layout = check("STM32F103RC", &small(32, 0x0800_8000)).expect("a layout");
    assert_eq!(
        rows(&layout),
        [
            ("bootloader", 0x0800_0000, 32, "pages 0-15".into()),
            ("application", 0x0800_8000, 224, "pages 16-127".into()),
        ]
    );
}

#[test]
fn f103c8_64k_with_pages_of_1k() {
    let layout = check("STM32F103C8", &small(9, 0x0800_2400)).expect("pages of 1K");
    assert_eq!(rows(&layout)[1], ("application", 0x0800_2400, 55, "pages 9-63".into()));
}

#[test]
fn h743_2mb_with_the_second_bank_for_staging() {
    let request = Request { staging: Some(open(0x0810_0000)), ..small(256, 0x0804_0000) };
    let layout = check("STM32H743ZI", &request).expect("a layout");
    assert_eq!(
        rows(&layout),
        [
            ("bootloader", 0x0800_0000, 256, "sectors 0-1".into()),
            ("application", 0x0804_0000, 768, "sectors 2-7".into()),
            ("staging", 0x0810_0000, 1024, "sectors 8-15".into()),
        ]
    );
    let staging = layout.area(Use::Staging).expect("staging");
    assert!(layout.sectors_of(&staging).all(|s| s.bank == 2), "all of bank 2 and nothing else");
}

#[test]
fn a_16k_bootloader_with_the_application_behind_it() {
    for (chip, kib) in
        [("STM32F407VG", 1008), ("STM32F401CC", 240), ("STM32F411CE", 496), ("STM32F446RC", 240)]
    {
        let layout = check(chip, &small(16, 0x0800_4000)).expect(chip);
        assert_eq!(
            (layout.application().base, layout.application().size / 1024),
            (0x0800_4000, kib),
            "{chip}"
        );
    }
}

#[test]
fn f427_in_one_bank_and_in_two() {
    let one = check("STM32F427VG", &small(16, 0x0801_0000)).expect("one bank");
    assert_eq!(one.flash.banks, Banks::Single);
    assert_eq!(rows(&one)[2], ("application", 0x0801_0000, 960, "sectors 4-11".into()));
    let request =
        Request { banks: Some(Banks::Dual), staging: Some(open(0x0808_0000)), ..small(16, 0x0801_0000) };
    let two = check("STM32F427VG", &request).expect("two banks");
    assert_eq!(rows(&two)[2], ("application", 0x0801_0000, 448, "sectors 4-7".into()));
    assert_eq!(rows(&two)[3], ("staging", 0x0808_0000, 512, "sectors 12-19".into()));
}

#[test]
fn every_boundary_of_every_f4_is_legal_exactly_on_a_sectors_edge() {
    for chip in surefoot_chips::all().filter(|c| c.family == "STM32F4") {
        let starts: Vec<u32> = chip.sectors().map(|s| s.base).collect();
        for at in (0x0800_4000..chip.default_flash().end()).step_by(0x2000) {
            let layout = Layout::check(&chip, &small(16, at));
            assert_eq!(layout.is_ok(), starts.contains(&at), "{} 0x{at:X}", chip.name);
            match layout {
                Ok(layout) => {
                    let sum: u32 = layout.areas.iter().map(|a| a.size).sum();
                    assert_eq!(sum, chip.default_flash().size(), "{} 0x{at:X}", chip.name);
                }
                Err(error) => {
                    // Both addresses that the message names are legal, and none is nearer.
                    let named = error.nearest();
                    assert!(!named.is_empty() && named.len() <= 2, "{} {error}", chip.name);
                    for near in named {
                        assert!(Layout::check(&chip, &small(16, *near)).is_ok(), "{} {error}", chip.name);
                    }
                    let legal = starts.iter().filter(|s| **s >= 0x0800_4000);
                    let nearest = legal.map(|s| s.abs_diff(at)).min();
                    assert_eq!(named.iter().map(|n| n.abs_diff(at)).min(), nearest, "{} {error}", chip.name);
                }
            }
        }
    }
}

#[test]
fn a_layout_that_cannot_be_is_refused_with_the_two_nearest_legal_addresses() {
    let f407 = "STM32F407VG";
    let with = |bootloader, application| Request { bootloader, application, ..small(16, 0) };
    for (chip, request, message) in [
        (
            f407,
            small(16, 0x0800_9000),
            "the application begins at 0x08009000, inside sector 2 (0x08008000-0x0800BFFF, 16K); the nearest \
             legal addresses are 0x08008000 and 0x0800C000",
        ),
        (
            f407,
            small(16, 0x0803_0000),
            "the application begins at 0x08030000, inside sector 5 (0x08020000-0x0803FFFF, 128K); the nearest \
             legal addresses are 0x08020000 and 0x08040000",
        ),
        (
            f407,
            small(16, 0x0800_0000),
            "the application begins at 0x08000000, but the bootloader reaches from 0x08000000 to 0x08003FFF; the \
             nearest legal addresses are 0x08004000 and 0x08008000",
        ),
        (
            f407,
            small(32, 0x0800_4000),
            "the application begins at 0x08004000, but the bootloader reaches from 0x08000000 to 0x08007FFF; the \
             nearest legal addresses are 0x08008000 and 0x0800C000",
        ),
        (
            f407,
            small(20, 0x0801_0000),
            "the bootloader ends at 0x08005000, inside sector 1 (0x08004000-0x08007FFF, 16K); the nearest legal \
             addresses are 0x08004000 (size 16K) and 0x08008000 (size 32K)",
        ),
        (
            f407,
            small(72, 0x0801_0000),
            "the bootloader ends at 0x08012000, inside sector 4 (0x08010000-0x0801FFFF, 64K); the nearest legal \
             addresses are 0x0800C000 (size 48K) and 0x08010000 (size 64K)",
        ),
        (
            f407,
            small(0, 0x0801_0000),
            "there is no room for the bootloader; for the end of the bootloader the nearest legal addresses are \
             0x08004000 (size 16K) and 0x08008000 (size 32K)",
        ),
        (
            f407,
            small(1024, 0x0801_0000),
            "there is no room for the application; for the end of the bootloader the nearest legal addresses are \
             0x0800C000 (size 48K) and 0x08010000 (size 64K)",
        ),
        (
            f407,
            small(2048, 0x0801_0000),
            "the bootloader ends at 0x8200000, outside the flash (0x08000000-0x080FFFFF, 1M); the nearest legal \
             addresses are 0x0800C000 (size 48K) and 0x08010000 (size 64K)",
        ),
        (
            f407,
            small(16, 0x0810_0000),
            "there is no room for the application; for the start of the application the nearest legal \
             addresses are 0x080C0000 and 0x080E0000",
        ),
        (
            f407,
            small(16, 0x2000_0000),
            "the application begins at 0x20000000, outside the flash (0x08000000-0x080FFFFF, 1M); the nearest \
             legal addresses are 0x080C0000 and 0x080E0000",
        ),
        (
            f407,
            with(0x4000, sized(0x0801_0000, 100)),
            "the application ends at 0x08029000, inside sector 5 (0x08020000-0x0803FFFF, 128K); the nearest legal \
             addresses are 0x08020000 (size 64K) and 0x08040000 (size 192K)",
        ),
        (
            f407,
            with(0x4000, sized(0x0801_0000, 1024)),
            "the application ends at 0x8110000, outside the flash (0x08000000-0x080FFFFF, 1M); the nearest legal \
             addresses are 0x080E0000 (size 832K) and 0x08100000 (size 960K)",
        ),
        (
            f407,
            Request { data: Some(sized(0x0800_4000, 32)), ..small(32, 0x0801_0000) },
            "the data begins at 0x08004000, but the bootloader reaches from 0x08000000 to 0x08007FFF; the nearest \
             legal addresses are 0x08008000 and 0x0800C000",
        ),
        (
            f407,
            Request { data: Some(sized(0x0800_C000, 80)), ..small(16, 0x0801_0000) },
            "the application begins at 0x08010000, but the data reaches from 0x0800C000 to 0x0801FFFF; the nearest \
             legal addresses are 0x08020000 and 0x08040000",
        ),
        (
            "STM32F103RC",
            small(31, 0x0800_8000),
            "the bootloader ends at 0x08007C00, inside page 15 (0x08007800-0x08007FFF, 2K); the nearest legal \
             addresses are 0x08007800 (size 30K) and 0x08008000 (size 32K)",
        ),
        (
            "STM32H743ZI",
            Request { staging: Some(open(0x0811_0000)), ..small(256, 0x0804_0000) },
            "the staging area begins at 0x08110000, inside sector 8 (0x08100000-0x0811FFFF, 128K); the nearest \
             legal addresses are 0x08100000 and 0x08120000",
        ),
        (
            f407,
            Request { banks: Some(Banks::Dual), ..small(16, 0x0801_0000) },
            "STM32F407VG has no dual-bank arrangement of its flash; leave `dual-bank` out",
        ),
        (
            "STM32F427VI",
            Request { banks: Some(Banks::Single), ..small(16, 0x0801_0000) },
            "STM32F427VI has no single-bank arrangement of its flash; leave `dual-bank` out",
        ),
        (
            "STM32F407VE",
            small(16, 0x0808_0000),
            "there is no room for the application; for the start of the application the nearest legal \
             addresses are 0x08040000 and 0x08060000",
        ),
    ] {
        let error = check(chip, &request).expect_err(message);
        assert_eq!(error.to_string(), message);
    }
}

/// Journal in sectors 1-2 of the F407, slots behind.
fn two_slots(backup: bool, application: Span, other: Span) -> Request {
    let journal = Some(open(0x0800_4000));
    let (second, backup) = if backup { (None, Some(other)) } else { (Some(other), None) };
    Request { journal, second, backup, ..Request::new(16 * 1024, application) }
}

#[test]
fn f4_1mb_with_two_slots_that_run_and_with_a_backup_slot() {
    for backup in [false, true] {
        let request = two_slots(backup, open(0x0800_C000), open(0x0808_0000));
        let other = if backup { "backup" } else { "application-b" };
        assert_eq!(
            rows(&check("STM32F407VG", &request).expect("a layout")),
            [
                ("bootloader", 0x0800_0000, 16, "sector 0".into()),
                ("journal", 0x0800_4000, 32, "sectors 1-2".into()),
                ("application", 0x0800_C000, 464, "sectors 3-7".into()),
                (other, 0x0808_0000, 512, "sectors 8-11".into()),
            ]
        );
    }
}

#[test]
fn journals_and_second_slots_that_cannot_be_are_refused_with_what_would_do() {
    let f407 = "STM32F407VG";
    let journal = |span| Request { journal: Some(span), ..small(16, 0x0802_0000) };
    let end = open(0x0808_0000);
    for (chip, request, message) in [
        (
            f407,
            journal(sized(0x0800_4000, 16)),
            "the journal has 1 sector, but takes exactly two, which are erased in turn; for its end the only \
             legal address is 0x0800C000 (size 32K)",
        ),
        (
            f407,
            journal(sized(0x0800_4000, 48)),
            "the journal has 3 sectors, but takes exactly two, which are erased in turn; for its end the only \
             legal address is 0x0800C000 (size 32K)",
        ),
        (
            f407,
            journal(open(0x080E_0000)),
            "the journal has 1 sector, but takes exactly two, which are erased in turn; for its start the \
             nearest legal addresses are 0x080A0000 and 0x080C0000",
        ),
        (
            f407,
            journal(open(0x0800_5000)),
            "the journal begins at 0x08005000, inside sector 1 (0x08004000-0x08007FFF, 16K); the nearest legal \
             addresses are 0x08004000 and 0x08008000",
        ),
        (
            f407,
            journal(open(0x0801_0000)),
            "the application begins at 0x08020000, but the journal reaches from 0x08010000 to 0x0803FFFF; the \
             nearest legal addresses are 0x08040000 and 0x08060000",
        ),
        (
            f407,
            journal(open(0x0800_0000)),
            "the journal begins at 0x08000000, but the bootloader reaches from 0x08000000 to 0x08003FFF; the \
             nearest legal addresses are 0x08004000 and 0x08008000",
        ),
        (
            f407,
            two_slots(false, open(0x0800_C000), open(0x0800_C000)),
            "the second slot begins at 0x0800C000, but the application reaches from 0x0800C000 to 0x080FFFFF; \
             no address is legal here",
        ),
        (
            f407,
            two_slots(false, open(0x0800_C000), open(0x0809_0000)),
            "the second slot begins at 0x08090000, inside sector 8 (0x08080000-0x0809FFFF, 128K); the nearest \
             legal addresses are 0x08080000 and 0x080A0000",
        ),
        (
            f407,
            two_slots(false, open(0x0800_C000), sized(0x0808_0000, 100)),
            "the second slot ends at 0x08099000, inside sector 8 (0x08080000-0x0809FFFF, 128K); the nearest \
             legal addresses are 0x080A0000 (size 128K) and 0x080C0000 (size 256K)",
        ),
        (
            f407,
            two_slots(true, open(0x0800_C000), open(0x080C_0000)),
            "the backup slot has 256K, but takes a copy of the application, which has 720K; for the end of the \
             application the nearest legal addresses are 0x08020000 (size 80K) and 0x08040000 (size 208K)",
        ),
        (
            f407,
            two_slots(true, sized(0x0800_C000, 208), sized(0x0804_0000, 128)),
            "the backup slot has 128K, but takes a copy of the application, which has 208K; for the end of the \
             backup slot the nearest legal addresses are 0x08080000 (size 256K) and 0x080A0000 (size 384K)",
        ),
        (
            f407,
            two_slots(true, end, open(0x0800_C000)),
            "the backup slot has 464K, but takes a copy of the application, which has 512K; for the end of the \
             application the nearest legal addresses are 0x080C0000 (size 256K) and 0x080E0000 (size 384K)",
        ),
        (
            "STM32L053R8",
            Request { journal: Some(open(0x0800_4000)), ..small(16, 0x0800_8000) },
            "the journal's pages have 128 bytes, but 512 are the least; leave `journal` out, with strategy \
             \"single\"",
        ),
    ] {
        let error = check(chip, &request).expect_err(message);
        assert_eq!(error.to_string(), message);
    }
}

#[test]
fn the_map_is_drawn_from_the_top_down() {
    let request = Request { data: Some(sized(0x0800_4000, 16)), ..small(16, 0x0801_0000) };
    let layout = check("STM32F407VG", &request).expect("a layout");
    let drawing = draw(&layout.map());
    let expected = "\
+--------------+---------+----------------+---------------------+
| application  |    960K | sectors 4-11   | read, erase, write  | 0x080FFFFF
|              |         |                |                     | 0x08010000
+--------------+---------+----------------+---------------------+
| free         |     32K | sectors 2-3    | read                | 0x0800FFFF
|              |         |                |                     | 0x08008000
+--------------+---------+----------------+---------------------+
| data         |     16K | sector 1       | read                | 0x08007FFF
|              |         |                |                     | 0x08004000
+--------------+---------+----------------+---------------------+
| bootloader   |     16K | sector 0       | read                | 0x08003FFF
|              |         |                |                     | 0x08000000
+--------------+---------+----------------+---------------------+
";
    assert_eq!(drawing, expected);
}
