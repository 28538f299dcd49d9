//! The DfuSe memory string: what a device says about its flash (ST UM0424, section 9.3.2).
//!
//! `@Internal Flash   /0x08000000/04*016Ka,01*064Kg,07*128Kg`: a name, then one or more times an
//! address and the groups of equal sectors from there on. Parsed without allocation: [`parse`]
//! checks all of it once ([`parse_front`] is content with what is whole at its start), [`MemoryString::groups`] reads it again. [`write()`] makes one.

use core::fmt;

/// What may be done with a group: the letters `a` to `g` are these three bits, `a` = 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access(u8);

impl Access {
    /// `a`
    pub const READABLE: Self = Self(1);
    /// `g`
    pub const ALL: Self = Self(7);

    /// Of a letter `a` to `g`.
    pub const fn from_letter(letter: u8) -> Option<Self> {
        match letter {
            b'a'..=b'g' => Some(Self(letter & 7)),
            _ => None,
        }
    }
    /// Its letter.
    pub const fn letter(self) -> u8 {
        b'a' - 1 + self.0
    }
    /// UPLOAD is allowed.
    pub const fn is_readable(self) -> bool {
        self.0 & 1 != 0
    }
    /// Erase is allowed.
    pub const fn is_erasable(self) -> bool {
        self.0 & 2 != 0
    }
    /// DNLOAD is allowed.
    pub const fn is_writable(self) -> bool {
        self.0 & 4 != 0
    }
}

/// Most sectors of one group; a string with more is taken for broken.
pub const MAX_COUNT: u32 = 0xFFFF;

/// A run of equal sectors. It may end at the end of the address space, never behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group {
    /// First address.
    pub base: u32,
    /// Bytes of each sector, at least 1.
    pub sector_size: u32,
    /// Number of sectors, 1 to [`MAX_COUNT`].
    pub count: u32,
    /// What may be done with them.
    pub access: Access,
}

impl Group {
    /// The first address behind it.
    pub fn end(&self) -> u64 {
        u64::from(self.base) + u64::from(self.sector_size) * u64::from(self.count)
    }
}

/// A sector by address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sector {
    /// First address.
    pub base: u32,
    /// Bytes.
    pub size: u32,
    /// What may be done with it.
    pub access: Access,
}

impl Sector {
    /// The first address behind it.
    pub fn end(&self) -> u64 {
        u64::from(self.base) + u64::from(self.size)
    }
}

/// What is wrong with a memory string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It does not begin with `@`.
    NoAt,
    /// There is no `/` where an address or the groups begin.
    NoSlash,
    /// No hexadecimal address `0x...` of at most 32 bits.
    Address,
    /// No decimal number of sectors from 1 to [`MAX_COUNT`].
    Count,
    /// No `*` between count and size.
    NoStar,
    /// No decimal sector size of at least 1, with its unit at most 32 bits.
    Size,
    /// Neither a unit (B, K, M or a space) nor an access letter follows the size.
    Unit,
    /// The access letter is none of `a` to `g`.
    Access,
    /// Something other than `,`, `/` or the end follows a group.
    Separator,
    /// A group leaves the address space.
    TooBig,
}

/// Why a string is not a memory string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// Offset of the first byte that does not fit.
    pub position: usize,
    /// What does not fit.
    pub fault: Fault,
}

/// A checked memory string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryString<'a> {
    text: &'a str,
    name_end: usize,
}

/// Checks all of `text`.
pub fn parse(text: &str) -> Result<MemoryString<'_>, ParseError> {
    if !text.starts_with('@') {
        return Err(ParseError { position: 0, fault: Fault::NoAt });
    }
    let name_end = text.find('/').ok_or(ParseError { position: text.len(), fault: Fault::NoSlash })?;
    let mut groups = Groups::new(text, name_end);
    groups.next_group(1)?;
    while groups.position < text.len() {
        groups.next_group(1)?;
    }
    Ok(MemoryString { text, name_end })
}

