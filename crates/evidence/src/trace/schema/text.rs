//! The kinds of text a record holds.

use std::net::Ipv6Addr;

/// Whether `text` names a workload: a SPIFFE id with a trust domain and a path,
/// or a DID. The patterns are ECMA-262's, where `.` is no line terminator.
pub(in super::super) fn is_subject(text: &str) -> bool {
    let one_line = |s: &str| !s.is_empty() && !s.contains(['\n', '\r', '\u{2028}', '\u{2029}']);
    let spiffe = |rest: &str| rest.split_once('/').is_some_and(|(domain, path)| !domain.is_empty() && one_line(path));
    let did = |rest: &str| {
        let method = |m: &str| !m.is_empty() && m.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        rest.split_once(':').is_some_and(|(name, id)| method(name) && one_line(id))
    };
    text.strip_prefix("spiffe://").map_or_else(|| text.strip_prefix("did:").is_some_and(did), spiffe)
}

/// Whether `text` is an absolute URI (RFC 3986).
pub(in super::super) fn is_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    let mut letters = scheme.bytes();
    let good_scheme = letters.next().is_some_and(|b| b.is_ascii_alphabetic())
        && letters.all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
    let (rest, fragment) = rest.split_once('#').unwrap_or((rest, ""));
    let (hierarchy, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = match hierarchy.strip_prefix("//") {
        Some(after) => after.split_at(after.find('/').unwrap_or(after.len())),
        None => ("", hierarchy),
    };
    good_scheme
        && is_authority(authority)
        && is_made_of(path, ":@/")
        && is_made_of(query, ":@/?")
        && is_made_of(fragment, ":@/?")
}

/// `[user@]host[:port]`, where the host may be empty or an address in brackets.
fn is_authority(text: &str) -> bool {
    let (user, place) = text.rsplit_once('@').unwrap_or(("", text));
    let (host_is_good, port) = if let Some(after) = place.strip_prefix('[') {
        let Some((literal, port)) = after.split_once(']') else { return false };
        (is_literal(literal), port)
    } else {
        let (host, port) = place.split_at(place.find(':').unwrap_or(place.len()));
        (is_made_of(host, ""), port)
    };
    let good_port = port.is_empty() || port.strip_prefix(':').is_some_and(|p| p.bytes().all(|b| b.is_ascii_digit()));
    host_is_good && good_port && is_made_of(user, ":")
}

/// An IPv6 address, or an address of a version yet to come.
fn is_literal(text: &str) -> bool {
    let Some(future) = text.strip_prefix(['v', 'V']) else { return text.parse::<Ipv6Addr>().is_ok() };
    future.split_once('.').is_some_and(|(version, rest)| {
        !version.is_empty()
            && version.bytes().all(|b| b.is_ascii_hexdigit())
            && !rest.is_empty()
            && !rest.contains('%')
            && is_made_of(rest, ":")
    })
}

/// Whether `text` holds only unreserved characters, sub-delimiters, escapes and
/// `more`.
fn is_made_of(text: &str, more: &str) -> bool {
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let fits = match byte {
            b'%' => [bytes.next(), bytes.next()].iter().all(|b| b.is_some_and(|b| b.is_ascii_hexdigit())),
            _ => byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(&byte) || more.as_bytes().contains(&byte),
        };
        if !fits {
            return false;
        }
    }
    true
}

/// Whether `text` is an ISO 8601 duration, whole numbers only.
pub(super) fn is_duration(text: &str) -> bool {
    let Some(text) = text.strip_prefix('P') else { return false };
    let (days, time) = text.split_once('T').map_or((text, None), |(days, time)| (days, Some(time)));
    let good_time = time.is_none_or(|time| !time.is_empty() && are_amounts(time, "HMS"));
    let weeks = time.is_none() && !days.is_empty() && are_amounts(days, "W");
    let good_days = (!days.is_empty() || time.is_some()) && are_amounts(days, "YMD");
    good_time && (weeks || good_days)
}

/// Whether `text` is amounts of `units`, in their order.
fn are_amounts(mut text: &str, units: &str) -> bool {
    let mut units = units.chars();
    while !text.is_empty() {
        let after = text.trim_start_matches(|c: char| c.is_ascii_digit());
        let mut rest = after.chars();
        let unit = rest.next();
        if after.len() == text.len() || !unit.is_some_and(|unit| units.any(|u| u == unit)) {
            return false;
        }
        text = rest.as_str();
    }
    true
}

/// Whether `text` is one or more characters of base64url.
pub(super) fn is_base64url(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}
