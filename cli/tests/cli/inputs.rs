//! What goes into `image sign`, `inspect` and `flash`: odd files taken, strange ones named, gaps refused.

use crate::bench::{Bench, application, warns};

const SLOT: u32 = 0x0801_0000;

fn board(name: &str) -> Bench {
    let bench = Bench::new(name);
    bench.ok("new mine --folder . --strategy single --no-journal");
    bench.write("app.bin", application(SLOT, 1000));
    bench
}

/// Intel HEX of some parts.
fn hex_file(parts: &[(u32, &[u8])]) -> String {
    let line = |kind: u8, address: u16, data: &[u8]| {
        let mut bytes = vec![data.len() as u8, (address >> 8) as u8, address as u8, kind];
        bytes.extend(data);
        bytes.push(bytes.iter().fold(0u8, |sum, b| sum.wrapping_sub(*b)));
        bytes.iter().fold(":".to_owned(), |text, b| text + &format!("{b:02X}")) + "\n"
    };
    let mut text = String::new();
    for (address, data) in parts {
        for (number, chunk) in data.chunks(16).enumerate() {
            let at = address + 16 * number as u32;
            text += &line(4, 0, &((at >> 16) as u16).to_be_bytes());
            text += &line(0, at as u16, chunk);
        }
    }
    text + ":00000001FF\n"
}

fn stm32_crc(data: &[u8]) -> u32 {
    data.as_chunks::<4>().0.iter().fold(u32::MAX, |crc, word| {
        let crc = crc ^ u32::from_le_bytes(*word);
        (0..32).fold(crc, |crc, _| if crc >> 31 == 1 { crc << 1 ^ 0x04C1_1DB7 } else { crc << 1 })
    })
}

#[test]
fn bytes_outside_the_slot_end_with_4_and_their_name() {
    let bench = board("outside");
    let app = application(SLOT, 1000);
    let table: [(u32, &str); 7] = [
        (0x1FFF_C000, "option bytes"),
        (0x1000_0000, "CCM"),
        (0x2000_0000, "RAM"),
        (0x9000_0000, "external memory"),
        (0x0800_0000, "the bootloader's flash"),
        (0x1FFF_7800, "OTP"),
        (0xFFFF_FF00, "registers"),
    ];
    for (address, name) in table {
        bench.write("stray.hex", hex_file(&[(SLOT, &app), (address, &[0x55; 16])]));
        let error = bench.fails("image sign stray.hex --key keys/mine.pem --out out.dfu", 4, "image.outside");
        let what = error["what"].as_str().unwrap();
        assert!(what.contains(name) && what.contains(&format!("16 bytes at 0x{address:08X}")), "{what}");
    }
    // The other verbs read such a file in as little memory.
    bench.write("far.hex", hex_file(&[(0, &[1; 16]), (0xFFFF_FF00, &[0x55; 16])]));
    bench.ok("image inspect far.hex");
    bench.fails("flash far.hex --link sim:a.state", 4, "image.start");
    bench.fails("verify far.hex --link sim:a.state", 3, "plan.no-memory");
    bench.fails("bootloader --firmware far.hex --out b.hex", 3, "seal.not-a-bootloader");
}

#[test]
fn a_whole_erased_sector_inside_an_image_is_refused_unless_it_is_accepted() {
    for strategy in ["single", "ab", "backup"] {
        let bench = Bench::new(&format!("hole-{strategy}"));
        bench.ok(&format!("new mine --folder . --strategy {strategy}"));
        let base = bench.ok("layout")["slot"]["base"].as_u64().unwrap() as u32;
        let app = application(base, 1000);
        bench.write("hole.hex", hex_file(&[(base, &app), (0x0804_0000, &[0x55; 64])]));
        let sign = "image sign hole.hex --key keys/mine.pem --version 1.0.0";
        let error = bench.fails(&format!("{sign} --out out.dfu"), 4, "image.hole");
        let (what, remedy) = (error["what"].as_str().unwrap(), error["remedy"].as_str().unwrap());
        assert!(what.contains("sector 5 at 0x08020000 (128 KB)") || what.contains("sectors 4-5"), "{what}");
        assert!(remedy.contains("`data` region") && remedy.contains("--fill-gaps"), "{remedy}");
        assert!(!bench.path("out.dfu").exists());
        let signed = bench.ok(&format!("{sign} --fill-gaps --out out.dfu"));
        assert!(warns(&signed, "part of the image, so nothing may be written there"), "{signed:#}");
        let link = "--link sim:a.state";
        bench.fails(&format!("flash out.dfu {link}"), 4, "image.hole");
        bench.fails(&format!("flash hole.hex {link}"), 4, "image.hole");
        bench.ok(&format!("flash out.dfu --fill-gaps {link}"));
    }
}