/// What is whole at the start of `text`, and the first thing behind or in it that is not: ROM bootloaders
/// are known to send blanks, zero bytes or garbage behind their last group, and groups of no sectors, which
/// are passed over. At least one group must be whole.
pub fn parse_front(text: &str) -> Result<(MemoryString<'_>, Option<ParseError>), ParseError> {
    if !text.starts_with('@') {
        return Err(ParseError { position: 0, fault: Fault::NoAt });
    }
    let name_end = text.find('/').ok_or(ParseError { position: text.len(), fault: Fault::NoSlash })?;
    let mut groups = Groups::new(text, name_end);
    let (mut whole, mut fault) = (None, None);
    while groups.position < text.len() {
        let position = groups.position;
        match groups.next_group(0) {
            Ok(group) if group.count == 0 => {
                fault = fault.or(Some(ParseError { position, fault: Fault::Count }));
            }
            Ok(_) => whole = Some(groups.position),
            Err(error) => {
                fault = fault.or(Some(error));
                break;
            }
        }
    }
    let front = whole.and_then(|end| text.get(..end));
    match (front, fault) {
        (Some(text), fault) => Ok((MemoryString { text, name_end }, fault)),
        (None, fault) => Err(fault.unwrap_or(ParseError { position: text.len(), fault: Fault::Address })),
    }
}

impl<'a> MemoryString<'a> {
    /// The name, without the spaces that pad it.
    pub fn name(&self) -> &'a str {
        self.text.get(1..self.name_end).unwrap_or("").trim()
    }

    /// The groups in their order; at least one.
    pub fn groups(&self) -> Groups<'a> {
        Groups::new(self.text, self.name_end)
    }

    /// All sectors, in the order of the groups.
    pub fn sectors(&self) -> impl Iterator<Item = Sector> + use<'a> {
        self.groups().flat_map(|group| {
            (0..group.count).map(move |i| {
                // Inside the address space, as the whole group is.
                let base = group.base.wrapping_add(i.wrapping_mul(group.sector_size));
                Sector { base, size: group.sector_size, access: group.access }
            })
        })
    }

    /// The sector that holds `address`.
    pub fn sector(&self, address: u32) -> Option<Sector> {
        let group = self.groups().find(|g| g.base <= address && u64::from(address) < g.end())?;
        let offset = address - group.base;
        let base = address - offset % group.sector_size;
        Some(Sector { base, size: group.sector_size, access: group.access })
    }

    /// The first address in `address .. address + length` that `allowed` does not hold for; such
    /// as one outside all groups.
    pub fn first_outside(&self, address: u32, length: u32, allowed: impl Fn(Access) -> bool) -> Option<u32> {
        let end = u64::from(address) + u64::from(length);
        let mut at = u64::from(address);
        while at < end {
            let Ok(here) = u32::try_from(at) else {
                return Some(u32::MAX);
            };
            // A group at a time: each holds `here`, so each turn goes on by at least a byte.
            match self.groups().find(|g| g.base <= here && at < g.end()) {
                Some(group) if allowed(group.access) => at = group.end(),
                _ => return Some(here),
            }
        }
        None
    }
}

/// The groups of a memory string.
#[derive(Clone, Debug)]
pub struct Groups<'a> {
    text: &'a [u8],
    position: usize,
    /// Where the next group begins, once an address was read.
    base: u64,
}

impl Iterator for Groups<'_> {
    type Item = Group;

    fn next(&mut self) -> Option<Group> {
        while self.position < self.text.len() {
            let group = self.next_group(0).ok()?;
            if group.count != 0 {
                return Some(group);
            }
        }
        None
    }
}

impl<'a> Groups<'a> {
    fn new(text: &'a str, position: usize) -> Self {
        Self { text: text.as_bytes(), position, base: 0 }
    }

