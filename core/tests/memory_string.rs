//! The memory string: what real devices send, what is refused and where, and the way back.

mod support;

use surefoot_core::dfu::memory::{Access, Fault, Group, MAX_COUNT, ParseError, parse, parse_front, write};

type Sectors = &'static [(u32, u32, u32, char)];

/// Strings of ST's ROM bootloaders and of other DfuSe devices: name, then base, size, count, letter.
const REAL: &[(&str, &str, Sectors)] = &[
    (
        "@Internal Flash   /0x08000000/04*016Ka,01*064Kg,07*128Kg",
        "Internal Flash",
        &[(0x0800_0000, 0x4000, 4, 'a'), (0x0801_0000, 0x1_0000, 1, 'g'), (0x0802_0000, 0x2_0000, 7, 'g')],
    ),
    (
        "@Internal Flash  /0x08000000/04*016Kg,01*064Kg,07*128Kg,04*016Kg,01*064Kg,07*128Kg",
        "Internal Flash",
        &[
            (0x0800_0000, 0x4000, 4, 'g'),
            (0x0801_0000, 0x1_0000, 1, 'g'),
            (0x0802_0000, 0x2_0000, 7, 'g'),
            (0x0810_0000, 0x4000, 4, 'g'),
            (0x0811_0000, 0x1_0000, 1, 'g'),
            (0x0812_0000, 0x2_0000, 7, 'g'),
        ],
    ),
    (
        "@Option Bytes  /0x1FFFC000/01*016 e/0x1FFEC000/01*016 e",
        "Option Bytes",
        &[(0x1FFF_C000, 16, 1, 'e'), (0x1FFE_C000, 16, 1, 'e')],
    ),
    (
        "@OTP Memory /0x1FFF7800/01*512 e,01*016 e",
        "OTP Memory",
        &[(0x1FFF_7800, 512, 1, 'e'), (0x1FFF_7A00, 16, 1, 'e')],
    ),
    ("@Device Feature/0xFFFF0000/01*004 e", "Device Feature", &[(0xFFFF_0000, 4, 1, 'e')]),
    ("@Flash/0x08000000/0512*0002Kg", "Flash", &[(0x0800_0000, 0x800, 512, 'g')]),
    ("@SPI/0x0/16*1Mf,8*512Bd", "SPI", &[(0, 1 << 20, 16, 'f'), (16 << 20, 512, 8, 'd')]),
    ("@No unit/0X20/2*8b", "No unit", &[(0x20, 8, 2, 'b')]),
    ("@Top/0xFFFF0000/1*64Kg", "Top", &[(0xFFFF_0000, 0x1_0000, 1, 'g')]),
];

#[test]
fn real_strings_are_read() {
    for (text, name, sectors) in REAL {
        let memory = parse(text).unwrap_or_else(|e| panic!("{text}: {e:?}"));
        assert_eq!(memory.name(), *name);
        let groups: Vec<_> = memory
            .groups()
            .map(|g| (g.base, g.sector_size, g.count, char::from(g.access.letter())))
            .collect();
        assert_eq!(groups, *sectors, "{text}");
    }
}

#[test]
fn broken_strings_are_refused_with_the_place() {
    let cases = [
        ("", 0, Fault::NoAt),
        ("Flash/0x0/1*1Kg", 0, Fault::NoAt),
        ("@Flash", 6, Fault::NoSlash),
        ("@Flash/", 7, Fault::Address),
        ("@Flash/08000000/1*1Kg", 8, Fault::Address),
        ("@Flash/0x/1*1Kg", 9, Fault::Address),
        ("@Flash/0x123456789/1*1Kg", 9, Fault::Address),
        ("@Flash/0x08000000 /1*1Kg", 17, Fault::NoSlash),
        ("@Flash/0x08000000", 17, Fault::NoSlash),
        ("@Flash/0x08000000/", 18, Fault::Count),
        ("@Flash/0x08000000/x*1Kg", 18, Fault::Count),
        ("@Flash/0x08000000/0*1Kg", 18, Fault::Count),
        ("@Flash/0x08000000/65536*1Kg", 18, Fault::Count),
        ("@Flash/0x08000000/99999999999*1Kg", 18, Fault::Count),
        ("@Flash/0x08000000/1", 19, Fault::NoStar),
        ("@Flash/0x08000000/1*Kg", 20, Fault::Size),
        ("@Flash/0x08000000/1*0Kg", 20, Fault::Size),
        ("@Flash/0x08000000/1*4096Mg", 20, Fault::Size),
        ("@Flash/0x08000000/1*16", 22, Fault::Unit),
        ("@Flash/0x08000000/1*16Gg", 22, Fault::Unit),
        ("@Flash/0x08000000/1*16K", 23, Fault::Access),
        ("@Flash/0x08000000/1*16Kh", 23, Fault::Access),
        ("@Flash/0x08000000/1*16KG", 23, Fault::Access),
        ("@Flash/0x08000000/1*16Kg;", 24, Fault::Separator),
        ("@Flash/0x08000000/1*16Kgg", 24, Fault::Separator),
        ("@Flash/0x08000000/1*16Kg,", 25, Fault::Count),
        ("@Flash/0x08000000/1*16Kg/", 25, Fault::Address),
        ("@Flash/0xFFFF0000/2*64Kg", 20, Fault::TooBig),
        ("@Flash/0xFFFF0000/1*64Kg,1*1Bg", 27, Fault::TooBig),
        ("@Flüß/ß", 8, Fault::Address),
    ];
    for (text, position, fault) in cases {
        assert_eq!(parse(text), Err(ParseError { position, fault }), "{text}");
    }
}