#[test]
fn a_suffix_of_another_device_is_refused_and_one_of_the_boards_is_cut_off() {
    let bench = board("suffix");
    let suffixed = |vid: u16| {
        let mut out = application(SLOT, 1000);
        for half in [0xFFFF, 0xDF11, vid, 0x0100] {
            out.extend(u16::to_le_bytes(half));
        }
        out.extend(b"UFD\x10");
        let crc = out.iter().fold(u32::MAX, |crc, byte| {
            (0..8)
                .fold(crc ^ u32::from(*byte), |crc, _| crc >> 1 ^ if crc & 1 == 1 { 0xEDB8_8320 } else { 0 })
        });
        out.extend(crc.to_le_bytes());
        out
    };
    bench.write("ours.bin", suffixed(0x0483));
    bench.write("theirs.bin", suffixed(0x1209));
    let sign = "--key keys/mine.pem --version 1.0.0 --out";
    bench.ok(&format!("image sign app.bin {sign} plain.bin"));
    let signed = bench.ok(&format!("image sign ours.bin {sign} cut.bin"));
    assert!(warns(&signed, "a DFU suffix, for USB device 0483:df11"), "{signed:#}");
    let read = |name: &str| std::fs::read(bench.path(name)).unwrap();
    assert_eq!(read("cut.bin"), read("plain.bin"));
    bench.fails(&format!("image sign theirs.bin {sign} no.bin"), 4, "image.other-ids");
    bench.fails("flash theirs.bin --link sim:a.state", 4, "plan.other-ids");
}

#[test]
fn reserved_vectors_with_the_default_handler_are_written_over_and_that_is_said() {
    let bench = board("reserved");
    let handler = SLOT + 0x41;
    let mut app = application(SLOT, 1000);
    for entry in 2..16 {
        app[4 * entry..4 * entry + 4].copy_from_slice(&handler.to_le_bytes());
    }
    bench.write("same.bin", &app);
    let sign = "--key keys/mine.pem --version 1.0.0 --out out.bin";
    let signed = bench.ok(&format!("image sign same.bin {sign}"));
    assert!(warns(&signed, "the default handler 0x08010041"), "{signed:#}");
    // The stack pointer and the reset vector are judged first.
    app[0x24] ^= 4;
    bench.write("differ.bin", &app);
    bench.fails(&format!("image sign differ.bin {sign}"), 4, "image.reserved-vectors");
    app[..4].copy_from_slice(&0x0801_0000u32.to_le_bytes());
    bench.write("stack.bin", &app);
    bench.fails(&format!("image sign stack.bin {sign}"), 4, "image.stack-pointer");
    bench.write("erased.bin", [vec![0xFF; 0x400], vec![7; 64]].concat());
    let error = bench.fails(&format!("image sign erased.bin {sign}"), 4, "image.erased");
    assert!(error["what"].as_str().unwrap().contains("begins with erased flash"), "{error:#}");
}

#[test]
fn a_crc_of_another_convention_is_named_with_the_command_that_makes_the_right_one() {
    let bench = Bench::new("conventions");
    bench.ok("new mine --folder . --strategy single --no-journal --policy crc");
    let app = application(SLOT, 1000);
    let crc = stm32_crc(&app);
    // What zlib.crc32 of Python gives, by its definition.
    let zlib = !app.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| crc >> 1 ^ if crc & 1 == 1 { 0xEDB8_8320 } else { 0 })
    });
    let region: Vec<u8> = [app.clone(), vec![0xFF; 0xF_0000 - 1000 - 4]].concat();
    let table: [(&str, [u8; 4], &str); 4] = [
        ("zlib", zlib.to_le_bytes(), "as zlib computes it"),
        ("big-endian", crc.to_be_bytes(), "stored in big-endian order"),
        ("inverted", (!crc).to_le_bytes(), "inverted at the end"),
        ("region", stm32_crc(&region).to_le_bytes(), "of the region filled up with 0xFF"),
    ];
    for (name, word, text) in table {
        bench.write("crc.bin", [&app[..], &word].concat());
        let error = bench.fails("flash crc.bin --link sim:a.state", 4, "image.crc");
        let (what, remedy) = (error["what"].as_str().unwrap(), error["remedy"].as_str().unwrap());
        assert!(what.contains(text), "{name}: {what}");
        assert!(remedy.contains("surefoot image sign APP.bin --crc image"), "{name}: {remedy}");
    }
    bench.write("crc.bin", [&app[..], &zlib.to_le_bytes()].concat());
    let seen = bench.ok("image inspect crc.bin --address 0x08010000");
    assert!(seen["crc_convention"].as_str().unwrap().contains("zlib"), "{seen:#}");
    bench.write("good.bin", [&app[..], &crc.to_le_bytes()].concat());
    bench.ok("flash good.bin --link sim:a.state");
    // Nothing is recognised in what is only damaged.
    bench.write("bad.bin", [&app[..], &(crc ^ 0x100).to_le_bytes()].concat());
    let error = bench.fails("flash bad.bin --link sim:a.state,button", 4, "image.crc");
    assert!(error["what"].as_str().unwrap().contains("bytes were changed or lost"), "{error:#}");
}
