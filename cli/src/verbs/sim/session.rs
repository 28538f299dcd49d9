//! One stretch of a virtual board's life: what happens to it on the way, and what it says and does, as it happens.
//!
//! `sim run` makes the board and shows what is left at the end; here the time passes. What somebody does to the
//! board (a press, a pulled plug) is a list of acts with their times; between two of them the board runs.

use super::given::{Feed, Press};
use crate::output::Ui;
use crate::problem::Problem;
use crate::signal::Signal;
use serde_json::{Value, json};
use surefoot_host::files;
use surefoot_host::link::sim::{Boots, Seen, VirtualBoard, Watch, reset_cause};
use surefoot_sim::usart::{COUNT, NAMES};
use surefoot_sim::usb::host::{Enumerated, Patience, UsbHost, configuration_parts};
use surefoot_sim::{Nanos, Pin, ResetCause};

/// How long nobody looks, at most: a signal, a jump into the application, a device on the bus.
const SLICE: Nanos = Nanos::millis(20);
/// How long the supply is off after a cut.
const OFF: Nanos = Nanos::secs(1);
/// Who is in the bootloader for that long is in update mode.
const UPDATE_MODE: Nanos = Nanos::secs(5);
/// Starts told line by line; a board that resets without end says so instead.
const MOST_TOLD: usize = 200;

/// Something that happens to the board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Drive(Pin, Option<bool>),
    Cut,
    Supply,
}

/// A reset, and what came of it.
#[derive(Clone, Debug)]
struct Start {
    at: Nanos,
    cause: &'static str,
    /// What the bootloader did; nothing on a board without one.
    did: Option<String>,
}

/// What the stretch left for the report.
#[derive(Default)]
pub struct Past {
    starts: Vec<Start>,
    /// Bytes by line, from 0.
    pub lines: [Vec<u8>; COUNT],
    /// Devices that were enumerated.
    pub devices: Vec<Value>,
    /// The vector table or an exception went astray, each once.
    pub astray: Vec<String>,
    /// The core is locked up at the end: what was known when it happened.
    pub locked_up: Option<String>,
    /// A signal ended it.
    pub ended: bool,
}

impl Past {
    /// For machines.
    pub fn starts_json(&self) -> Vec<Value> {
        let one = |start: &Start| json!({ "at": start.at.0, "cause": start.cause, "bootloader": start.did });
        self.starts.iter().map(one).collect()
    }
}

/// The stretch.
pub struct Session<'a> {
    board: &'a mut VirtualBoard,
    ui: &'a Ui,
    start: Nanos,
    acts: Vec<(Nanos, Act)>,
    feeds: Vec<(usize, Vec<u8>)>,
    host: Option<UsbHost>,
    attached: bool,
    boots: Boots,
    /// The last start is not told yet.
    open: bool,
    /// The application ran since the last reset.
    reached: bool,
    watch: Watch,
    told: [usize; COUNT],
    past: Past,
}

impl<'a> Session<'a> {
    /// Before the supply goes on.
    pub fn new(board: &'a mut VirtualBoard, ui: &'a Ui) -> Self {
        let boots = Boots::new(&board.board);
        let (start, watch) = (board.board.now(), Watch::from_now(&board.board));
        Self {
            board,
            ui,
            start,
            acts: Vec::new(),
            feeds: Vec::new(),
            host: None,
            attached: false,
            boots,
            open: false,
            reached: false,
            watch,
            told: [0; COUNT],
            past: Past::default(),
        }
    }

    /// Somebody presses a pin's button. Where the pin has no level of its own afterwards, `rest` is it.
    pub fn press(&mut self, press: Press, rest: Option<bool>) {
        let button = self.board.button().filter(|(pin, _)| *pin == press.pin).map(|(_, level)| level);
        let level = press.level.or(button).unwrap_or(true);
        let rest = rest.or(button.map(|pressed| !pressed));
        let at = self.start + press.at;
        self.acts.push((at, Act::Drive(press.pin, Some(level))));
        self.acts.push((at + press.lasts, Act::Drive(press.pin, rest)));
    }

    /// The supply fails, and comes back a second later.
    pub fn cut(&mut self, at: Nanos) {
        self.acts.push((self.start + at, Act::Cut));
        self.acts.push((self.start + at + OFF, Act::Supply));
    }

    /// A file's bytes come in as soon as the program receives on that line.
    pub fn feed(&mut self, feed: &Feed) -> Result<(), Problem> {
        let bytes = files::read_bytes(&feed.file).map_err(|e| Problem::from(e).about(&feed.file))?;
        self.feeds.push((feed.number, bytes));
        Ok(())
    }

    /// A cable into a host that lists what it finds.
    pub fn plug(&mut self) {
        let mut host = UsbHost::new(Patience::default());
        host.plug(&mut self.board.board);
        self.host = Some(host);
    }

