//! usb-device, synopsys-usb-otg, usbd-dfu and stm32f4xx-hal, unmodified, make a DfuSe bootloader on
//! the virtual board, and Surefoot's host tool and dfu-util flash it. The program is
//! tests/peers/usbd-dfu.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use surefoot_core::config::Slot;
use surefoot_host::files::{self, Segments};
use surefoot_host::job::{self, Finish, JobError, Kind as Who, Session, Silent};
use surefoot_host::link::sim::Cable;
use surefoot_host::link::{Departure, LinkError, Setup, Usb};
use surefoot_sim::usb::host::UsbHost;
use surefoot_sim::{Board, ChipModel, Kind, Nanos, Pin};
use surefoot_tests::fixtures::{self, SLOT};
use surefoot_tests::needs;
use surefoot_tests::rules::{self, Broken};

const BUTTON: Pin = Pin::new('A', 0);
const LED: Pin = Pin::new('D', 12);
const APPLICATION: Slot = Slot { base: SLOT, length: 960 * 1024 };

/// What synopsys-usb-otg does.
const RULES: &[Broken] = &[
    Broken {
        kind: Kind::Range,
        what: "OUT endpoint 0 enabled with 0 packets",
        because: "sets DOEPCTL0.EPENA after each packet and leaves DOEPTSIZ0 as it is (RM0090 34.17.6)",
    },
    Broken {
        kind: Kind::Range,
        what: "armed for 0 packets",
        because: "so the packets that follow come with PKTCNT at 0; the F4's core takes them",
    },
    Broken {
        kind: Kind::Hint,
        what: "STUPCNT is 0",
        because: "and SETUP packets with STUPCNT at 0, which it sets to 1 at bus reset only",
    },
];

/// The board on its cable.
struct Desk {
    board: Board,
    cable: Cable,
}

impl Usb for Desk {
    fn control_in(&mut self, setup: Setup, buffer: &mut [u8], timeout: Duration) -> Result<usize, LinkError> {
        self.cable.control_in(&mut self.board, setup, buffer, timeout)
    }
    fn control_out(&mut self, setup: Setup, data: &[u8], timeout: Duration) -> Result<(), LinkError> {
        self.cable.control_out(&mut self.board, setup, data, timeout)
    }
    fn wait(&mut self, time: Duration) {
        self.cable.wait(&mut self.board, time);
    }
    fn elapsed(&self) -> Duration {
        Duration::from_nanos(self.board.now().0)
    }
    fn departure(&mut self, limit: Duration) -> Result<Departure, LinkError> {
        self.cable.departure(&mut self.board, limit)
    }
    fn name(&self) -> String {
        "the virtual board".into()
    }
}

/// A board with the peer's bootloader and nothing else, enumerated.
fn desk() -> Desk {
    let mut board = Board::new(ChipModel::stm32f407vg());
    let program = fixtures::peer("peer-usbd-dfu").unwrap();
    board.load_elf(&fs::read(program).unwrap()).unwrap();
    board.set_pin(BUTTON, Some(false));
    board.power_on();
    let mut cable = Cable::plug(&mut board, &[APPLICATION]);
    cable.attach(&mut board, Nanos::secs(1)).unwrap();
    Desk { board, cable }
}

fn blinky() -> Segments {
    files::read(&fixtures::blinky_rust(250, SLOT).unwrap(), None).unwrap().segments
}

#[test]
fn it_enumerates_with_its_strings() {
    let mut desk = desk();
    let session = Session::open(&mut desk, false).unwrap();
    let target = session.target();
    assert_eq!(target.device.kind, Who::Rom, "not one of ours, and it says so by a stall");
    let usb = target.device.usb.as_ref().expect("a USB device");
    assert_eq!((usb.vid, usb.pid), (0x0483, 0xDF11));
    assert_eq!(usb.product, "usbd-dfu");
    assert_eq!(target.device.block, 256);
    assert_eq!(target.device.sectors.len(), 12);
    assert!(!target.device.sectors[3].changeable() && target.device.sectors[4].changeable());
    rules::check(&desk.board, RULES);
}

#[test]
fn our_host_flashes_verifies_and_starts_an_application_through_it() {
    for counting in [false, true] {
        let mut desk = desk();
        let image = blinky();
        let mut session = Session::open(&mut desk, counting).unwrap();
        let plan = job::plan(session.target(), None, &image, job::Options::default()).unwrap();
        session.flash(&plan, &mut Silent).unwrap();
        session.verify(&plan.write, &mut Silent).unwrap();
        assert_eq!(session.leave(plan.start).unwrap(), Finish::Application, "counting: {counting}");
        for segment in image.iter() {
            assert_eq!(
                desk.board.read_memory(segment.address, segment.bytes.len()),
                Some(&segment.bytes[..])
            );
        }
        let from = desk.board.now();
        desk.board.run_for(Nanos::secs(2));
        let changes = desk.board.pin_trace(LED).iter().filter(|edge| edge.at > from).count();
        assert_eq!(changes, 8, "four blinks of 2 x 250 ms");
        rules::check(&desk.board, RULES);
    }
}

