//! Escapes of strings in source code and JSON: `\u0041`, `\x41`, `\n`.

/// The text with its escapes decoded, where it has any.
pub(super) fn plain(text: &str) -> Option<String> {
    if !text.contains('\\') {
        return None;
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    let mut read_any = false;
    while let Some(at) = rest.find('\\') {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        if let Some((c, after)) = one(from) {
            out.push(c);
            read_any = true;
            rest = after;
        } else {
            out.push('\\');
            rest = from.get(1..).unwrap_or_default();
        }
    }
    out.push_str(rest);
    read_any.then_some(out)
}

/// The character that is escaped at the beginning of `text`, and what follows it.
fn one(text: &str) -> Option<(char, &str)> {
    for (written, c) in [(r"\n", '\n'), (r"\r", '\r'), (r"\t", '\t')] {
        if let Some(after) = text.strip_prefix(written) {
            return Some((c, after));
        }
    }
    if let Some(after) = text.strip_prefix(r"\x") {
        return char::from_u32(hex(after, 2)?).zip(after.get(2..));
    }
    let after = text.strip_prefix(r"\u")?;
    let first = hex(after, 4)?;
    let after = after.get(4..)?;
    let second = after.strip_prefix(r"\u").and_then(|digits| hex(digits, 4));
    if let ((0xd800..0xdc00), Some(low @ 0xdc00..0xe000)) = (first, second) {
        return char::from_u32(0x1_0000 + ((first - 0xd800) << 10) + (low - 0xdc00)).zip(after.get(6..));
    }
    char::from_u32(first).map(|c| (c, after))
}

fn hex(text: &str, digits: usize) -> Option<u32> {
    let digits = text.get(..digits)?;
    digits.bytes().all(|b| b.is_ascii_hexdigit()).then(|| u32::from_str_radix(digits, 16).ok())?
}