#[test]
fn what_is_whole_at_the_start_of_a_roms_string_counts_whatever_its_tail() {
    let good = "@Internal Flash  /0x08000000/04*016Kg,01*064Kg";
    let whole = [(0x0800_0000, 0x4000, 4), (0x0801_0000, 0x1_0000, 1)];
    let at = good.len();
    let cases = [
        ("", None),
        (" ", Some((at, Fault::Separator))),
        ("\0\0\0", Some((at, Fault::Separator))),
        ("\u{FF}\u{FF}", Some((at, Fault::Separator))),
        (",", Some((at + 1, Fault::Count))),
        (",07*12", Some((at + 6, Fault::Unit))),
        (",00*128Kg", Some((at, Fault::Count))),
        (",00*128Kg\0", Some((at, Fault::Count))),
        ("/", Some((at + 1, Fault::Address))),
        ("/0x1FFF", Some((at + 7, Fault::NoSlash))),
    ];
    for (tail, fault) in cases {
        let text = format!("{good}{tail}");
        let (memory, found) = parse_front(&text).unwrap_or_else(|e| panic!("{tail:?}: {e:?}"));
        let groups: Vec<_> = memory.groups().map(|g| (g.base, g.sector_size, g.count)).collect();
        assert_eq!((groups.as_slice(), memory.name()), (&whole[..], "Internal Flash"), "{tail:?}");
        assert_eq!(found, fault.map(|(position, fault)| ParseError { position, fault }), "{tail:?}");
    }
    // A group of no sectors takes no room from those behind it.
    let (memory, found) = parse_front("@Flash/0x08000000/4*16Kg,0*32Kg,1*64Kg").unwrap();
    let groups: Vec<_> = memory.groups().map(|g| (g.base, g.sector_size, g.count)).collect();
    assert_eq!(groups, whole);
    assert_eq!(found.map(|f| f.fault), Some(Fault::Count));
    for nothing in ["", "Flash", "@Flash", "@Flash/", "@Flash/0x08000000/0*16Kg", "@Flash/0x08000000/4*16"] {
        assert!(parse_front(nothing).is_err(), "{nothing}");
    }
}

#[test]
fn sectors_are_found_by_address() {
    let memory = parse(support::MEMORY).unwrap();
    let at = |address| memory.sector(address).map(|s| (s.base, s.size, s.access == Access::ALL));
    assert_eq!(at(0x07FF_FFFF), None);
    assert_eq!(at(0x0800_0000), Some((0x0800_0000, 0x4000, false)));
    assert_eq!(at(0x0800_FFFF), Some((0x0800_C000, 0x4000, false)));
    assert_eq!(at(0x0801_0000), Some((0x0801_0000, 0x1_0000, true)));
    assert_eq!(at(0x080F_FFFF), Some((0x080E_0000, 0x2_0000, true)));
    assert_eq!(at(0x0810_0000), None);
    assert_eq!(memory.sectors().count(), 12);
    assert!(memory.sectors().all(|s| memory.sector(s.base) == Some(s)));
    let top = parse("@Top/0xFFFF0000/1*64Kg").unwrap();
    assert_eq!(top.sector(u32::MAX).map(|s| s.end()), Some(1 << 32));
    assert_eq!(top.first_outside(0xFFFF_FFF0, 16, |_| true), None);
    assert_eq!(top.first_outside(0xFFFF_FFF0, 17, |_| true), Some(u32::MAX));
}

#[test]
fn letters_are_three_bits() {
    for (letter, readable, erasable, writable) in [
        (b'a', true, false, false),
        (b'b', false, true, false),
        (b'c', true, true, false),
        (b'd', false, false, true),
        (b'e', true, false, true),
        (b'f', false, true, true),
        (b'g', true, true, true),
    ] {
        let access = Access::from_letter(letter).unwrap();
        assert_eq!(
            (access.is_readable(), access.is_erasable(), access.is_writable()),
            (readable, erasable, writable)
        );
        assert_eq!(access.letter(), letter);
    }
    for letter in [b'h', b'A', b'`', 0, 0xFF] {
        assert_eq!(Access::from_letter(letter), None);
    }
}

#[test]
fn what_is_written_is_read_back() {
    let mut text = String::new();
    write(&mut text, "Internal Flash   ", parse(support::MEMORY).unwrap().groups()).unwrap();
    assert_eq!(text, support::MEMORY);

    let mut random = support::Random::seeded(2);
    for _ in 0..2000 {
        let mut base = random.word() as u32 & 0x0FFF_FFFF;
        let groups: Vec<Group> = (0..=random.below(5))
            .map(|_| {
                let shift = [0, 10, 20][random.below(3) as usize];
                let group = Group {
                    base,
                    sector_size: (1 + random.below(0xFFF)) << shift,
                    count: 1 + random.below(MAX_COUNT >> shift.min(10)),
                    access: Access::from_letter(b'a' + random.below(7) as u8).unwrap(),
                };
                base = (group.end() as u32).wrapping_add(random.below(2) * 0x100);
                group
            })
            .collect();
        if groups.iter().any(|g| g.end() > 1 << 32) {
            continue;
        }
        let mut text = String::new();
        write(&mut text, "Random", groups.iter().copied()).unwrap();
        let memory = parse(&text).unwrap_or_else(|e| panic!("{text}: {e:?}"));
        assert!(memory.groups().eq(groups), "{text}");
    }
}
