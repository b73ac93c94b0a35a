//! The shapes of keys: how each begins and what must follow.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::checksum;
use crate::finding::Family;
use crate::finding::Severity::{self, High, Low};

/// No key is longer.
const LONGEST: usize = 512;

/// Private keys and JSON Web Tokens are read no further.
const LONGEST_BLOCK: usize = 8_192;

/// How the keys of a provider look.
#[derive(Debug)]
pub(super) struct Shape {
    pub(super) family: Family,
    pub(super) prefix: &'static str,
    /// Whether it must begin where a word does.
    pub(super) at_word: bool,
    /// Reads what follows the prefix: how sure, and how many bytes belong to it.
    pub(super) read: fn(&str, &str) -> Option<(Severity, usize)>,
}

type Read = fn(&str, &str) -> Option<(Severity, usize)>;

const fn shape(family: Family, prefix: &'static str, read: Read) -> Shape {
    Shape { family, prefix, at_word: true, read }
}

/// Every shape.
pub(super) const SHAPES: &[Shape] = &[
    shape(Family::AwsAccessKey, "AKIA", aws),
    shape(Family::AwsAccessKey, "ASIA", aws),
    shape(Family::GithubToken, "ghp_", with_checksum),
    shape(Family::GithubToken, "gho_", with_checksum),
    shape(Family::GithubToken, "ghu_", with_checksum),
    shape(Family::GithubToken, "ghs_", with_checksum),
    shape(Family::GithubToken, "ghr_", with_checksum),
    shape(Family::GithubToken, "github_pat_", |_, rest| exactly(rest, 82, is_word)),
    shape(Family::NpmToken, "npm_", with_checksum),
    shape(Family::GitlabToken, "glpat-", |_, rest| at_least(rest, 20, is_url_safe)),
    shape(Family::SlackToken, "xoxb-", slack),
    shape(Family::SlackToken, "xoxp-", slack),
    shape(Family::SlackToken, "xoxa-", slack),
    shape(Family::SlackToken, "xoxr-", slack),
    shape(Family::SlackToken, "xoxs-", slack),
    shape(Family::SlackToken, "xapp-", slack),
    shape(Family::SlackToken, "hooks.slack.com/services/T", |_, rest| at_least(rest, 40, |c| is_word(c) || c == '/')),
    shape(Family::StripeKey, "sk_live_", |_, rest| at_least(rest, 24, is_alphanumeric)),
    shape(Family::StripeKey, "rk_live_", |_, rest| at_least(rest, 24, is_alphanumeric)),
    shape(Family::StripeKey, "sk_test_", |_, rest| low(at_least(rest, 24, is_alphanumeric))),
    shape(Family::StripeKey, "whsec_", |_, rest| at_least(rest, 32, |c| is_alphanumeric(c) || matches!(c, '+' | '/'))),
    shape(Family::GoogleKey, "AIza", |_, rest| exactly(rest, 35, is_url_safe)),
    shape(Family::GoogleKey, "GOCSPX-", |_, rest| exactly(rest, 28, is_url_safe)),
    shape(Family::ModelKey, "sk-ant-", |_, rest| at_least(rest, 32, is_url_safe)),
    shape(Family::ModelKey, "sk-proj-", |_, rest| at_least(rest, 40, is_url_safe)),
    shape(Family::ModelKey, "sk-svcacct-", |_, rest| at_least(rest, 40, is_url_safe)),
    shape(Family::ModelKey, "sk-", |_, rest| exactly(rest, 48, is_alphanumeric)),
    shape(Family::SendgridKey, "SG.", sendgrid),
    shape(Family::PypiToken, "pypi-AgE", |_, rest| at_least(rest, 50, is_url_safe)),
    shape(Family::Jwt, "eyJ", jwt),
    Shape { family: Family::PrivateKey, prefix: "-----BEGIN ", at_word: false, read: private_key },
    Shape { family: Family::UrlPassword, prefix: "://", at_word: false, read: url_password },
];

