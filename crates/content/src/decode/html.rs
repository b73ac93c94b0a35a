//! HTML as a reader sees it, and its comments with it.

use html_escape::decode_html_entities;

/// Elements that do not part the words they stand in.
const INLINE: &[&str] = &[
    "a", "abbr", "b", "bdi", "bdo", "code", "em", "font", "i", "ins", "kbd", "mark", "s", "small", "span", "strong",
    "sub", "sup", "u", "wbr",
];

/// The text without its markup and with its entities decoded, where it has any of either.
/// What a comment says stays: a model reads it.
pub(super) fn plain(text: &str) -> Option<String> {
    if !text.contains('<') && !text.contains('&') {
        return None;
    }
    let bare = without_markup(text);
    let decoded = decode_html_entities(&bare);
    (decoded != text).then(|| decoded.into_owned())
}

fn without_markup(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        if let Some(after) = from.strip_prefix("<!--") {
            rest = after;
            continue;
        }
        let inside = from.get(1..).unwrap_or_default();
        let opens = inside.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '!' | '?'));
        if !opens {
            out.push('<');
            rest = inside;
            continue;
        }
        // Without an end there is no tag here, nor anywhere behind.
        let Some((tag, after)) = inside.split_once('>') else {
            rest = from;
            break;
        };
        if !INLINE.contains(&name(tag).as_str()) {
            out.push(' ');
        }
        rest = after;
    }
    out.push_str(rest);
    out.replace("-->", "")
}

fn name(tag: &str) -> String {
    tag.trim_start_matches('/')
        .chars()
        .take_while(char::is_ascii_alphanumeric)
        .take(8)
        .collect::<String>()
        .to_lowercase()
}
