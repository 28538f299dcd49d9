//! Every crystal from 4 to 26 MHz with every F4: a solution keeps all limits, and where there is
//! none, a search through all register values finds none either.

use surefoot_board::clock::{ClockError, HSI_HZ, max_hz, solve};
use surefoot_chips::{Chip, all, find};

const MHZ: u64 = 1_000_000;

/// One chip of each set of clock limits.
fn kinds() -> Vec<Chip> {
    let mut kinds: Vec<Chip> = Vec::new();
    for chip in all().filter(|c| c.binary_family == Some(0x00F4)) {
        if !kinds.iter().any(|k| k.clock == chip.clock) {
            kinds.push(chip);
        }
    }
    assert!(kinds.len() >= 6, "F405, F42x, F469, F411, F401, F413 differ");
    kinds
}

/// The PLL as RM0090 (section 7.3.2) draws it, from the register's bits alone.
struct Decoded {
    vco_in: f64,
    vco: f64,
    sysclk: f64,
    usb: f64,
    from_hse: bool,
    n: u32,
    m: u32,
}

fn decode(pllcfgr: u32, hse: u32) -> Decoded {
    let (m, n) = (pllcfgr & 0x3F, pllcfgr >> 6 & 0x1FF);
    let (p, q) = ((pllcfgr >> 16 & 3) * 2 + 2, pllcfgr >> 24 & 0xF);
    let from_hse = pllcfgr & 1 << 22 != 0;
    let input = f64::from(if from_hse { hse } else { HSI_HZ });
    let vco_in = input / f64::from(m);
    let vco = vco_in * f64::from(n);
    Decoded { vco_in, vco, sysclk: vco / f64::from(p), usb: vco / f64::from(q), from_hse, n, m }
}

fn assert_pll(pllcfgr: u32, hse: u32, vco_mhz: [u32; 2], sysclk: u32, context: &str) -> bool {
    let d = decode(pllcfgr, hse);
    assert!((2..=63).contains(&d.m) && (50..=432).contains(&d.n), "{context}");
    assert!((1e6..=2e6).contains(&d.vco_in), "{context}: VCO input {}", d.vco_in);
    let [low, high] = vco_mhz.map(|mhz| f64::from(mhz) * 1e6);
    assert!((low..=high).contains(&d.vco), "{context}: VCO {}", d.vco);
    // Hertz are whole here, so the comparison may be exact to far below one.
    assert!((d.usb - 48e6).abs() < 1e-3, "{context}: USB at {}", d.usb);
    assert!((d.sysclk - f64::from(sysclk)).abs() < 1e-3, "{context}: SYSCLK {}", d.sysclk);
    assert_eq!(pllcfgr >> 28, 2, "{context}: the reset value of bits 28-31 stays");
    assert_eq!(pllcfgr & 0x00BC_8000, 0, "{context}: reserved bits are zero");
    d.from_hse
}

/// Every SYSCLK within the limits that comes with 48 MHz, by brute force over M, N, P, Q.
fn brute_force(chip: &Chip, input: u32, max: u32) -> Vec<u32> {
    let [low, high] = chip.clock.expect("limits").vco_mhz.map(|mhz| u64::from(mhz) * MHZ);
    let mut found = Vec::new();
    for m in 2..=63u64 {
        for n in 50..=432u64 {
            let input = u64::from(input);
            let vco_times_m = input * n;
            let legal = input >= MHZ * m
                && input <= 2 * MHZ * m
                && vco_times_m >= low * m
                && vco_times_m <= high * m
                && (2..=15).any(|q| vco_times_m == 48 * MHZ * q * m);
            if !legal {
                continue;
            }
            for p in [2, 4, 6, 8] {
                if vco_times_m.is_multiple_of(m * p) {
                    found.push((vco_times_m / m / p) as u32);
                }
            }
        }
    }
    found.retain(|hz| (24_000_000..=max).contains(hz));
    found.sort_unstable();
    found.dedup();
    found
}

#[test]
fn every_solution_from_every_crystal_keeps_every_limit() {
    let (mut solved, mut impossible) = (0, 0);
    for chip in kinds() {
        let clock = chip.clock.expect("limits");
        for (range, supply) in chip.supplies.iter().enumerate() {
            let max = max_hz(clock, range);
            for half in 8..=52u32 {
                let hse = half * 500_000;
                let context = format!("{} {} HSE {hse}", chip.name, supply.range);
                let good = brute_force(&chip, hse, max);
                if good.is_empty() {
                    let error = solve(&chip, supply, Some(hse), false, max).expect_err(&context);
                    assert!(matches!(error, ClockError::NoUsb { .. }), "{context}: {error}");
                    impossible += 1;
                }
                for sysclk in good {
                    let clocks = solve(&chip, supply, Some(hse), false, sysclk);
                    let clocks = clocks.unwrap_or_else(|e| panic!("{context} {sysclk}: {e}"));
                    let context = format!("{context} SYSCLK {sysclk}");
                    let pll = clocks.hse.expect("a setting from HSE").register();
                    assert!(assert_pll(pll, hse, clock.vco_mhz, sysclk, &context));
                    assert!(!assert_pll(clocks.hsi.register(), hse, clock.vco_mhz, sysclk, &context));
                    assert_buses(&chip, range, &clocks, &context);
                    solved += 1;
                }
            }
        }
    }
    // 45 crystals, at least 6 kinds, 4 ranges: most of them solve, 9.5 MHz and the like do not.
    assert!(solved > 5000 && impossible > 100, "{solved} solved, {impossible} impossible");
}