#[test]
fn its_own_sectors_are_refused_by_the_host_and_by_the_device() {
    let mut desk = desk();
    let before = desk.board.flash()[..0x1_0000].to_vec();
    let image = Segments::one(0x0800_0000, vec![0; 1024]).unwrap();
    let session = Session::open(&mut desk, false).unwrap();
    let blind = job::Options { unchecked: true, ..job::Options::default() };
    let refused = job::plan(session.target(), None, &image, blind);
    assert!(matches!(refused, Err(JobError::Refusal(_))), "{refused:?}");
    // Past the host's checks: DfuSe's erase command with an address in the bootloader.
    let second = Duration::from_secs(1);
    desk.control_out([0x21, 1, 0, 0, 0, 0, 5, 0], &[0x41, 0, 0, 0, 8], second).unwrap();
    let mut status = [0; 6];
    desk.control_in([0xA1, 3, 0, 0, 0, 0, 6, 0], &mut status, second).unwrap();
    assert_eq!((status[0], status[4]), (0, 4), "dfuDNBUSY");
    desk.control_in([0xA1, 3, 0, 0, 0, 0, 6, 0], &mut status, second).unwrap();
    assert_eq!((status[0], status[4]), (8, 10), "errADDRESS, dfuERROR");
    assert_eq!(desk.board.flash()[..0x1_0000], before);
}

#[test]
fn the_button_keeps_it_in_update_mode_and_an_empty_slot_too() {
    let mut desk = desk();
    assert!(UsbHost::is_pulled_up(&mut desk.board));
    let words: Vec<u8> = [0x2002_0000_u32, SLOT + 0x101].iter().flat_map(|w| w.to_le_bytes()).collect();
    desk.board.load(SLOT, &words).unwrap();
    // wfi; b .-2
    desk.board.load(SLOT + 0x100, &[0x30, 0xBF, 0xFD, 0xE7]).unwrap();
    desk.board.set_pin(BUTTON, Some(true));
    desk.board.reset_pin();
    desk.cable.attach(&mut desk.board, Nanos::secs(1)).unwrap();
    desk.board.set_pin(BUTTON, Some(false));
    desk.board.reset_pin();
    desk.board.run_for(Nanos::secs(1));
    assert!(!UsbHost::is_pulled_up(&mut desk.board));
    assert_eq!(desk.board.pc() & !3, SLOT + 0x100);
}

/// dfu-util 0.11, unmodified, with a board behind its libusb whose flash is in `flash`.
fn dfu_util(flash: &Path, report: &Path, arguments: &[&str]) -> Output {
    Command::new("dfu-util")
        .args(arguments)
        .env("LD_LIBRARY_PATH", fixtures::libusb_shim().unwrap())
        .env("SUREFOOT_FLASH", flash)
        .env("SUREFOOT_REPORT", report)
        .env("SUREFOOT_AFTERWARDS_MS", "2000")
        .output()
        .unwrap()
}

#[test]
fn dfu_util_flashes_and_starts_an_application_through_it() {
    if !needs::whole(needs::DFU_UTIL) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let [flash, report, program] = ["flash", "report", "program.bin"].map(|name| folder.path().join(name));
    let loader = files::read(&fixtures::peer("peer-usbd-dfu").unwrap(), None).unwrap().segments;
    fs::write(&flash, loader.flat(0x0800_0000, loader.end())).unwrap();
    let image = blinky();
    let wanted = image.flat(SLOT, image.end());
    fs::write(&program, &wanted).unwrap();

    let arguments = ["-a", "0", "-s", "0x08010000:leave", "-D", program.to_str().unwrap()];
    let output = dfu_util(&flash, &report, &arguments);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("File downloaded successfully"), "{text}");
    let written = fs::read(&flash).unwrap();
    let at = (SLOT - 0x0800_0000) as usize;
    assert_eq!(written[at..at + wanted.len()], wanted[..]);

    let report: serde_json::Value = serde_json::from_slice(&fs::read(&report).unwrap()).unwrap();
    assert_eq!(report["attached"], false, "the application has no USB");
    let led: Vec<u64> = report["led_ms"].as_array().unwrap().iter().filter_map(|ms| ms.as_u64()).collect();
    assert!(led.len() >= 4 && led.windows(2).all(|pair| pair[1] - pair[0] == 250), "{led:?}");
    for violation in report["violations"].as_array().unwrap() {
        let violation = violation.as_str().unwrap();
        assert!(RULES.iter().any(|broken| violation.contains(broken.what)), "{violation}");
    }
}
