//! What content brings with it: the labels of a [`Taint`], from where it came from and
//! what was found in it.

use countersign_core::taint::{Label, Taint};
use serde::{Deserialize, Serialize};

use crate::finding::{Findings, Kind, Severity};

/// Where content came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The operator answers for it: a configuration, an own database that nobody else fills.
    Trusted,
    /// Anybody may have written it. Whatever is not known to be trusted.
    Untrusted,
}

/// What content from a source brings with it.
///
/// Words meant for a model count whatever the source; they are data only where
/// nobody reads them as orders, and that is not known here. Findings of low
/// severity bring no label: honest texts have them too.
#[must_use]
pub fn brought(source: Source, findings: &Findings) -> Taint {
    let origin = (source == Source::Untrusted).then_some(Label::UntrustedContent);
    let whole = (!findings.complete).then_some(Label::Unexamined);
    let counts = findings.list.iter().filter(|finding| finding.severity > Severity::Low);
    let seen = counts.map(|finding| match finding.family.kind() {
        Kind::Injection => Label::InjectionSuspected,
        Kind::Hidden => Label::HiddenContent,
        Kind::Secret => Label::SecretSeen,
        Kind::Personal => Label::PersonalDataSeen,
        Kind::Limit => Label::Unexamined,
    });
    seen.chain(origin).chain(whole).collect()
}
