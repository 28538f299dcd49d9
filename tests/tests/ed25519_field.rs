//! The verifier's own arithmetic, where carries are rare: the plain Rust against big integers, and
//! the chip's assembly against the plain Rust, bit for bit.
//!
//! Random signatures never reach a carry that one number in 2^32 or 2^256 makes; these operands do.
#![allow(dead_code, unused_imports)] // the machine is taken from its crate as it is, and not all of it is used

#[path = "../../firmware/ed25519/src"]
mod ed25519 {
    pub mod machine;
}

use ed25519::machine::{MODULUS, Machine, Number, Program, Registers, add, mul, sub};
use num_bigint::{BigInt, BigUint, Sign};
use object::{Object, ObjectSection, ObjectSymbol};
use surefoot_sim::{Board, ChipModel, Nanos};

fn big(number: &Number) -> BigUint {
    BigUint::from_slice(number)
}

fn number(value: &BigUint) -> Number {
    let mut out = [0; 8];
    for (to, digit) in out.iter_mut().zip(value.to_u32_digits()) {
        *to = digit;
    }
    assert_eq!(big(&out), *value, "more than 256 bits");
    out
}

fn p() -> BigUint {
    (BigUint::from(1u8) << 255) - 19u8
}

/// The group order.
fn l() -> BigUint {
    let rest = b"27742317777372353535851937790883648493";
    (BigUint::from(1u8) << 252) + BigUint::parse_bytes(rest, 10).expect("a number")
}

