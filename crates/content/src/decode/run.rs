//! Runs of base64 (RFC 4648, both alphabets) and of hexadecimal digits within a text.

use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::step::Step;

/// The shortest run that is looked at: a dozen bytes say too little to instruct.
const SHORTEST: usize = 16;

/// Lines at least this long may go on in the next line (RFC 2045 has 76).
const WRAPPED_LINE: usize = 60;

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&base64::alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&base64::alphabet::URL_SAFE, LENIENT);

/// Every run that decodes to text.
pub(super) fn runs(text: &str) -> impl Iterator<Item = (Step, String)> {
    text.split(|c: char| !is_digit(c) && c != '\n' && c != '\r')
        .filter(|piece| piece.len() >= SHORTEST)
        .flat_map(unwrapped)
        .filter(|run| run.len() >= SHORTEST)
        .filter_map(|run| {
            hex(&run).map(|text| (Step::Hex, text)).or_else(|| base64(&run).map(|text| (Step::Base64, text)))
        })
}

fn is_digit(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '-' | '_' | '=')
}

/// The runs of a piece that holds nothing but digits and line breaks.
fn unwrapped(piece: &str) -> Vec<String> {
    let mut runs: Vec<String> = Vec::new();
    let mut goes_on = false;
    for line in piece.split(['\n', '\r']).filter(|line| !line.is_empty()) {
        match runs.last_mut() {
            Some(run) if goes_on => run.push_str(line),
            _ => runs.push(line.to_owned()),
        }
        goes_on = line.len() >= WRAPPED_LINE;
    }
    runs
}

fn base64(run: &str) -> Option<String> {
    let url_safe = run.contains(['-', '_']);
    let engine = if url_safe { &URL_SAFE } else { &STANDARD };
    let digits = run.trim_end_matches('=');
    // One digit too many says nothing and would spoil the rest.
    let digits = if digits.len() % 4 == 1 { digits.get(..digits.len() - 1)? } else { digits };
    text(engine.decode(digits).ok()?)
}

fn hex(run: &str) -> Option<String> {
    if !run.len().is_multiple_of(2) || !run.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let digit = |b: &u8| char::from(*b).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let bytes = run.as_bytes().chunks_exact(2);
    text(bytes.map(|pair| Some(digit(pair.first()?)? << 4 | digit(pair.get(1)?)?)).collect::<Option<_>>()?)
}

/// The bytes as text, where they read as one.
fn text(bytes: Vec<u8>) -> Option<String> {
    let text = String::from_utf8(bytes).ok()?;
    let odd = text.chars().filter(|c| c.is_control() && !c.is_whitespace()).count();
    (odd == 0 && !text.is_empty()).then_some(text)
}
