//! How much is looked at. What lies beyond a limit is reported, never passed over.

/// How often a text is decoded.
pub const MAX_DEPTH: usize = 3;

/// How many views one text has at most, itself among them.
pub const MAX_VIEWS: usize = 64;

/// How deep arguments may be nested, as everywhere on the wire.
pub const MAX_NESTING: usize = 64;

/// How many texts (strings, numbers and names of members) are looked at.
pub const MAX_TEXTS: usize = 20_000;

/// How many bytes of text are looked at, all texts together: twice what a request may be long.
pub const MAX_TEXT_BYTES: usize = 2 * 1024 * 1024;

/// How many findings are listed for one text.
pub const MAX_FINDINGS_PER_TEXT: usize = 64;

/// How many findings are listed.
pub const MAX_FINDINGS: usize = 1_024;

/// How many bytes all views of a text of this many bytes may have. A text in which
/// percent escapes, markup and escapes of strings are mixed has eight views of its length.
pub(crate) const fn view_bytes(text: usize) -> usize {
    text.saturating_mul(10).saturating_add(4_096)
}
