//! A static library cut down to what can ever be linked from it.
//!
//! Rust puts all of its run-time library into each static library, 5 MB in hundreds of objects, of which a
//! program links a handful. This keeps the objects that the exported functions need, one from another, in an
//! archive as GNU ar writes it (System V: a symbol index first). It changes no object.

use anyhow::{Context, Result};
use object::read::archive::ArchiveFile;
use object::{File, Object, ObjectSymbol};
use std::collections::{BTreeMap, BTreeSet};

/// An object of the archive.
struct Member<'a> {
    data: &'a [u8],
    defines: Vec<String>,
    needs: Vec<String>,
}

/// The archive with the objects that define a symbol beginning with `prefix`, and those that they need.
///
/// # Errors
/// When it is no archive of ELF files.
pub fn slim(archive: &[u8], prefix: &str) -> Result<Vec<u8>> {
    let mut members = Vec::new();
    for member in ArchiveFile::parse(archive)?.members() {
        let data = member?.data(archive)?;
        let file = File::parse(data)?;
        let mut found = Member { data, defines: Vec::new(), needs: Vec::new() };
        for symbol in file.symbols().filter(|symbol| symbol.is_global()) {
            let name = symbol.name()?.to_owned();
            if symbol.is_undefined() { found.needs.push(name) } else { found.defines.push(name) }
        }
        members.push(found);
    }
    let mut defined = BTreeMap::new();
    for (number, member) in members.iter().enumerate() {
        for name in &member.defines {
            defined.entry(name.as_str()).or_insert(number);
        }
    }
    let exported = |member: &Member| member.defines.iter().any(|name| name.starts_with(prefix));
    let mut kept: BTreeSet<usize> = BTreeSet::new();
    let mut next: Vec<usize> = (0..members.len()).filter(|&number| exported(&members[number])).collect();
    while let Some(number) = next.pop() {
        if kept.insert(number) {
            next.extend(members[number].needs.iter().filter_map(|name| defined.get(name.as_str())));
        }
    }
    anyhow::ensure!(!kept.is_empty(), "no object defines {prefix}...");
    write(&kept.into_iter().map(|number| &members[number]).collect::<Vec<_>>())
}

/// The members with their index, named by their numbers.
fn write(members: &[&Member]) -> Result<Vec<u8>> {
    const MAGIC: &[u8] = b"!<arch>\n";
    const HEADER: usize = 60;
    let names = members.iter().flat_map(|member| &member.defines);
    let index_len = 4 + names.clone().map(|name| 4 + name.len() + 1).sum::<usize>();
    let mut at = MAGIC.len() + HEADER + index_len.next_multiple_of(2);
    let mut index = u32::try_from(names.clone().count())?.to_be_bytes().to_vec();
    for member in members {
        for _ in &member.defines {
            index.extend(u32::try_from(at)?.to_be_bytes());
        }
        at += HEADER + member.data.len().next_multiple_of(2);
    }
    for name in names {
        index.extend(name.as_bytes());
        index.push(0);
    }
    let mut out = MAGIC.to_vec();
    let parts = members.iter().enumerate().map(|(number, member)| (format!("{number}.o/"), member.data));
    for (name, data) in std::iter::once(("/".to_owned(), &index[..])).chain(parts) {
        // Name, time, owner, group, mode, size (ar(5)); no file's own, so that the bytes do not change.
        out.extend(
            format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n", 0, 0, 0, "100644", data.len()).bytes(),
        );
        out.extend(data);
        if !data.len().is_multiple_of(2) {
            out.push(b'\n');
        }
    }
    ArchiveFile::parse(&*out).context("what was written is no archive")?;
    Ok(out)
}