/// Prescalers, wait states and voltage scale, from the registers' bits.
fn assert_buses(chip: &Chip, range: usize, clocks: &surefoot_board::clock::Clocks, context: &str) {
    let clock = chip.clock.expect("limits");
    let cfgr = clocks.rcc_cfgr;
    assert_eq!(cfgr & 0b11, 0b10, "{context}: SW = PLL");
    assert_eq!(cfgr & 0xF0, 0, "{context}: HPRE = 1");
    let divider = |bits: u32| if bits & 4 == 0 { 1 } else { 2 << (bits & 3) };
    let (apb1, apb2) =
        (clocks.sysclk_hz / divider(cfgr >> 10 & 7), clocks.sysclk_hz / divider(cfgr >> 13 & 7));
    assert_eq!((apb1, apb2), (clocks.apb1_hz, clocks.apb2_hz), "{context}");
    assert!(apb1 <= clock.apb1_mhz * 1_000_000 && apb2 <= clock.apb2_mhz * 1_000_000, "{context}");
    let wait = clocks.flash_acr & 0xF;
    let step = clock.wait_mhz[range] * 1_000_000;
    assert!(clocks.sysclk_hz <= (wait + 1) * step, "{context}: {wait} wait states are too few");
    assert!(wait == 0 || clocks.sysclk_hz > wait * step, "{context}: {wait} wait states are too many");
    assert!(wait <= clock.max_wait_states, "{context}");
    assert_eq!(clocks.flash_acr & 0x600, 0x600, "{context}: both caches are on");
    let prefetch = clocks.flash_acr & 1 << 8 != 0;
    assert_eq!(prefetch, chip.supplies[range].millivolts().0 >= 2100, "{context}: prefetch");
    assert_eq!(clocks.flash_acr & !0x70F, 0, "{context}: nothing else in FLASH_ACR");
    let scale = clock.scales.iter().find(|s| s.pwr_cr == clocks.pwr_cr);
    let limit = scale.unwrap_or_else(|| panic!("{context}: no such scale")).max_mhz * 1_000_000;
    assert!(clocks.sysclk_hz <= limit, "{context}: the core voltage is too low");
    // The firmware sets bits of PWR_CR: what it had after reset (RM0090, 5.4.1; RM0368, 5.4.1) must
    // be among them, or the sum is another scale, on F401 a reserved one.
    let reset = match chip.device_id {
        Some(0x413) => 0x4000,
        Some(0x419 | 0x421 | 0x434 | 0x441 | 0x463) => 0xC000,
        _ => 0x8000,
    };
    assert_eq!(clocks.pwr_cr | reset, clocks.pwr_cr, "{context}: bits are only set");
}

#[test]
fn the_discovery_boards_registers_are_those_of_the_manual() {
    let chip = find("STM32F407VG").expect("a chip");
    let clocks = solve(&chip, &chip.supplies[3], Some(8_000_000), false, 168_000_000).expect("clocks");
    // M 4, N 168, P 2, Q 7, HSE: 2 MHz into the VCO, 336 MHz out.
    assert_eq!(clocks.hse.expect("HSE").register(), 0x2740_2A04);
    assert_eq!(clocks.hsi.register(), 0x2700_2A08);
    // RM0090: APB1 / 4, APB2 / 2; five wait states at 168 MHz; scale 1.
    assert_eq!(clocks.rcc_cfgr, 0x0000_9402);
    assert_eq!(clocks.flash_acr, 0x705);
    assert_eq!(clocks.pwr_cr, 0x4000);
}

#[test]
fn what_cannot_be_had_is_refused_with_what_can() {
    let f407 = find("STM32F407VG").expect("a chip");
    let f411 = find("STM32F411CE").expect("a chip");
    let f446 = find("STM32F446RE").expect("a chip");
    for (chip, range, hse, sysclk, message) in [
        (
            &f407,
            3,
            Some(9_500_000),
            168_000_000,
            "no PLL setting makes 48 MHz for USB from 9.5 MHz; use a crystal like 9 MHz or 10 MHz",
        ),
        (
            &f407,
            3,
            Some(30_000_000),
            168_000_000,
            "a crystal of 30 MHz is outside 4-26 MHz; fit one in this range, 8 MHz is common",
        ),
        (
            &f407,
            3,
            Some(8_000_000),
            160_000_000,
            "160 MHz cannot be had together with 48 MHz for USB; use 144 MHz or 168 MHz",
        ),
        (
            &f407,
            0,
            Some(8_000_000),
            168_000_000,
            "168 MHz cannot be had together with 48 MHz for USB (the chip's limit at this supply, without \
             over-drive, is 160 MHz); use 120 MHz or 144 MHz",
        ),
        (
            &f411,
            3,
            Some(25_000_000),
            100_000_000,
            "100 MHz cannot be had together with 48 MHz for USB; use 84 MHz or 96 MHz",
        ),
        (
            &f446,
            3,
            Some(8_000_000),
            180_000_000,
            "180 MHz cannot be had together with 48 MHz for USB (the chip's limit at this supply, without \
             over-drive, is 168 MHz); use 144 MHz or 168 MHz",
        ),
        (
            &f407,
            3,
            None,
            12_000_000,
            "12 MHz cannot be had together with 48 MHz for USB; use 24 MHz or 30 MHz",
        ),
    ] {
        let error = solve(chip, &chip.supplies[range], hse, false, sysclk).expect_err(message);
        assert_eq!(error.to_string(), message);
    }
}
