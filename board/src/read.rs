//! Reads a TOML table key by key: each key is asked for once, the rest is refused by name.
//!
//! So the known keys are those that the code asks for, and every value keeps its place in the
//! file for errors. What a value means is `file`'s business.

use crate::error::{BoardError, Fault, Place};
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

/// The text of a board file.
pub struct Source<'a> {
    pub text: &'a str,
}

impl<'a> Source<'a> {
    /// The error for `key` at byte `offset`.
    pub fn error(&self, key: &str, offset: usize, fault: Fault) -> BoardError {
        BoardError {
            file: None,
            place: Some(Place::of(self.text, offset)),
            key: key.to_string(),
            fault: Box::new(fault),
        }
    }

    /// The whole file as a section.
    pub fn table(&self) -> Result<Spanned<DeTable<'a>>, BoardError> {
        DeTable::parse(self.text).map_err(|e| {
            let offset = e.span().map_or(0, |s| s.start);
            self.error("", offset, Fault::Syntax(e.message().to_string()))
        })
    }
}

/// One table of the file, and which of its keys were asked for.
pub struct Section<'s> {
    source: &'s Source<'s>,
    /// "layout." or empty.
    prefix: String,
    table: &'s DeTable<'s>,
    start: usize,
    known: Vec<&'static str>,
}

/// One value with its place.
#[derive(Clone)]
pub struct Item<'s> {
    source: &'s Source<'s>,
    pub key: String,
    value: &'s DeValue<'s>,
    offset: usize,
}

impl<'s> Section<'s> {
    pub fn root(source: &'s Source<'s>, table: &'s Spanned<DeTable<'s>>) -> Self {
        Self { source, prefix: String::new(), table: table.get_ref(), start: 0, known: Vec::new() }
    }

    /// The value of `key`, if it is there.
    pub fn get(&mut self, key: &'static str) -> Option<Item<'s>> {
        self.known.push(key);
        let (_, value) = self.table.iter().find(|(k, _)| k.get_ref() == key)?;
        Some(Item {
            source: self.source,
            key: format!("{}{key}", self.prefix),
            value: value.get_ref(),
            offset: value.span().start,
        })
    }

    /// The value of `key`, or the fault that it is missing; `example` shows how to write it.
    pub fn need(&mut self, key: &'static str, example: &'static str) -> Result<Item<'s>, BoardError> {
        self.get(key).ok_or_else(|| self.missing(key, example))
    }

    /// The fault that `key` is missing; a key that looks like a slip of the pen is named instead.
    pub fn missing(&self, key: &'static str, example: &'static str) -> BoardError {
        let slips = self.unknown().filter(|k| is_near(k.get_ref(), key));
        match slips.min_by_key(|k| k.span().start) {
            Some(slip) => self.unknown_fault(slip, Some(key)),
            None => {
                self.source.error(&format!("{}{key}", self.prefix), self.start, Fault::Missing { example })
            }
        }
    }

    /// The table `key`, if it is there.
    pub fn section(&mut self, key: &'static str) -> Result<Option<Section<'s>>, BoardError> {
        let Some(item) = self.get(key) else { return Ok(None) };
        match item.value {
            DeValue::Table(table) => Ok(Some(Section {
                source: self.source,
                prefix: format!("{}.", item.key),
                table,
                start: item.offset,
                known: Vec::new(),
            })),
            _ => Err(item.type_fault("a table")),
        }
    }

    /// Refuses the first key that was not asked for.
    pub fn finish(self) -> Result<(), BoardError> {
        let Some(key) = self.unknown().min_by_key(|k| k.span().start) else { return Ok(()) };
        let name = key.get_ref();
        let near = self.known.iter().copied().filter(|known| is_near(name, known));
        let nearest = near.min_by_key(|known| strsim::damerau_levenshtein(name, known));
        Err(self.unknown_fault(key, nearest))
    }

    /// Keys that were not asked for so far.
    fn unknown(&self) -> impl Iterator<Item = &'s Spanned<DeString<'s>>> {
        let table = self.table;
        table.keys().filter(|k| !self.known.iter().any(|known| k.get_ref() == known))
    }

    fn unknown_fault(&self, key: &Spanned<DeString>, nearest: Option<&str>) -> BoardError {
        let fault = Fault::UnknownKey { nearest: nearest.map(str::to_string), known: self.known.clone() };
        self.source.error(&format!("{}{}", self.prefix, key.get_ref()), key.span().start, fault)
    }
}

/// True when one is easily written for the other.
fn is_near(written: &str, known: &str) -> bool {
    strsim::damerau_levenshtein(written, known) <= 1 + known.len() / 3
}

impl<'s> Item<'s> {
    pub fn error(&self, fault: Fault) -> BoardError {
        self.source.error(&self.key, self.offset, fault)
    }

    pub fn value_fault(&self, what: impl Into<String>, remedy: impl Into<String>) -> BoardError {
        self.error(Fault::Value { what: what.into(), remedy: remedy.into() })
    }

    fn type_fault(&self, expected: &'static str) -> BoardError {
        let found = match self.value {
            DeValue::String(text) => format!("\"{text}\""),
            DeValue::Integer(number) => number.to_string(),
            DeValue::Boolean(on) => on.to_string(),
            other => format!("{} {}", article(other.type_str()), other.type_str()),
        };
        self.error(Fault::Type { expected, found })
    }

    pub fn text(&self, expected: &'static str) -> Result<&'s str, BoardError> {
        self.value.as_str().ok_or_else(|| self.type_fault(expected))
    }

    pub fn bool(&self) -> Result<bool, BoardError> {
        self.value.as_bool().ok_or_else(|| self.type_fault("true or false"))
    }

    /// A number, or a text that `parse` turns into one.
    pub fn number(
        &self,
        expected: &'static str,
        parse: impl Fn(&str) -> Option<u32>,
    ) -> Result<u32, BoardError> {
        let value = match self.value {
            DeValue::String(text) => parse(text),
            DeValue::Integer(number) => u32::from_str_radix(number.as_str(), number.radix()).ok(),
            _ => None,
        };
        value.ok_or_else(|| self.type_fault(expected))
    }

    /// A list of texts.
    pub fn list(&self, expected: &'static str) -> Result<Vec<Item<'s>>, BoardError> {
        let array = self.value.as_array().ok_or_else(|| self.type_fault(expected))?;
        let items = array.iter().enumerate().map(|(i, value)| Item {
            source: self.source,
            key: format!("{}[{i}]", self.key),
            value: value.get_ref(),
            offset: value.span().start,
        });
        Ok(items.collect())
    }

    /// One of a few words.
    pub fn choice<T: Copy>(&self, choices: &[(&'static str, T)]) -> Result<T, BoardError> {
        let text = self.text("a word in quotes")?;
        match choices.iter().find(|(word, _)| *word == text) {
            Some((_, value)) => Ok(*value),
            None => {
                let words: Vec<_> = choices.iter().map(|(word, _)| format!("\"{word}\"")).collect();
                Err(self
                    .value_fault(format!("\"{text}\" is not known"), format!("use {}", words.join(" or "))))
            }
        }
    }
}

fn article(noun: &str) -> &'static str {
    if noun.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" }
}