fn is_alphanumeric(c: char) -> bool {
    c.is_ascii_alphanumeric()
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

fn is_url_safe(c: char) -> bool {
    is_word(c) || c == '-'
}

/// How many bytes at the beginning are of a kind that is ASCII.
fn length(text: &str, is: impl Fn(char) -> bool) -> usize {
    length_up_to(LONGEST, text, is)
}

fn length_up_to(longest: usize, text: &str, is: impl Fn(char) -> bool) -> usize {
    text.chars().take(longest).take_while(|c| is(*c)).count()
}

fn exactly(rest: &str, count: usize, is: fn(char) -> bool) -> Option<(Severity, usize)> {
    (length(rest, is) == count && varied(rest, count)).then_some((High, count))
}

fn at_least(rest: &str, count: usize, is: fn(char) -> bool) -> Option<(Severity, usize)> {
    let found = length(rest, is);
    (found >= count && varied(rest, found)).then_some((High, found))
}

/// Whether it has more than a few different characters: `xxxx…` only shows where a key goes.
fn varied(text: &str, count: usize) -> bool {
    let mut kinds = [false; 128];
    for byte in text.bytes().take(count) {
        if let Some(kind) = kinds.get_mut(usize::from(byte)) {
            *kind = true;
        }
    }
    kinds.iter().filter(|kind| **kind).count() >= count.min(40) / 4
}

fn low(read: Option<(Severity, usize)>) -> Option<(Severity, usize)> {
    read.map(|(_, length)| (Low, length))
}

/// Sixteen characters of base 32, as AWS has them.
fn aws(_: &str, rest: &str) -> Option<(Severity, usize)> {
    exactly(rest, 16, |c| c.is_ascii_uppercase() || c.is_ascii_digit())
}

fn with_checksum(_: &str, rest: &str) -> Option<(Severity, usize)> {
    let (_, length) = exactly(rest, 36, is_alphanumeric)?;
    let severity = if rest.get(..length).is_some_and(checksum::holds) { High } else { Low };
    Some((severity, length))
}

fn slack(_: &str, rest: &str) -> Option<(Severity, usize)> {
    let found = at_least(rest, 24, |c| c.is_ascii_alphanumeric() || c == '-')?;
    rest.starts_with(|c: char| c.is_ascii_digit()).then_some(found)
}

fn sendgrid(_: &str, rest: &str) -> Option<(Severity, usize)> {
    let (id, secret) = rest.split_at_checked(22)?;
    let secret = secret.strip_prefix('.')?;
    let fits = id.chars().all(is_url_safe) && length(secret, is_url_safe) == 43;
    fits.then_some((High, 22 + 1 + 43))
}

/// Three parts of base64url, the first of them a JSON object that names an algorithm
/// (RFC 7515, section 3.1).
fn jwt(prefix: &str, rest: &str) -> Option<(Severity, usize)> {
    let head = rest.get(..length(rest, is_url_safe))?;
    let header = URL_SAFE_NO_PAD.decode(format!("{prefix}{head}")).ok()?;
    let header: serde_json::Value = serde_json::from_slice(&header).ok()?;
    let claims = rest.get(head.len()..)?.strip_prefix('.')?;
    let claims = claims.get(..length_up_to(LONGEST_BLOCK, claims, is_url_safe))?;
    let signature = rest.get(head.len() + 1 + claims.len()..)?.strip_prefix('.')?;
    // An RSA signature of 4,096 bits has 683 characters.
    let signature = length_up_to(1_024, signature, is_url_safe);
    let fits = header.get("alg").is_some_and(serde_json::Value::is_string) && !claims.is_empty() && signature >= 16;
    fits.then_some((High, head.len() + claims.len() + signature + 2))
}

/// `-----BEGIN … PRIVATE KEY-----` and all up to its end, as far as it is read.
fn private_key(_: &str, rest: &str) -> Option<(Severity, usize)> {
    const ENDS: &str = "PRIVATE KEY-----";
    let label = length(rest, |c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == ' ');
    let label = label + length(rest.get(label..)?, |c| c == '-');
    if !rest.get(..label)?.ends_with(ENDS) {
        return None;
    }
    let body = rest.get(label..)?;
    let read = length_up_to(LONGEST_BLOCK, body, |c| {
        c.is_ascii_alphanumeric() || c.is_ascii_whitespace() || matches!(c, '+' | '/' | '=' | '\\' | ':' | ',' | '-')
    });
    // The digits and not just a mention of the label.
    let digits = body.bytes().take(read).filter(u8::is_ascii_alphanumeric).count();
    let end = body.get(..read)?.find("-----END").unwrap_or(read);
    (digits >= 40).then_some((High, label + end))
}

/// `://user:password@host`.
fn url_password(_: &str, rest: &str) -> Option<(Severity, usize)> {
    let authority = rest.get(
        ..length(rest, |c| c.is_ascii_graphic() && !matches!(c, '/' | '?' | '#' | '"' | '\'' | '<' | '>' | '`' | ')')),
    )?;
    let (user, _) = authority.rsplit_once('@')?;
    let (_, password) = user.split_once(':')?;
    // `${PASSWORD}`, `{password}` and `<password>` only show where one goes.
    let shown = password.len() < 3
        || password.contains(['{', '$', '[', '*'])
        || password.eq_ignore_ascii_case("password")
        || password.eq_ignore_ascii_case("pass");
    let severity = if shown { Low } else { High };
    (!password.is_empty()).then_some((severity, user.len()))
}
