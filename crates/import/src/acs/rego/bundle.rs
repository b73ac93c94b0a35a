//! What OPA (1.4) loads as a bundle: a folder, or an archive of one.
//!
//! Of either it reads `*.rego` and, for `data` at the folder they are in, `data.json` and
//! `data.yaml`. `roots` in its `.manifest` say which of `data` is the bundle's: all of it
//! where nothing is said. What was loaded beside it there is gone.

use std::io::Read as _;

use countersign_policy::{Source, read_rego};
use flate2::read::GzDecoder;
use serde_json::{Map, Value, json};

use super::data;
use crate::acs::manifest::{Beside, below, is_a, text_at};

/// The most bytes an archive may have, as it is and unpacked.
const MAX_PACKED: usize = 1024 * 1024;
const MAX_BYTES: usize = 8 * 1024 * 1024;
/// The most files an archive may have.
const MAX_FILES: usize = 1000;

/// Rego and data that are loaded together.
#[derive(Debug, Clone, Default)]
pub(crate) struct Read {
    pub files: Vec<(String, String)>,
    pub data: Map<String, Value>,
    /// What a bundle says is its own; without a bundle nothing.
    roots: Vec<Vec<String>>,
}

impl Read {
    /// Adds what is loaded from `path` beside a bundle. Gives what is dropped of it.
    pub(crate) fn add(&mut self, mut more: Self, path: &str) -> Result<Vec<String>, String> {
        let mut dropped = Vec::new();
        for root in &self.roots {
            if root.is_empty() {
                dropped.extend(std::mem::take(&mut more.data).into_iter().map(|(name, _)| name));
            } else if data::take(&mut more.data, root) {
                dropped.push(root.join("."));
            }
        }
        data::merge(&mut self.data, more.data, path)?;
        self.files.extend(more.files);
        Ok(dropped)
    }
}

/// The bundle at `path`.
pub(crate) fn read(path: &str, beside: &Beside<'_>) -> Result<Read, String> {
    if let Some(folder) = path.strip_suffix(".tar.gz") {
        return bundle(folder, unpacked(path, &(beside.read)(path)?)?);
    }
    let mut files = Vec::new();
    for file in (beside.list)(path)? {
        if file == path {
            return Err(format!(
                "`bundle: {path}` is a file that is no `.tar.gz`: the source takes it for an archive and refuses every call"
            ));
        }
        if is_read(&file) {
            let text = text_at(&file, beside)?;
            let inner = file.strip_prefix(path).map_or(&*file, |inner| inner.trim_start_matches('/'));
            files.push((inner.to_owned(), text));
        }
    }
    bundle(path, files)
}

/// Whether OPA reads a file of this name in a bundle.
fn is_read(file: &str) -> bool {
    let name = file.rsplit('/').next().unwrap_or(file);
    is_a(name, "rego") || matches!(name, "data.json" | "data.yaml" | "data.yml" | ".manifest")
}

/// A bundle of `files`, whose names are below `folder`.
fn bundle(folder: &str, files: Vec<(String, String)>) -> Result<Read, String> {
    let mut read = Read { roots: vec![Vec::new()], ..Read::default() };
    for (name, text) in files {
        if name == ".manifest" {
            read.roots = roots(&text)?;
        } else if is_a(&name, "rego") {
            let file = if folder.is_empty() { name } else { format!("{folder}/{name}") };
            read.files.push((file, text));
        } else if !name.ends_with(".manifest") {
            let at: Vec<&str> = name.rsplit_once('/').map_or(Vec::new(), |(folder, _)| folder.split('/').collect());
            data::merge(&mut read.data, data::below(&at, data::parse(&name, &text)?), &name)?;
        }
    }
    claimed(&read, folder)?;
    Ok(read)
}

/// What a bundle has must be what it claims.
fn claimed(read: &Read, folder: &str) -> Result<(), String> {
    let outside = |what: &str| {
        Err(format!("`{folder}` has {what}, which is not below its `roots`: the source refuses every call"))
    };
    for (file, text) in &read.files {
        // What cannot be read is said later.
        let Ok(reading) = read_rego(Source { file, text }) else { continue };
        let package: Vec<String> = reading.package.split('.').map(str::to_owned).collect();
        if !read.roots.iter().any(|root| package.starts_with(root)) {
            return outside(&format!("the package `{}`", reading.package));
        }
    }
    match unclaimed(&read.roots, &mut Vec::new(), &read.data) {
        None => Ok(()),
        Some(path) => outside(&format!("`data.{path}`")),
    }
}

/// The first of `members`, which are at `path`, that is below none of `roots`.
fn unclaimed(roots: &[Vec<String>], path: &mut Vec<String>, members: &Map<String, Value>) -> Option<String> {
    for (name, value) in members {
        path.push(name.clone());
        let is_claimed = roots.iter().any(|root| path.starts_with(root));
        let found = match value {
            _ if is_claimed => None,
            Value::Object(inner) => unclaimed(roots, path, inner),
            _ => Some(path.join(".")),
        };
        if found.is_some() {
            return found;
        }
        path.pop();
    }
    None
}