    /// Lets the time pass, up to the span's end or a signal.
    pub fn run(mut self, span: Nanos, signal: &Signal) -> Past {
        let end = self.start + span;
        self.acts.sort_by_key(|act| act.0);
        self.board.board.power_on();
        let mut seen = Vec::new();
        self.watch.look(&mut self.board.board, &mut |what| seen.push(what));
        self.look(&seen);
        while self.board.board.now() < end && !signal.came() {
            let now = self.board.board.now();
            while self.acts.first().is_some_and(|act| act.0 <= now) {
                let (_, act) = self.acts.remove(0);
                self.act(act);
            }
            let next = self.acts.first().map_or(end, |act| act.0).min(end).min(now + SLICE);
            seen.clear();
            self.watch.step(&mut self.board.board, next.since(now), &mut |what| seen.push(what));
            self.look(&seen);
        }
        self.past.ended = signal.came();
        self.settle();
        self.say_all();
        self.past
    }

    fn act(&mut self, act: Act) {
        let board = &mut self.board.board;
        match act {
            Act::Drive(pin, level) => board.set_pin(pin, level),
            Act::Supply => board.power_on(),
            Act::Cut => {
                // In the order in which it happened.
                self.settle();
                self.board.board.power_off();
                self.attached = false;
                self.note("the supply failed");
            }
        }
    }

    fn note(&self, text: &str) {
        let at = self.board.board.now().since(self.start);
        self.ui.note(&format!("{:>12}  {text}", at.to_string()));
    }

    /// What happened since the last look.
    fn look(&mut self, seen: &[Seen]) {
        let mut reset = None;
        for what in seen {
            match *what {
                Seen::Byte { uart, byte } => self.past.lines[uart - 1].push(byte),
                Seen::Lockup { at, pc } => self.lock_up(at, pc),
                Seen::Reset { at, cause } => reset = Some((at, cause)),
            }
        }
        (0..COUNT).for_each(|number| self.say(number, false));
        let confirmed = self.boots.look(&self.board.board);
        // What an application did is told behind its start, and before the reset that ended it.
        if reset.is_none() {
            self.look_for_the_application();
        }
        if let Some(text) = confirmed {
            self.note(&text);
        }
        if let Some((at, cause)) = reset {
            self.reset(at, cause);
            self.look_for_the_application();
        }
        self.feed_lines();
        self.look_at_the_bus();
    }

    fn reset(&mut self, at: Nanos, cause: ResetCause) {
        if self.open && self.boots.has_bootloader() {
            self.tell_start(None);
        }
        let at = at.since(self.start);
        self.past.starts.push(Start { at, cause: reset_cause(cause), did: None });
        self.past.locked_up = None;
        (self.open, self.reached) = (true, false);
        if !self.boots.has_bootloader() {
            self.tell_start(None);
        }
    }

    /// Tells a start that is still open: with a device on the bus the bootloader is in update mode.
    fn settle(&mut self) {
        if !self.open || !self.boots.has_bootloader() {
            return;
        }
        let board = &mut self.board.board;
        let waits = board.is_powered() && UsbHost::is_pulled_up(board);
        let text = waits.then(|| self.boots.start(board, None));
        self.tell_start(text);
    }

    /// One line for each start: when, why, and what the bootloader did.
    fn tell_start(&mut self, text: Option<String>) {
        self.open = false;
        let number = self.past.starts.len();
        let unknown = || "stayed in the bootloader".to_owned();
        let did = self.boots.has_bootloader().then(|| text.unwrap_or_else(unknown));
        let Some(start) = self.past.starts.last_mut() else { return };
        start.did.clone_from(&did);
        let line = match did {
            Some(did) => format!("{:>12}  {}: {did}", start.at.to_string(), start.cause),
            // A bare program's power-on is no news.
            None if number == 1 => return,
            None => format!("{:>12}  {}", start.at.to_string(), start.cause),
        };
        match number {
            ..MOST_TOLD => self.ui.note(&line),
            MOST_TOLD => self.ui.note("              and further resets, which are not told"),
            _ => {}
        }
    }

    fn look_for_the_application(&mut self) {
        if !self.boots.has_bootloader() || !self.board.board.is_powered() {
            return;
        }
        let running = self.board.running();
        if running.is_some() {
            self.reached = true;
        }
        let board = &mut self.board.board;
        let since = self.past.starts.last().map_or(Nanos(0), |start| self.start + start.at);
        if self.open && (running.is_some() || board.now().since(since) >= UPDATE_MODE) {
            let text = self.boots.start(board, running);
            self.tell_start(Some(text));
        }
        if self.reached {
            self.look_for_strays(running.is_some());
        }
    }

