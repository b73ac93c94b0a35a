//! What is told about something that was found: all but its words.

use countersign_core::Digest;
use hmac::{Hmac, KeyInit, Mac};
use serde::Serialize;
use sha2::Sha256;

use crate::step::Step;

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What it is.
    pub family: Family,
    /// How sure it is that something is wrong.
    pub severity: Severity,
    /// The text it is in: a JSON pointer (RFC 6901) into `{"arguments": …, "summary": …}`.
    /// A name of a member that is long or in which something was found itself is given
    /// as `~#` and its place among the members, counted from zero.
    pub at: String,
    /// Whether it is in the name of the member that `at` points at, and not in its value.
    pub in_name: bool,
    /// How the view it is in was reached; empty for the text itself.
    pub reached: Vec<Step>,
    /// Where it begins in that view, in bytes of UTF-8.
    pub start: usize,
    /// Where it ends in that view; the byte there is the first that is not part of it.
    pub end: usize,
    /// The length of what was found, in bytes: for what is hidden, of the hidden.
    pub length: usize,
    /// HMAC-SHA256 (RFC 2104) of what was found, made with the inspector's key.
    pub digest: Digest,
}

/// All that was found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Findings {
    /// What was found, in the order of the texts: the summary, then the arguments.
    pub list: Vec<Finding>,
    /// Whether all of it was looked at and all that was found is listed. Where it is
    /// not, the list has a finding that says where ([`Kind::Limit`]).
    pub complete: bool,
}

/// How sure it is that something is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Usual in honest texts too.
    Low,
    /// Seldom in honest texts.
    Medium,
    /// A checksum holds, or nothing else looks like it.
    High,
}

impl Severity {
    /// Its stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

/// What kind of thing a family is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Words meant for a model.
    Injection,
    /// Something that is hidden from a reader.
    Hidden,
    /// What lets its holder in.
    Secret,
    /// What is about a person.
    Personal,
    /// Something was not looked at.
    Limit,
}

macro_rules! families {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal, $kind:ident;)+) => {
        /// What was found. The names are stable.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        pub enum Family {
            $($(#[doc = $doc])+ #[serde(rename = $name)] $variant,)+
        }

        impl Family {
            /// Every family.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Its stable name.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// Its kind.
            #[must_use]
            pub const fn kind(self) -> Kind {
                match self { $(Self::$variant => Kind::$kind,)+ }
            }
        }
    };
}

