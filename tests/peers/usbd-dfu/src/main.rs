//! A DfuSe bootloader made of usb-device, synopsys-usb-otg, usbd-dfu and stm32f4xx-hal.
//!
//! Starts the application at 0x08010000 when there is one and the button (PA0) is not pressed;
//! otherwise it is a DFU device until an update ends, then resets. It knows no manifest and proves
//! nothing: it is here for its drivers.
#![no_std]
#![no_main]

mod flash;

use cortex_m::peripheral::syst::SystClkSource;
use cortex_m::peripheral::{NVIC, SCB};
use cortex_m_rt::entry;
use stm32f4xx_hal::pac::{self, interrupt};
use stm32f4xx_hal::prelude::*;
use stm32f4xx_hal::rcc::{Config, Enable, Reset};
use synopsys_usb_otg::{UsbBus, UsbPeripheral};
use usb_device::device::{StringDescriptors, UsbDeviceBuilder, UsbVidPid};
use usbd_dfu::DFUClass;

use flash::{APPLICATION, FLASH_END, Memory};

const RAM: core::ops::RangeInclusive<u32> = 0x2000_0000..=0x2002_0000;
/// From the end of an update to the reset: the host ends its last transfer in that time.
const GOODBYE_MS: u32 = 50;

#[entry]
fn main() -> ! {
    let (Some(chip), Some(mut core)) = (pac::Peripherals::take(), cortex_m::Peripherals::take()) else {
        cortex_m::asm::udf()
    };
    let mut rcc = chip.RCC.constrain();
    let button = chip.GPIOA.split(&mut rcc);
    if button.pa0.into_pull_down_input().is_low() {
        start_application(&mut core.SCB);
    }
    let rcc = rcc.freeze(Config::hse(8.MHz()).sysclk(168.MHz()).require_pll48clk());
    let _pins = (
        button.pa11.into_alternate::<10>().speed(stm32f4xx_hal::gpio::Speed::VeryHigh),
        button.pa12.into_alternate::<10>().speed(stm32f4xx_hal::gpio::Speed::VeryHigh),
    );
    let usb = Otg { hclk: rcc.clocks.hclk().raw() };
    let Some(endpoint_memory) = cortex_m::singleton!(: [u32; 320] = [0; 320]) else { cortex_m::asm::udf() };
    let bus = UsbBus::new(usb, endpoint_memory);
    let mut dfu = DFUClass::new(&bus, Memory::new(chip.FLASH));
    let mut device = UsbDeviceBuilder::new(&bus, UsbVidPid(0x0483, 0xDF11))
        .strings(&[StringDescriptors::default().manufacturer("Peer").product("usbd-dfu").serial_number("1")])
        .and_then(|builder| builder.max_packet_size_0(64))
        .unwrap_or_else(|_| cortex_m::asm::udf())
        .build();

    // Interrupts stay off: a pending one ends WFI all the same (PM0214, 2.5.2), and is cleared here.
    cortex_m::interrupt::disable();
    // SAFETY: no handler can run.
    unsafe { NVIC::unmask(interrupt::OTG_FS) };
    core.SYST.set_clock_source(SystClkSource::Core);
    core.SYST.set_reload(168_000 - 1);
    core.SYST.clear_current();
    core.SYST.enable_counter();
    core.SYST.enable_interrupt();
    let mut goodbye = 0;
    loop {
        cortex_m::asm::wfi();
        NVIC::unpend(interrupt::OTG_FS);
        while device.poll(&mut [&mut dfu]) {}
        if SCB::is_pendst_pending() {
            SCB::clear_pendst();
            if flash::update_is_over() {
                goodbye += 1;
            }
            if goodbye == GOODBYE_MS {
                SCB::sys_reset();
            }
        }
    }
}

/// Jumps to the application, if one is there.
fn start_application(scb: &mut SCB) {
    let table = core::ptr::with_exposed_provenance::<u32>(APPLICATION as usize);
    // SAFETY: flash of this chip.
    let (stack, reset) = unsafe { (table.read_volatile(), table.add(1).read_volatile()) };
    if RAM.contains(&stack) && (APPLICATION..FLASH_END).contains(&reset) {
        // SAFETY: a vector table by the look of it; nothing but the clock of GPIOA has been touched.
        unsafe {
            scb.vtor.write(APPLICATION);
            cortex_m::asm::bootload(table);
        }
    }
}

/// The OTG FS block, for synopsys-usb-otg.
struct Otg {
    hclk: u32,
}

// SAFETY: the address and the figures are those of the STM32F407 (RM0090 Rev 21, table 1 and 34.4).
unsafe impl UsbPeripheral for Otg {
    const REGISTERS: *const () = pac::OTG_FS_GLOBAL::PTR.cast();
    const HIGH_SPEED: bool = false;
    const FIFO_DEPTH_WORDS: usize = 320;
    const ENDPOINT_COUNT: usize = 4;

    fn enable() {
        // SAFETY: nobody else uses RCC at this time.
        unsafe {
            pac::OTG_FS_GLOBAL::enable_unchecked();
            pac::OTG_FS_GLOBAL::reset_unchecked();
        }
    }

    fn ahb_frequency_hz(&self) -> u32 {
        self.hclk
    }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    cortex_m::asm::udf()
}
