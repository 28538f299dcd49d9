//! What embassy's drivers do on an STM32F407: flash, USART, and a USB device with a class of its own.
//!
//! In this order, each step told on USART2 (PA2, 115200 8N1) by a line:
//! 1. "hello";
//! 2. erases the last sector, programs [`PATTERN`] words at its start, reads back: "flash ok";
//! 3. reads four bytes from USART2 (PA3) and sends them back in reverse order and a line end;
//! 4. USB: bulk endpoint 1 sends every packet back with its bits inverted. Vendor requests:
//!    [`STORE`] takes up to 200 bytes, [`FETCH`] gives them back.
#![no_std]
#![no_main]

use embassy_executor::Spawner;
use embassy_futures::join::join;
use embassy_stm32::flash::{Blocking, Flash};
use embassy_stm32::mode::Blocking as BlockingMode;
use embassy_stm32::time::Hertz;
use embassy_stm32::usart::{self, Uart};
use embassy_stm32::usb::{self, Driver};
use embassy_stm32::{bind_interrupts, peripherals};
use embassy_usb::control::{InResponse, OutResponse, Recipient, Request, RequestType};
use embassy_usb::driver::{Endpoint, EndpointIn, EndpointOut};
use embassy_usb::{Builder, Handler};

bind_interrupts!(struct Interrupts {
    OTG_FS => usb::InterruptHandler<peripherals::USB_OTG_FS>;
});

const SECTOR: u32 = 0xE_0000;
const SECTOR_END: u32 = 0x10_0000;
const PATTERN: usize = 64;
const STORE: u8 = 0x01;
const FETCH: u8 = 0x02;
const STORED: usize = 200;

#[embassy_executor::main]
async fn main(_spawner: Spawner) {
    let p = embassy_stm32::init(clocks());
    // PA3 and PA2 are the board's USART2 on the header.
    let Ok(mut uart) = Uart::new_blocking(p.USART2, p.PA3, p.PA2, usart::Config::default()) else {
        return;
    };
    say(&mut uart, b"hello\n");
    let mut flash = Flash::new_blocking(p.FLASH);
    say(&mut uart, if flash_works(&mut flash) { b"flash ok\n" } else { b"flash bad\n" });
    let mut word = [0; 4];
    match uart.blocking_read(&mut word) {
        Ok(()) => {
            word.reverse();
            say(&mut uart, &word);
            say(&mut uart, b"\n");
        }
        Err(_) => say(&mut uart, b"receive error\n"),
    }

    let mut out_buffer = [0; 256];
    let mut config = usb::Config::default();
    // The board's PA9 is not wired up here.
    config.vbus_detection = false;
    let driver = Driver::new_fs(p.USB_OTG_FS, Interrupts, p.PA12, p.PA11, &mut out_buffer, config);
    serve(driver).await;
}

/// 168 MHz from the board's 8 MHz crystal, 48 MHz for USB.
fn clocks() -> embassy_stm32::Config {
    use embassy_stm32::rcc::*;
    let mut config = embassy_stm32::Config::default();
    config.rcc.hse = Some(Hse { freq: Hertz(8_000_000), mode: HseMode::Oscillator });
    config.rcc.pll_src = PllSource::HSE;
    config.rcc.pll = Some(Pll {
        prediv: PllPreDiv::DIV4,
        mul: PllMul::MUL168,
        divp: Some(PllPDiv::DIV2),
        divq: Some(PllQDiv::DIV7),
        divr: None,
    });
    config.rcc.ahb_pre = AHBPrescaler::DIV1;
    config.rcc.apb1_pre = APBPrescaler::DIV4;
    config.rcc.apb2_pre = APBPrescaler::DIV2;
    config.rcc.sys = Sysclk::PLL1_P;
    config.rcc.mux.clk48sel = mux::Clk48sel::PLL1_Q;
    config
}

fn say(uart: &mut Uart<'_, BlockingMode>, text: &[u8]) {
    // A transmit error cannot be told to anybody.
    let _ = uart.blocking_write(text).and_then(|()| uart.blocking_flush());
}

fn flash_works(flash: &mut Flash<'_, Blocking>) -> bool {
    let mut bytes = [0; 4 * PATTERN];
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = (at as u8).wrapping_mul(37) ^ 0x5A;
    }
    let mut read = [0; 4 * PATTERN];
    flash.blocking_erase(SECTOR, SECTOR_END).is_ok()
        && flash.blocking_read(SECTOR, &mut read).is_ok()
        && read.iter().all(|&byte| byte == 0xFF)
        && flash.blocking_write(SECTOR, &bytes).is_ok()
        && flash.blocking_read(SECTOR, &mut read).is_ok()
        && read == bytes
}

/// Runs the USB device.
async fn serve(driver: Driver<'_, peripherals::USB_OTG_FS>) {
    let mut config = embassy_usb::Config::new(0xC0DE, 0xCAFE);
    config.manufacturer = Some("Peer");
    config.product = Some("embassy");
    config.serial_number = Some("1");
    config.device_class = 0xFF;
    config.device_sub_class = 0;
    config.device_protocol = 0;
    config.composite_with_iads = false;
    let mut configuration = [0; 128];
    let mut bos = [0; 64];
    let mut control = [0; 256];
    let mut store = Store { bytes: [0; STORED], length: 0 };
    let mut builder = Builder::new(driver, config, &mut configuration, &mut bos, &mut [], &mut control);
    builder.handler(&mut store);
    let mut function = builder.function(0xFF, 0, 0);
    let mut interface = function.interface();
    let mut setting = interface.alt_setting(0xFF, 0, 0, None);
    let mut from_host = setting.endpoint_bulk_out(None, 64);
    let mut to_host = setting.endpoint_bulk_in(None, 64);
    drop(function);
    let mut device = builder.build();
    let echo = async {
        loop {
            from_host.wait_enabled().await;
            let mut packet = [0; 64];
            // An error is a change of configuration: wait for the next one.
            while let Ok(length) = from_host.read(&mut packet).await {
                packet.iter_mut().for_each(|byte| *byte = !*byte);
                if to_host.write(&packet[..length]).await.is_err() {
                    break;
                }
            }
        }
    };
    join(device.run(), echo).await;
}

/// The vendor requests.
struct Store {
    bytes: [u8; STORED],
    length: usize,
}

impl Handler for Store {
    fn control_out(&mut self, request: Request, data: &[u8]) -> Option<OutResponse> {
        if (request.request_type, request.recipient, request.request)
            != (RequestType::Vendor, Recipient::Device, STORE)
        {
            return None;
        }
        let Some(room) = self.bytes.get_mut(..data.len()) else { return Some(OutResponse::Rejected) };
        room.copy_from_slice(data);
        self.length = data.len();
        Some(OutResponse::Accepted)
    }

    fn control_in<'a>(&'a mut self, request: Request, _: &'a mut [u8]) -> Option<InResponse<'a>> {
        ((request.request_type, request.recipient, request.request)
            == (RequestType::Vendor, Recipient::Device, FETCH))
            .then(|| InResponse::Accepted(&self.bytes[..self.length]))
    }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    cortex_m::asm::udf()
}
