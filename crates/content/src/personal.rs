//! Personal data, each with what can be checked about it. No list of names, no
//! guessing: a number that only might be a card is not reported.

use iban::Iban;

use crate::finding::Severity::{High, Low, Medium};
use crate::finding::{Family, Hit};

/// Finds all personal data in a plain text, in linear time.
pub(crate) fn search(text: &str, found: &mut Vec<Hit>) {
    numbers(text, found);
    ibans(text, found);
    emails(text, found);
}

/// No number that is looked for has more digits.
const MOST_DIGITS: usize = 19;

/// Digits in groups with separators between: all or some of a row of groups.
struct Number<'a> {
    written: &'a str,
    digits: Vec<u8>,
}

fn numbers(text: &str, found: &mut Vec<Hit>) {
    let mut at = 0;
    while let Some(row) = row(text, at) {
        at = row.last().map_or(text.len(), |group| group.1);
        let first = row.first().map_or(at, |group| group.0);
        let before = text.get(..first).unwrap_or_default().bytes().next_back();
        let behind = text.get(at..).unwrap_or_default().bytes().next();
        // Part of a word or of a number with a point is none of these.
        let part = before.is_some_and(|b| b.is_ascii_alphanumeric() || b"_.".contains(&b))
            || behind.is_some_and(|b| b.is_ascii_alphanumeric() || b == b'_');
        if !part {
            in_row(text, &row, before == Some(b'+'), found);
        }
    }
}

/// The next groups of digits with nothing but a separator between one and the next.
fn row(text: &str, from: usize) -> Option<Vec<(usize, usize)>> {
    let bytes = text.as_bytes();
    let is_digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let mut start = from + bytes.get(from..)?.iter().position(u8::is_ascii_digit)?;
    let mut groups = Vec::new();
    loop {
        let end = start + bytes.get(start..)?.iter().take_while(|b| b.is_ascii_digit()).count();
        groups.push((start, end));
        start = match (bytes.get(end), bytes.get(end + 1)) {
            (Some(b' ' | b'-' | b'.' | b'(' | b')'), _) if is_digit(end + 1) => end + 1,
            // Brackets, as in `+1 (555) 0100`, have two.
            (Some(b' ' | b')'), Some(b'(' | b' ' | b'-')) if is_digit(end + 2) => end + 2,
            _ => return Some(groups),
        };
    }
}

/// What stands in a row of groups. A number need not begin or end where the row does.
fn in_row(text: &str, row: &[(usize, usize)], plus: bool, found: &mut Vec<Hit>) {
    let mut next = 0;
    while let Some((start, _)) = row.get(next) {
        // What stands behind a point is a fraction, or part of an address.
        let after_point = next > 0 && text.get(..*start).is_some_and(|left| left.ends_with('.'));
        if after_point {
            next += 1;
            continue;
        }
        let ends = row.iter().skip(next).map(|group| group.1);
        let written = ends.map_while(|end| {
            let written = text.get(*start..end)?;
            let digits: Vec<u8> = written.bytes().filter(u8::is_ascii_digit).map(|b| b - b'0').collect();
            (digits.len() <= MOST_DIGITS).then_some(Number { written, digits })
        });
        let hits: Vec<(usize, Hit)> = written
            .enumerate()
            .filter_map(|(more, number)| Some((more, judge(&number, *start, plus && next == 0)?)))
            .filter(|(more, hit)| {
                next + more + 1 == row.len() || !text.get(hit.end..).is_some_and(|rest| rest.starts_with('.'))
            })
            .collect();
        // The longest that fits.
        match hits.last() {
            Some((more, hit)) => {
                found.push(*hit);
                next += more + 1;
            }
            None => next += 1,
        }
    }
}

fn judge(number: &Number<'_>, start: usize, plus: bool) -> Option<Hit> {
    let end = start + number.written.len();
    if plus {
        // E.164: a country code does not begin with zero; at most fifteen digits.
        let fits = (8..=15).contains(&number.digits.len()) && number.digits.first() != Some(&0);
        return fits.then(|| Hit::new(Family::PhoneNumber, Low, start - 1, end));
    }
    if is_card(number) {
        return Some(Hit::new(Family::PaymentCard, High, start, end));
    }
    is_ssn(number).then(|| Hit::new(Family::UsSsn, Medium, start, end))
}