/// Numbers around everything that the code treats differently.
fn edges() -> Vec<Number> {
    let power = |bits: u32| BigUint::from(1u8) << bits;
    let mut values: Vec<BigUint> = Vec::new();
    for small in 0u8..=20 {
        values.push(small.into());
        // Up to the largest number there is, and around multiples of the modulus.
        values.push(power(256) - 1u8 - small);
        values.push(p() + small);
        values.push(p() - small);
        values.push(p() * 2u8 + small);
    }
    values.extend([37u8, 38, 39, 75, 76, 77].map(BigUint::from));
    for bits in [31, 32, 33, 63, 64, 96, 127, 128, 160, 192, 223, 224, 252, 254, 255] {
        values.extend([power(bits) - 1u8, power(bits), power(bits) + 1u8]);
    }
    values.extend([power(255) + power(12) - 1u8, power(255) + power(12), power(256) - 38u8]);
    for times in 1u8..16 {
        values.extend([l() * times - 1u8, l() * times, l() * times + 1u8]);
    }
    let mut numbers: Vec<Number> = values.iter().map(number).collect();
    for pattern in 0..16u32 {
        let ones: [u32; 8] = std::array::from_fn(|i| if pattern >> (i % 4) & 1 == 1 { !0 } else { 0 });
        numbers.extend([ones, ones.map(|word| word ^ 1), ones.map(|word| word ^ 0x8000_0000)]);
    }
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

/// Every operation, with its target apart from its operands, on one of them and on both.
const OPERATIONS: [u16; 11] = [
    mul(2, 0, 1),
    add(3, 0, 1),
    sub(4, 0, 1),
    sub(5, 1, 0),
    sub(6, 0, MODULUS),
    mul(7, 0, 0),
    add(8, 0, 0),
    sub(9, 1, 1),
    mul(0, 0, 1),
    add(1, 0, 1),
    sub(0, 1, 0),
];
/// The mark of a program's last operation.
const LAST: u16 = 1 << 15;

fn registers(a: &Number, b: &Number, modulus: &BigUint) -> Registers {
    let mut registers = [[0xA5A5_A5A5; 8]; 16];
    (registers[0], registers[1], registers[MODULUS]) = (*a, *b, number(modulus));
    registers
}

/// What the plain Rust makes of these registers.
fn after<const N: usize>(program: &Program<N>, registers: &Registers) -> Registers {
    let mut machine = Machine::new();
    *machine = *registers;
    program.run(&mut machine);
    *machine
}

#[test]
fn sums_differences_and_products_are_those_of_big_integers() {
    let edges = edges();
    // One modulus off makes any product a reduced one.
    let bound = p() * 2u8;
    let program = Program::new(OPERATIONS);
    for (modulus, name) in [(p(), "p"), (l(), "L")] {
        for a in &edges {
            for b in &edges {
                let out = after(&program, &registers(a, b, &modulus));
                let (x, y) = (big(a), big(b));
                let around = || format!("modulo {name}: {a:08x?} and {b:08x?}");
                // Field products whatever the modulus is.
                for (register, expected) in [(2, &x * &y), (7, &x * &x)] {
                    let product = big(&out[register]);
                    assert!(product < bound, "not as reduced as promised {}", around());
                    assert_eq!(product % p(), expected % p(), "product {}", around());
                }
                for (register, expected) in [(3, &x + &y), (8, &x + &x)] {
                    let most = BigUint::from(1u8) << 256;
                    // No modulus more than it takes is taken off.
                    let over =
                        if expected < most { BigUint::ZERO } else { (&expected - &most) / &modulus + 1u8 };
                    assert_eq!(big(&out[register]), expected - over * &modulus, "sum {}", around());
                }
                let m = BigInt::from(modulus.clone());
                for (register, from, take) in [(4, &x, &y), (5, &y, &x), (6, &x, &modulus), (9, &y, &y)] {
                    let mut expected = BigInt::from(from.clone()) - BigInt::from(take.clone());
                    if expected.sign() == Sign::Minus {
                        // Onto what is negative, until it is not.
                        expected = ((expected % &m) + &m) % &m;
                    }
                    assert_eq!(BigInt::from(big(&out[register])), expected, "difference {}", around());
                }
            }
        }
    }
}

/// Where the test puts things, above the bootloader's registers.
const CODE: u32 = 0x0800_0040;
const ROUTINE: u32 = 0x0800_0100;
const MAILBOX: u32 = 0x2000_8000;
const PROGRAM: u32 = 0x2000_9000;

/// Waits for the mailbox, runs the routine, empties the mailbox; for ever.
const WAITER: [u16; 12] = [
    0x4F05, // ldr r7, [pc, #20]  the mailbox
    0x4E06, // ldr r6, [pc, #24]  the routine
    0x4D06, // ldr r5, [pc, #24]  the program
    0xBF00, // nop
    0x683B, // ldr r3, [r7]
    0x2B00, // cmp r3, #0
    0xD0FC, // beq to the ldr
    0x4628, // mov r0, r5
    0x47B0, // blx r6
    0x2300, // movs r3, #0
    0x603B, // str r3, [r7]
    0xE7F7, // b to the ldr
];

/// The bytes of the routine, out of the bootloader as it ships, and the address of the registers: the only one
/// that they hold.
fn routine() -> (Vec<u8>, u32) {
    let elf = object::File::parse(surefoot_images::F4_FULL.elf).expect("an ELF file");
    let named = |name| elf.symbols().find(|symbol| symbol.name() == Ok(name)).expect("the symbol");
    let registers = named("surefoot_ed25519_registers").address() as u32;
    let symbol = named("surefoot_ed25519_run");
    let (address, size) = (symbol.address() & !1, symbol.size());
    let section = elf.sections().find(|s| s.address() <= address && address < s.address() + s.size());
    let bytes = section.expect("its section").data_range(address, size).expect("in the file");
    (bytes.expect("all of it").to_vec(), registers)
}

#[test]
fn the_assembly_does_bit_for_bit_what_the_plain_rust_does() {
    let mut image = vec![0; 0x100];
    let mut put = |at: usize, bytes: &[u8]| image[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &0x2002_0000u32.to_le_bytes());
    put(4, &(CODE | 1).to_le_bytes());
    for (i, half) in WAITER.iter().enumerate() {
        put(0x40 + 2 * i, &half.to_le_bytes());
    }
    let (routine, place) = routine();
    for (i, word) in [MAILBOX, ROUTINE | 1, PROGRAM].iter().enumerate() {
        put(0x40 + 2 * WAITER.len() + 4 * i, &word.to_le_bytes());
    }
    image.extend(routine);
    let mut board = Board::new(ChipModel::stm32f407vg());
    board.load(0x0800_0000, &image).expect("it fits");
    board.power_on();
    // The chip's own reset time.
    board.run_for(Nanos::millis(10));
    let mut operations = OPERATIONS;
    operations[OPERATIONS.len() - 1] |= LAST;
    let program: Vec<u8> = operations.iter().flat_map(|o| o.to_le_bytes()).collect();
    assert!(board.write_memory(PROGRAM, &program) && board.write_memory(MAILBOX, &[0; 4]));

    let edges = edges();
    let mut seen = 0;
    for (i, j) in (0..edges.len()).flat_map(|i| (0..edges.len()).map(move |j| (i, j))) {
        // Each pair has its turn with both moduli: as (a, b) with one, as (b, a) with the other.
        let modulus = if i < j { p() } else { l() };
        let before = registers(&edges[i], &edges[j], &modulus);
        let expected = after(&Program::new(OPERATIONS), &before);
        let bytes =
            |r: &Registers| r.as_flattened().iter().flat_map(|w| w.to_le_bytes()).collect::<Vec<u8>>();
        assert!(board.write_memory(place, &bytes(&before)) && board.write_memory(MAILBOX, &[1, 0, 0, 0]));
        // Eleven operations at 16 MHz take 0.3 ms at most.
        for _ in 0..20 {
            board.run_for(Nanos::micros(50));
            if board.read_word(MAILBOX) == Some(0) {
                break;
            }
        }
        assert_eq!(board.read_word(MAILBOX), Some(0), "it did not come back, at {:#x}", board.pc());
        let after = board.read_memory(place, 16 * 32).expect("RAM");
        assert!(after == bytes(&expected), "{:08x?} and {:08x?} modulo {modulus:x}", edges[i], edges[j]);
        seen += 1;
    }
    assert!(seen > 20_000, "{seen} pairs");
    board.assert_no_violations(|_| false);
}
