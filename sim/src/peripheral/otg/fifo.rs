//! FIFO memory of OTG_FS (RM0090 34.11, 34.12): one receive FIFO and four transmit FIFOs in 320 words.
//!
//! Keeps order and occupancy, not addresses: two FIFOs that overlap are reported where they are configured.

use std::collections::VecDeque;

use super::regs::grxsts;

/// Words of the dedicated RAM (RM0090 34.3: 1.25 KB).
pub const RAM_WORDS: u32 = 320;
/// Words kept free for SETUP packets (RM0090 34.13.1: 4 x one control endpoint + 6).
pub const SETUP_RESERVE: usize = 10;

/// One status word in the receive FIFO and the data that follow it.
#[derive(Clone, Debug)]
pub struct Entry {
    pub status: u32,
    pub endpoint: u8,
    pub length: u16,
    pub toggle: bool,
    pub frame: u16,
    pub words: VecDeque<u32>,
}

impl Entry {
    pub fn status(status: u32, endpoint: u8) -> Self {
        Self { status, endpoint, length: 0, toggle: false, frame: 0, words: VecDeque::new() }
    }

    pub fn data(status: u32, endpoint: u8, toggle: bool, frame: u16, data: &[u8]) -> Self {
        let words = data.chunks(4).map(|chunk| {
            let mut word = [0; 4];
            word[..chunk.len()].copy_from_slice(chunk);
            u32::from_le_bytes(word)
        });
        Self { status, endpoint, length: data.len() as u16, toggle, frame, words: words.collect() }
    }

    /// The word that GRXSTSR and GRXSTSP show.
    pub fn register(&self) -> u32 {
        u32::from(self.endpoint)
            | u32::from(self.length) << 4
            | if self.toggle { 0b10 << 15 } else { 0 }
            | self.status << 17
            | u32::from(self.frame & 0xF) << 21
    }

    fn size(&self) -> usize {
        1 + self.words.len()
    }
}

/// The receive FIFO that all OUT endpoints share.
#[derive(Clone, Debug, Default)]
pub struct RxFifo {
    entries: VecDeque<Entry>,
    /// Data of the entry that was popped last, still to be read.
    open: VecDeque<u32>,
}

impl RxFifo {
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub fn used(&self) -> usize {
        self.open.len() + self.entries.iter().map(Entry::size).sum::<usize>()
    }

    pub fn push(&mut self, entry: Entry) {
        self.entries.push_back(entry);
    }

    pub fn top(&self) -> Option<&Entry> {
        self.entries.front()
    }

    /// Takes the next status word; its data are then read by [`RxFifo::word`]. Returns the words of the entry
    /// before it that nobody read as well.
    pub fn pop(&mut self) -> Option<(Entry, usize)> {
        let mut entry = self.entries.pop_front()?;
        let unread = self.open.len();
        self.open = std::mem::take(&mut entry.words);
        Some((entry, unread))
    }

    pub fn word(&mut self) -> Option<u32> {
        self.open.pop_front()
    }

    /// Flush: everything goes, a SETUP that nobody read too.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.open.clear();
    }

    /// Whether a SETUP packet of this endpoint waits to be read.
    pub fn holds_setup(&self) -> bool {
        self.entries.iter().any(|entry| entry.status == grxsts::SETUP_DATA)
    }
}

/// One transmit FIFO.
#[derive(Clone, Debug, Default)]
pub struct TxFifo {
    words: VecDeque<u32>,
}

impl TxFifo {
    pub fn used(&self) -> usize {
        self.words.len()
    }

    pub fn push(&mut self, word: u32) {
        self.words.push_back(word);
    }

    pub fn clear(&mut self) {
        self.words.clear();
    }

    /// The first `length` bytes, or `None` while they are not all there.
    pub fn peek(&self, length: usize) -> Option<Vec<u8>> {
        let count = length.div_ceil(4);
        if self.words.len() < count {
            return None;
        }
        let mut bytes: Vec<u8> = self.words.iter().take(count).flat_map(|word| word.to_le_bytes()).collect();
        bytes.truncate(length);
        Some(bytes)
    }

    pub fn discard(&mut self, length: usize) {
        self.words.drain(..length.div_ceil(4).min(self.words.len()));
    }
}