/// A range of a known network, a length it has, and the check digit of ISO/IEC 7812 (Luhn).
fn is_card(number: &Number<'_>) -> bool {
    if number.written.contains(['.', '(', ')']) {
        return false;
    }
    let count = number.digits.len();
    let head = number.digits.iter().take(4).fold(0_u32, |head, digit| head * 10 + u32::from(*digit));
    let known = match head {
        4000..=4999 => matches!(count, 13 | 16 | 19),
        5100..=5599 | 2221..=2720 => count == 16,
        3400..=3499 | 3700..=3799 => count == 15,
        3000..=3059 | 3600..=3699 | 3800..=3999 => matches!(count, 14 | 16),
        6011 | 6440..=6599 | 3528..=3589 | 6200..=6299 => (16..=19).contains(&count),
        5000..=5099 | 5600..=5899 | 6300..=6399 | 6700..=6799 => (13..=19).contains(&count),
        _ => false,
    };
    let luhn: u32 = number
        .digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| {
            let digit = u32::from(*digit);
            let doubled = if place % 2 == 1 { digit * 2 } else { digit };
            if doubled > 9 { doubled - 9 } else { doubled }
        })
        .sum();
    known && luhn.is_multiple_of(10)
}

/// Three, two and four digits with the same separator; no part all zeros, no area
/// that is never given out (Social Security Administration, POMS RM 10201.035).
fn is_ssn(number: &Number<'_>) -> bool {
    let mut separators = number.written.bytes().filter(|b| !b.is_ascii_digit());
    let (Some(first), Some(second), None) = (separators.next(), separators.next(), separators.next()) else {
        return false;
    };
    let parts: Vec<&str> = number.written.split(char::from(first)).collect();
    let [area, group, serial] = parts.as_slice() else { return false };
    first == second
        && (area.len(), group.len(), serial.len()) == (3, 2, 4)
        && !matches!(*area, "000" | "666")
        && !area.starts_with('9')
        && *group != "00"
        && *serial != "0000"
}

/// An IBAN as it is written for people or machines: country, check digits, account.
fn ibans(text: &str, found: &mut Vec<Hit>) {
    const LONGEST: usize = 34;
    let bytes = text.as_bytes();
    for (start, four) in bytes.windows(4).enumerate() {
        let begins = matches!(four, [a, b, c, d] if a.is_ascii_uppercase() && b.is_ascii_uppercase() && c.is_ascii_digit() && d.is_ascii_digit());
        let within =
            start.checked_sub(1).and_then(|at| bytes.get(at)).is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
        if !begins || within {
            continue;
        }
        let mut compact = String::new();
        let mut end = start;
        let mut whole = None;
        while let Some(byte) = bytes.get(end).filter(|_| compact.len() < LONGEST) {
            let next_is_word = bytes.get(end + 1).is_some_and(u8::is_ascii_alphanumeric);
            if byte.is_ascii_alphanumeric() {
                compact.push(char::from(*byte));
                end += 1;
                let at_end = bytes.get(end).is_none_or(|next| !next.is_ascii_alphanumeric());
                // What stands behind may look like more of it; the longest that holds counts.
                if at_end && compact.len() >= 15 && compact.parse::<Iban>().is_ok() {
                    whole = Some(end);
                }
            } else if matches!(byte, b' ' | b'-') && next_is_word {
                end += 1;
            } else {
                break;
            }
        }
        found.extend(whole.map(|end| Hit::new(Family::Iban, High, start, end)));
    }
}

/// Local part and domain (RFC 5321, section 4.1.2), unquoted, with a dot in the domain.
fn emails(text: &str, found: &mut Vec<Hit>) {
    const LONGEST_LOCAL: usize = 64;
    const LONGEST_DOMAIN: usize = 255;
    let is_local = |b: &u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-=^_`{|}~.".contains(b);
    let is_domain = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.');
    for (at, _) in text.match_indices('@') {
        let (Some(left), Some(right)) = (text.as_bytes().get(..at), text.as_bytes().get(at + 1..)) else { continue };
        let local = left.iter().rev().take(LONGEST_LOCAL).take_while(|b| is_local(b)).count();
        let domain = right.iter().take(LONGEST_DOMAIN).take_while(|b| is_domain(b)).count();
        let Some(domain) = text.get(at + 1..at + 1 + domain).map(|domain| domain.trim_end_matches(['.', '-'])) else {
            continue;
        };
        let top = domain.rsplit_once('.').map_or("", |(_, top)| top);
        let fits = local > 0
            && top.len() >= 2
            && top.bytes().all(|b| b.is_ascii_alphabetic())
            && !domain.starts_with(['.', '-'])
            && !domain.contains("..");
        if fits {
            found.push(Hit::new(Family::EmailAddress, Low, at - local, at + 1 + domain.len()));
        }
    }
}