    /// An application that uses the bootloader's vector table, or fell into it.
    fn look_for_strays(&mut self, running: bool) {
        let first = self.board.fitting.slots().iter().map(|slot| slot.base).min().unwrap_or(0);
        let board = &mut self.board.board;
        let (table, exception) = (board.vector_table(), board.exception());
        let in_flash = |address: u32| address < first && !(0x0010_0000..0x0800_0000).contains(&address);
        let text = if running && in_flash(table) {
            format!(
                "the application set VTOR to 0x{table:08X}: its exceptions go through the bootloader's vector table"
            )
        } else if !running && exception != 0 && in_flash(table) && in_flash(board.pc()) {
            format!("an exception was taken through the bootloader's vector table (number {exception})")
        } else {
            return;
        };
        if !self.past.astray.contains(&text) {
            self.note(&text);
            self.past.astray.push(text);
        }
    }

    fn lock_up(&mut self, at: Nanos, pc: u32) {
        let at = at.since(self.start);
        let faults = self.board.board.faults();
        let text = format!(
            "the core locked up at {at}, pc 0x{pc:08X} (CFSR 0x{:08X}, HFSR 0x{:08X}, BFAR 0x{:08X})",
            faults.cfsr, faults.hfsr, faults.bfar
        );
        let more = if self.board.board.watchdog_running() { ", until the watchdog" } else { "" };
        self.note(&format!("{text}{more}"));
        self.past.locked_up = Some(text);
    }

    // ---- serial lines ----

    /// Whole lines as they come, with the name of the USART in front; the rest at the end.
    fn say(&mut self, number: usize, all: bool) {
        let new = &self.past.lines[number][self.told[number]..];
        let end = new.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        let shown = if all { new } else { &new[..end] };
        for line in String::from_utf8_lossy(shown).lines() {
            self.ui.live(&format!("{} | {}\n", NAMES[number], line.trim_end_matches('\r')));
        }
        self.told[number] += shown.len();
    }

    fn say_all(&mut self) {
        (0..COUNT).for_each(|number| self.say(number, true));
    }

    fn feed_lines(&mut self) {
        let board = &mut self.board.board;
        self.feeds.retain(|(number, bytes)| match board.uart_line(*number).filter(|_| board.is_powered()) {
            Some(line) => {
                board.uart_rx(*number, line, bytes);
                false
            }
            None => true,
        });
    }

    // ---- USB ----

    fn look_at_the_bus(&mut self) {
        let Some(mut host) = self.host.take() else { return };
        let up = UsbHost::is_pulled_up(&mut self.board.board);
        if !up {
            self.attached = false;
        } else if !std::mem::replace(&mut self.attached, true) {
            if self.board.running().is_none() {
                self.settle();
            }
            let board = &mut self.board.board;
            let found = host.wait_attach(board, Nanos::secs(1)).and_then(|()| host.enumerate(board));
            match found {
                Ok(device) => {
                    let device = describe(&mut host, board, &device);
                    self.note(&format!("USB: {}", words(&device)));
                    self.past.devices.push(device);
                }
                Err(error) => self.note(&format!("USB: a device came and was not enumerated: {error}")),
            }
        }
        self.host = Some(host);
    }
}

/// Its descriptors for machines.
fn describe(host: &mut UsbHost, board: &mut surefoot_sim::Board, found: &Enumerated) -> Value {
    let mut string = |index: u8| {
        let setup = [0x80, 6, index, 3, 0x09, 0x04, 255, 0];
        let bytes = match index {
            0 => return Value::Null,
            _ => host.control_in(board, &setup, Nanos::secs(1)).unwrap_or_default(),
        };
        let units: Vec<u16> =
            bytes.get(2..).unwrap_or(&[]).as_chunks().0.iter().map(|c| u16::from_le_bytes(*c)).collect();
        json!(String::from_utf16_lossy(&units))
    };
    let [manufacturer, product, serial] = [14, 15, 16].map(|at| string(found.device[at]));
    let parts = configuration_parts(&found.configuration);
    let interfaces: Vec<Value> = parts
        .filter(|part| part.len() >= 9 && part[1] == 4)
        .map(|p| json!({ "number": p[2], "alternate": p[3], "endpoints": p[4], "class": p[5], "subclass": p[6], "protocol": p[7] }))
        .collect();
    json!({
        "vid": found.vendor(),
        "pid": found.product(),
        "manufacturer": manufacturer,
        "product": product,
        "serial": serial,
        "interfaces": interfaces,
    })
}

/// The same for people. Strings of the device are shown escaped.
fn words(device: &Value) -> String {
    let text = |name: &str| device[name].as_str().map_or(String::new(), |s| format!(", {name} {s:?}"));
    let number = |value: &Value| value.as_u64().unwrap_or(0);
    let interfaces: Vec<String> = device["interfaces"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|i| {
            format!(
                "{:02x}/{:02x}/{:02x}",
                number(&i["class"]),
                number(&i["subclass"]),
                number(&i["protocol"])
            )
        })
        .collect();
    format!(
        "{:04x}:{:04x}{}{}{}, interfaces {} (class/subclass/protocol)",
        number(&device["vid"]),
        number(&device["pid"]),
        text("manufacturer"),
        text("product"),
        text("serial"),
        interfaces.join(" "),
    )
}