    /// Reads a group of at least so many sectors, with what stands before it: `/address/` or `,`.
    fn next_group(&mut self, least: u32) -> Result<Group, ParseError> {
        if self.peek() == Some(b'/') {
            self.position += 1;
            self.base = self.address()?.into();
            self.expect(b'/', Fault::NoSlash)?;
        } else {
            self.expect(b',', Fault::Separator)?;
        }
        let start = self.position;
        let count = self.number(10, Fault::Count)?;
        if !(least..=MAX_COUNT).contains(&count) {
            return Err(self.error_at(start, Fault::Count));
        }
        self.expect(b'*', Fault::NoStar)?;
        let start = self.position;
        let size = self.number(10, Fault::Size)?;
        let sector_size = self.unit()?.checked_mul(size).filter(|&size| size != 0);
        let sector_size = sector_size.ok_or(self.error_at(start, Fault::Size))?;
        let letter = self.peek().ok_or(self.error(Fault::Access))?;
        let access = Access::from_letter(letter).ok_or(self.error(Fault::Access))?;
        self.position += 1;
        let base = u32::try_from(self.base).map_err(|_| self.error_at(start, Fault::TooBig))?;
        let group = Group { base, sector_size, count, access };
        if group.end() > 1 << 32 {
            return Err(self.error_at(start, Fault::TooBig));
        }
        self.base = group.end();
        Ok(group)
    }

    fn address(&mut self) -> Result<u32, ParseError> {
        self.expect(b'0', Fault::Address)?;
        match self.peek() {
            Some(b'x' | b'X') => self.position += 1,
            _ => return Err(self.error(Fault::Address)),
        }
        self.number(16, Fault::Address)
    }

    /// The unit in bytes. Where it is missing before an access letter, the size is in bytes.
    fn unit(&mut self) -> Result<u32, ParseError> {
        let unit = match self.peek() {
            Some(b' ' | b'B') => 1,
            Some(b'K') => 1 << 10,
            Some(b'M') => 1 << 20,
            Some(b'a'..=b'g') => return Ok(1),
            _ => return Err(self.error(Fault::Unit)),
        };
        self.position += 1;
        Ok(unit)
    }

    /// Digits up to the first byte that is none.
    fn number(&mut self, radix: u32, fault: Fault) -> Result<u32, ParseError> {
        let start = self.position;
        let mut value: u32 = 0;
        while let Some(digit) = self.peek().and_then(|c| char::from(c).to_digit(radix)) {
            let next = value.checked_mul(radix).and_then(|v| v.checked_add(digit));
            value = next.ok_or(self.error_at(start, fault))?;
            self.position += 1;
        }
        if self.position == start { Err(self.error(fault)) } else { Ok(value) }
    }

    fn expect(&mut self, byte: u8, fault: Fault) -> Result<(), ParseError> {
        if self.peek() != Some(byte) {
            return Err(self.error(fault));
        }
        self.position += 1;
        Ok(())
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.position).copied()
    }

    fn error(&self, fault: Fault) -> ParseError {
        self.error_at(self.position, fault)
    }

    fn error_at(&self, position: usize, fault: Fault) -> ParseError {
        ParseError { position, fault }
    }
}

/// Writes a memory string as ST's ROM bootloaders write theirs: counts with two digits, sizes with
/// three and the largest unit that divides them. Groups that follow each other share an address.
///
/// `name` must have no `/`. dfu-util wants sizes that are powers of two in their unit.
pub fn write(out: &mut impl fmt::Write, name: &str, groups: impl IntoIterator<Item = Group>) -> fmt::Result {
    write!(out, "@{name}")?;
    let mut end = None;
    for group in groups {
        if end == Some(u64::from(group.base)) {
            write!(out, ",")?;
        } else {
            write!(out, "/0x{:08X}/", group.base)?;
        }
        let (size, unit) = match group.sector_size {
            size if size.is_multiple_of(1 << 20) => (size >> 20, 'M'),
            size if size.is_multiple_of(1 << 10) => (size >> 10, 'K'),
            size => (size, 'B'),
        };
        write!(out, "{:02}*{size:03}{unit}{}", group.count, char::from(group.access.letter()))?;
        end = Some(group.end());
    }
    Ok(())
}
