//! The one way a bundle's tar is written, so that every byte of it can be checked.

use anyhow::Result;
use tar::{EntryType, Header};

/// The size of a tar's blocks.
pub const BLOCK: u64 = 512;

/// What a tar ends with: two empty blocks.
pub const END: u64 = 2 * BLOCK;

/// The header of a file: nothing in it depends on who made the bundle, or when.
pub fn header(name: &str, size: u64) -> Result<Header> {
    let mut header = Header::new_ustar();
    header.set_path(name)?;
    header.set_entry_type(EntryType::Regular);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(size);
    header.set_cksum();
    Ok(header)
}