families! {
    /// Earlier instructions are to be passed over, or replaced.
    InstructionOverride = "instruction_override", Injection;
    /// The reader is told that it is somebody else.
    RoleClaim = "role_claim", Injection;
    /// Rules, filters or limits are said to be gone.
    RestrictionLift = "restriction_lift", Injection;
    /// The reader is asked to tell its instructions.
    PromptLeak = "prompt_leak", Injection;
    /// Credentials or many people's data are asked for or to be sent.
    Exfiltration = "exfiltration", Injection;
    /// Whoever reads it is told to call a tool or to do something first.
    HiddenTask = "hidden_task", Injection;
    /// An approval is claimed, or one is to be passed over.
    ApprovalForgery = "approval_forgery", Injection;
    /// Marks that part the turns of a model's conversation.
    TurnMarker = "turn_marker", Injection;
    /// Something is to be decoded and obeyed.
    DecodeAndObey = "decode_and_obey", Injection;
    /// Something is to be kept for, or said in, all later conversations.
    Persistence = "persistence", Injection;
    /// Words spelt in Unicode's tag characters.
    TagCharacters = "tag_characters", Hidden;
    /// Characters of no width within a word.
    ZeroWidth = "zero_width", Hidden;
    /// Characters that override the direction of writing.
    DirectionOverride = "direction_override", Hidden;
    /// Something is encoded more than three times over.
    NestedEncoding = "nested_encoding", Hidden;
    /// An access key id of AWS.
    AwsAccessKey = "aws_access_key", Secret;
    /// A token of GitHub; high if its checksum holds.
    GithubToken = "github_token", Secret;
    /// A token of npm; high if its checksum holds.
    NpmToken = "npm_token", Secret;
    /// A token of GitLab.
    GitlabToken = "gitlab_token", Secret;
    /// A token of Slack, or the address of a webhook of it.
    SlackToken = "slack_token", Secret;
    /// A secret key of Stripe.
    StripeKey = "stripe_key", Secret;
    /// An API key or a client secret of Google.
    GoogleKey = "google_key", Secret;
    /// A key of Anthropic or OpenAI.
    ModelKey = "model_key", Secret;
    /// A key of `SendGrid`.
    SendgridKey = "sendgrid_key", Secret;
    /// A token of `PyPI`.
    PypiToken = "pypi_token", Secret;
    /// A JSON Web Token with a signature (RFC 7519).
    Jwt = "jwt", Secret;
    /// A private key in PEM (RFC 7468).
    PrivateKey = "private_key", Secret;
    /// A password in an address (RFC 3986, section 3.2.1).
    UrlPassword = "url_password", Secret;
    /// A value that looks random, behind a word such as `password`.
    KeywordSecret = "keyword_secret", Secret;
    /// The number of a payment card: known range, length and check digit (ISO/IEC 7812).
    PaymentCard = "payment_card", Personal;
    /// A bank account: country, length and check digits (ISO 13616).
    Iban = "iban", Personal;
    /// A social security number of the United States, in a range that is given out.
    UsSsn = "us_ssn", Personal;
    /// An e-mail address.
    EmailAddress = "email_address", Personal;
    /// A telephone number with its country (E.164).
    PhoneNumber = "phone_number", Personal;
    /// Not looked at: too much, too many or too deep.
    Unexamined = "unexamined", Limit;
    /// More was found than is listed.
    Unlisted = "unlisted", Limit;
}

/// The key that findings' digests are made with. Never printed.
///
/// Without a key, whoever sees the digest of a card or social security number could
/// try them all.
#[derive(Clone)]
pub struct DigestKey(Hmac<Sha256>);

impl std::fmt::Debug for DigestKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DigestKey(…)")
    }
}

impl DigestKey {
    /// A key of 256 bits.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        // HMAC pads a short key with zeros to the hash's block (RFC 2104, section 2).
        let mut block = [0; 64];
        for (to, from) in block.iter_mut().zip(bytes) {
            *to = from;
        }
        Self(Hmac::new(&block.into()))
    }

    pub(crate) fn digest(&self, bytes: &[u8]) -> Digest {
        Digest::from_bytes(self.0.clone().chain_update(bytes).finalize().into_bytes().into())
    }
}

/// Something that was found in a view, before it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hit {
    pub(crate) family: Family,
    pub(crate) severity: Severity,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Hit {
    pub(crate) const fn new(family: Family, severity: Severity, start: usize, end: usize) -> Self {
        Self { family, severity, start, end }
    }
}

/// Places in a text, for a quick look whether something touches one of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Places(Vec<(usize, usize)>);

impl Places {
    /// The places of hits that stand in the order of their beginnings.
    pub(crate) fn of<'a>(hits: impl Iterator<Item = &'a Hit>) -> Self {
        let mut places: Vec<(usize, usize)> = Vec::new();
        for hit in hits {
            match places.last_mut() {
                Some(last) if hit.start <= last.1 => last.1 = last.1.max(hit.end),
                _ => places.push((hit.start, hit.end)),
            }
        }
        Self(places)
    }

    /// Whether the bytes from `start` to `end` touch one of them.
    pub(crate) fn touch(&self, start: usize, end: usize) -> bool {
        let next = self.0.partition_point(|place| place.1 <= start);
        self.0.get(next).is_some_and(|place| place.0 < end)
    }
}