fn roots(manifest: &str) -> Result<Vec<Vec<String>>, String> {
    let manifest: Value = serde_json::from_str(manifest).map_err(|why| format!("the bundle's `.manifest`: {why}"))?;
    let roots = manifest.get("roots").cloned().unwrap_or_else(|| json!([""]));
    let roots: Option<Vec<&str>> = roots.as_array().and_then(|roots| roots.iter().map(Value::as_str).collect());
    let roots = roots.ok_or("the bundle's `.manifest`: `roots` is no list of texts")?;
    Ok(roots.iter().map(|root| root.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect()).collect())
}

/// The files of an archive that OPA reads.
///
/// TRUST: nothing is unpacked to a disk. What is no plain file, leads elsewhere, or is too much is an error.
fn unpacked(path: &str, bytes: &[u8]) -> Result<Vec<(String, String)>, String> {
    let wrong = |why: &dyn std::fmt::Display| format!("`{path}`: {why}");
    if bytes.len() > MAX_PACKED {
        return Err(wrong(&format!("an archive of {} bytes: at most {MAX_PACKED}", bytes.len())));
    }
    let limit = u64::try_from(MAX_BYTES).unwrap_or(u64::MAX);
    let mut plain = Vec::new();
    let unpacking = GzDecoder::new(bytes).take(limit + 1).read_to_end(&mut plain);
    unpacking.map_err(|why| wrong(&why))?;
    if plain.len() > MAX_BYTES {
        return Err(wrong(&format!("more than {MAX_BYTES} bytes once it is unpacked")));
    }
    let mut files: Vec<(String, String)> = Vec::new();
    let mut archive = tar::Archive::new(plain.as_slice());
    for entry in archive.entries().map_err(|why| wrong(&why))? {
        let mut entry = entry.map_err(|why| wrong(&why))?;
        let name = String::from_utf8(entry.path_bytes().into_owned()).map_err(|why| wrong(&why))?;
        let kind = entry.header().entry_type();
        if kind.is_dir() || kind.is_pax_global_extensions() {
            continue;
        }
        if !kind.is_file() {
            return Err(wrong(&format!("`{name}` is a link or no file")));
        }
        // OPA's own archives begin every name with `/`.
        let inner = below("", name.trim_start_matches('/')).map_err(|why| wrong(&why))?;
        if files.iter().any(|(known, _)| *known == inner) {
            return Err(wrong(&format!("`{inner}` is there twice")));
        }
        if files.len() >= MAX_FILES {
            return Err(wrong(&format!("more than {MAX_FILES} files")));
        }
        if is_read(&inner) {
            let mut text = String::new();
            entry.read_to_string(&mut text).map_err(|why| wrong(&format!("`{inner}`: {why}")))?;
            files.push((inner, text));
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn packed(tar: &[u8]) -> Vec<u8> {
        let mut packing = GzEncoder::new(Vec::new(), Compression::best());
        packing.write_all(tar).unwrap();
        packing.finish().unwrap()
    }

    /// An archive with one entry, named as it is.
    fn archive(name: &str, kind: tar::EntryType, text: &str) -> Vec<u8> {
        let mut header = tar::Header::new_ustar();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(kind);
        header.set_size(text.len() as u64);
        if kind.is_symlink() {
            header.set_link_name("elsewhere").unwrap();
        }
        header.set_cksum();
        let mut tar = tar::Builder::new(Vec::new());
        tar.append(&header, text.as_bytes()).unwrap();
        packed(&tar.into_inner().unwrap())
    }

    #[test]
    fn an_archive_has_plain_files_below_its_folder_and_nothing_else() {
        let rego = |name: &str| unpacked("b.tar.gz", &archive(name, tar::EntryType::Regular, "package p"));
        assert_eq!(rego("/acs/p.rego").unwrap(), [("acs/p.rego".to_owned(), "package p".to_owned())]);
        assert_eq!(rego("./p.rego").unwrap()[0].0, "p.rego");
        assert!(rego("notes.txt").unwrap().is_empty());
        for name in ["../p.rego", "a/../../p.rego", "/../p.rego"] {
            assert!(rego(name).unwrap_err().contains("out of"), "{name}");
        }
        for kind in [tar::EntryType::Symlink, tar::EntryType::Link, tar::EntryType::Fifo] {
            assert!(unpacked("b", &archive("p.rego", kind, "")).unwrap_err().contains("link"));
        }
    }

    #[test]
    fn an_archive_that_is_none_or_too_large_is_an_error() {
        assert!(unpacked("b", b"package p").is_err());
        assert!(unpacked("b", &packed(&vec![0; MAX_BYTES + 1])).unwrap_err().contains("once it is unpacked"));
        assert!(unpacked("b", &vec![0; MAX_PACKED + 1]).unwrap_err().contains("at most"));
        let whole = archive("p.rego", tar::EntryType::Regular, "package p");
        assert!(unpacked("b", &whole[..whole.len() / 2]).is_err());
    }
}
