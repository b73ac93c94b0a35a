//! Whatever is done to a record that was published is found.
//!
//! Every kind of event, saying everything and as little as it can, stands first,
//! in the middle and last in its chain; everything in it is changed, one thing at
//! a time. The verifier and the signed tree must find each change, and name the
//! entry it was made to, the next one of its chain, or the checkpoint.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test stops where what it was given is wrong")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::ops::Range;

use countersign_core::Effect;
use countersign_core::chain::Chain;
use countersign_core::id::ChainId;
use countersign_evidence::canonical;
use countersign_evidence::entry::Entry;
use countersign_evidence::log::checkpoint::{Checkpoint, Origin, Trust};
use countersign_evidence::log::merkle::{Frontier, TreeHead, leaf_hash};
use countersign_evidence::log::note::{KeyName, Note, Signer};
use countersign_evidence::verify::Verifier;
use ed25519_dalek::SigningKey;
use proptest::prelude::*;
use serde_json::{Value, json};

#[path = "shared/events.rs"]
mod events;

use events::{EFFECTS, VERDICTS, every_kind};

/// The chains of a ledger here. No change of one character makes one the other.
const CHAINS: [&str; 3] = ["sess_1", "track_22", "acme"];
/// How many entries each chain has.
const LENGTH: usize = 3;

// The samples.

/// A sample's kind and content: an entry without its place.
type Sample = (&'static str, Value);

/// Every sample there is. Those that say as little as they can name no organisation.
fn samples() -> Vec<Sample> {
    let mut seen = BTreeSet::new();
    let chain = ChainId::parse(CHAINS[0]).unwrap();
    every_kind(&chain, "Grüße \"\\/\u{1}\u{2028}\n🗑")
        .into_iter()
        .map(|(kind, _, draft)| {
            let mut value: Value = serde_json::from_slice(&draft.seal(Chain::GENESIS).0).unwrap();
            if !seen.insert(kind) {
                value.as_object_mut().unwrap().remove("org");
            }
            (kind, value)
        })
        .collect()
}

/// The paths of all members within `value`; those of a list's items are the list's.
fn members(value: &Value, path: &str, into: &mut BTreeSet<String>) {
    value.as_array().into_iter().flatten().for_each(|item| members(item, path, into));
    for (name, member) in value.as_object().into_iter().flatten() {
        let path = format!("{path}/{name}");
        members(member, &path, into);
        into.insert(path);
    }
}

#[test]
fn every_kind_of_event_and_every_member_that_may_be_absent_is_among_the_samples() {
    let source = include_str!("../src/event.rs");
    let declared = source.lines().filter_map(|line| line.trim().strip_prefix("const KIND: &'static str = \""));
    let declared: BTreeSet<_> = declared.filter_map(|rest| rest.strip_suffix("\";")).collect();
    let mut sampled: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (kind, value) in samples() {
        let mut paths = BTreeSet::new();
        members(&value["event"], "", &mut paths);
        sampled.entry(kind).or_default().push(paths);
    }
    assert_eq!(sampled.keys().copied().collect::<BTreeSet<_>>(), declared);

    let mut absent = 0;
    for (kind, said) in sampled {
        let (most, least) = (&said[0], said.iter().min_by_key(|one| one.len()).unwrap());
        assert!(least.is_subset(most), "{kind}: what says everything comes first");
        // What is absent because all around it is has not been tried.
        let tried = said.iter().flat_map(|one| {
            most.iter().filter(|path| {
                let around = path.rsplit_once('/').map_or("", |(around, _)| around);
                !one.contains(*path) && (around.is_empty() || one.contains(around))
            })
        });
        absent += tried.collect::<BTreeSet<_>>().len();
    }
    assert_eq!(absent, source.matches("skip_serializing_if").count(), "a member that may be absent is not tried");
}

// The ledgers.

/// Entries, and the tree that was signed over them.
struct Published {
    entries: Vec<Vec<u8>>,
    head: TreeHead,
}

impl Published {
    /// Chains entries that say `contents`, and signs their tree.
    fn of<'a>(contents: impl IntoIterator<Item = (&'a str, Value)>) -> Self {
        let mut chains: BTreeMap<&str, Chain> = BTreeMap::new();
        let mut entries = Vec::new();
        for (id, mut value) in contents {
            let chain = chains.entry(id).or_insert(Chain::GENESIS);
            value["chain"] = json!({ "id": id, "index": chain.length, "prev": chain.head.to_string() });
            let bytes = canonical(&value).unwrap();
            *chain = Entry::read(&bytes).unwrap().onto(*chain, &bytes);
            entries.push(bytes);
        }
        let signer = Signer::new(KeyName::parse("log.example/main").unwrap(), SigningKey::from_bytes(&[1; 32]));
        let note = signed(&signer, tree(&entries)).to_string();
        let opened = Trust::in_key(signer.verifier().clone()).open(&Note::parse(note.as_bytes()).unwrap()).unwrap();
        Self { entries, head: opened.checkpoint.head() }
    }

    /// A ledger of short entries, three chains side by side, but for `sample` at `position`.
    fn around(sample: &Value, position: usize) -> Self {
        let short = samples().into_iter().find(|(kind, _)| *kind == "change").unwrap().1;
        let content = |at| if at == position { sample.clone() } else { short.clone() };
        Self::of((0..CHAINS.len() * LENGTH).map(|at| (CHAINS[at % CHAINS.len()], content(at))))
    }

    /// What is found in `entries`, which say they are these.
    fn find(&self, entries: &[Vec<u8>]) -> Found {
        let mut verifier = Verifier::new();
        for bytes in entries {
            if let Err(bad) = verifier.push(bytes) {
                return Found::Entry(usize::try_from(bad.position).unwrap());
            }
        }
        if tree(entries) == self.head { Found::Nothing } else { Found::Checkpoint }
    }
}

fn tree(entries: &[Vec<u8>]) -> TreeHead {
    let mut tree = Frontier::new();
    for entry in entries {
        tree.append(leaf_hash(entry));
    }
    tree.head()
}

fn signed(signer: &Signer, head: TreeHead) -> Note {
    Checkpoint::new(Origin::from(signer.verifier().name()), head).sign(signer)
}

/// What verifying found, first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    Entry(usize),
    Checkpoint,
    Nothing,
}

// The tamperings.

/// A piece of canonical JSON: where it stands, and what is in it.
struct Piece {
    span: Range<usize>,
    /// Names with their quotes; none for the items of an array.
    inner: Vec<(Option<Range<usize>>, Piece)>,
}

impl Piece {
    /// Reads the value at `at`; the text is canonical.
    fn read(text: &str, at: usize) -> Self {
        let bytes = text.as_bytes();
        let (mut inner, mut end) = (Vec::new(), at + 1);
        match bytes[at] {
            b'{' | b'[' => {
                while !matches!(bytes[end], b'}' | b']') {
                    end += usize::from(bytes[end] == b',');
                    let name = (bytes[at] == b'{').then(|| Self::read(text, end).span);
                    let value = Self::read(text, name.as_ref().map_or(end, |name| name.end + 1));
                    end = value.span.end;
                    inner.push((name, value));
                }
                end += 1;
            }
            b'"' => {
                while bytes[end] != b'"' {
                    end += if bytes[end] == b'\\' { 2 } else { 1 };
                }
                end += 1;
            }
            _ => end += text[end..].find([',', '}', ']']).unwrap(),
        }
        Self { span: at..end, inner }
    }

    /// Itself and everything in it.
    fn all(&self) -> Vec<&Self> {
        let mut all = vec![self];
        self.inner.iter().for_each(|(_, piece)| all.extend(piece.all()));
        all
    }

    /// Every member or item of it, from the start of its name to its end.
    fn parts(&self) -> Vec<Range<usize>> {
        let start = |name: &Option<Range<usize>>, piece: &Self| name.as_ref().map_or(piece.span.start, |n| n.start);
        self.inner.iter().map(|(name, piece)| start(name, piece)..piece.span.end).collect()
    }
}

/// A change to an entry's text.
struct Tampering {
    what: &'static str,
    /// Whether the entry says the same as before, in another way.
    respelled: bool,
    text: String,
}

/// The text with `span` replaced.
fn with(text: &str, span: Range<usize>, new: &str) -> String {
    [&text[..span.start], new, &text[span.end..]].concat()
}

/// Everything that is done to an entry, one thing at a time.
fn tamperings(text: &str) -> Vec<Tampering> {
    let whole = Piece::read(text, 0);
    let mut done = Vec::new();
    for piece in whole.all() {
        values(text, piece, &mut done);
        structure(text, piece, &mut done);
        for (name, _) in &piece.inner {
            if let Some(name) = name {
                letters(text, name.clone(), &mut done);
            }
        }
    }
    white_space(text, &whole, &mut done);
    done.retain(|tampering| tampering.text != text);
    done
}

/// The value itself is another, or spelled in another way.
fn values(text: &str, piece: &Piece, done: &mut Vec<Tampering>) {
    let was = &text[piece.span.clone()];
    let mut put = |what, respelled, new: &str| {
        done.push(Tampering { what, respelled, text: with(text, piece.span.clone(), new) });
    };
    put("made null", false, "null");
    put("made a list", false, &format!("[{was}]"));
    match was.as_bytes()[0] {
        b'"' => {
            let words = EFFECTS.map(Effect::as_str);
            for word in VERDICTS.iter().chain(&words) {
                put("another word", false, &format!("\"{word}\""));
            }
            put("emptied", false, "\"\"");
            put("lengthened", false, &format!("{}x\"", &was[..was.len() - 1]));
            letters(text, piece.span.clone(), done);
        }
        b'0'..=b'9' => {
            let number: u64 = was.parse().unwrap();
            put("one more", false, &(number + 1).to_string());
            put("negated", false, &format!("-{}", number + 1));
            put("made text", false, &format!("\"{was}\""));
            for other in [".0", "e0", "E0", ".00e0"] {
                put("spelled otherwise", true, &format!("{was}{other}"));
            }
            put("spelled otherwise", true, &format!("0{was}"));
        }
        b't' => put("flipped", false, "false"),
        b'f' => put("flipped", false, "true"),
        _ => {}
    }
}

/// Each character of a string or name is another, is gone, or is written in another way.
fn letters(text: &str, span: Range<usize>, done: &mut Vec<Tampering>) {
    let mut at = span.start + 1;
    while at < span.end - 1 {
        let next = text[at..].chars().next().unwrap();
        // An escape is one letter.
        let length = match &text.as_bytes()[at..] {
            [b'\\', b'u', ..] => 6,
            [b'\\', ..] => 2,
            _ => next.len_utf8(),
        };
        let letter = at..at + length;
        let said: String = serde_json::from_str(&format!("\"{}\"", &text[letter.clone()])).unwrap();
        let mut put = |what, respelled, new: &str| {
            done.push(Tampering { what, respelled, text: with(text, letter.clone(), new) });
        };
        put("letter changed", false, if next == 'b' { "c" } else { "b" });
        put("letter gone", false, "");
        let escaped = said.encode_utf16().fold(String::new(), |mut all, unit| {
            write!(all, "\\u{unit:04x}").unwrap();
            all
        });
        put("escaped otherwise", true, &escaped);
        put("escaped otherwise", true, &escaped.to_uppercase().replace("\\U", "\\u"));
        if said == "/" {
            put("escaped otherwise", true, "\\/");
        }
        at += length;
    }
}

/// Members are gone, added, there twice, or in another order.
fn structure(text: &str, piece: &Piece, done: &mut Vec<Tampering>) {
    let parts = piece.parts();
    let written: Vec<&str> = parts.iter().map(|part| &text[part.clone()]).collect();
    let Some(inside) = parts.first().zip(parts.last()).map(|(first, last)| first.start..last.end) else { return };
    let mut put = |what, respelled, parts: &[&str]| {
        done.push(Tampering { what, respelled, text: with(text, inside.clone(), &parts.join(",")) });
    };
    for at in 0..written.len() {
        let mut without = written.clone();
        without.remove(at);
        put("taken out", false, &without);
        let mut twice = written.clone();
        twice.insert(at, written[at]);
        put("there twice", piece.inner[at].0.is_some(), &twice);
        for other in at + 1..written.len() {
            let mut swapped = written.clone();
            swapped.swap(at, other);
            put("another order", piece.inner[at].0.is_some(), &swapped);
        }
        let Some(name) = &piece.inner[at].0 else { continue };
        let name = &text[name.start + 1..name.end - 1];
        // `!` comes before every letter: the new member stands where its name belongs.
        let (added, other) = (format!("\"{name}!\":0"), format!("\"{name}\":0"));
        let mut more = written.clone();
        more.insert(at + 1, &added);
        put("added", false, &more);
        for place in [at, at + 1] {
            let mut both = written.clone();
            both.insert(place, &other);
            put("there twice, differently", true, &both);
        }
    }
}

/// White space between any two tokens.
fn white_space(text: &str, whole: &Piece, done: &mut Vec<Tampering>) {
    let mut gaps = BTreeSet::from([0, text.len()]);
    for piece in whole.all() {
        gaps.extend([piece.span.start, piece.span.end]);
        gaps.extend(piece.parts().iter().flat_map(|part| [part.start, part.end]));
        gaps.extend(piece.inner.iter().filter_map(|(name, _)| Some(name.as_ref()?.end)));
        if !matches!(text.as_bytes()[piece.span.start], b'{' | b'[') {
            continue;
        }
        gaps.extend([piece.span.start + 1, piece.span.end - 1]);
    }
    for gap in gaps {
        for space in [" ", "\t", "\n", "\r"] {
            done.push(Tampering { what: "white space", respelled: true, text: with(text, gap..gap, space) });
        }
    }
}

#[test]
fn everything_that_can_be_changed_in_an_entry_is_found_wherever_the_entry_stands() {
    let last = CHAINS.len() * LENGTH - 1;
    let mut tried: BTreeMap<&str, usize> = BTreeMap::new();
    for (kind, sample) in samples() {
        // First, in the middle and last of a chain, and last of all.
        for position in [0, CHAINS.len() + 1, 2 * CHAINS.len(), last] {
            let published = Published::around(&sample, position);
            assert_eq!(published.find(&published.entries), Found::Nothing);
            let right = String::from_utf8(published.entries[position].clone()).unwrap();
            let next = Some(position + CHAINS.len()).filter(|next| *next <= last);
            let after = next.map_or(Found::Checkpoint, Found::Entry);
            let mut entries = published.entries.clone();
            for Tampering { what, respelled, text } in tamperings(&right) {
                entries[position] = text.into_bytes();
                let found = published.find(&entries);
                let named = found == Found::Entry(position) || (found == after && !respelled);
                let shown = String::from_utf8_lossy(&entries[position]);
                assert!(named, "{kind} at {position}, {what}: {found:?}\n{right}\n{shown}");
                *tried.entry(what).or_default() += 1;
            }
        }
    }
    println!("{} tamperings: {tried:#?}", tried.values().sum::<usize>());
    for (what, least) in [("one more", 40), ("flipped", 4), ("taken out", 400), ("escaped otherwise", 10_000)] {
        assert!(tried[what] >= least, "{what}: {}", tried[what]);
    }
}

#[test]
fn a_checkpoint_in_which_one_character_was_changed_says_nothing_of_the_tree() {
    let signer = Signer::new(KeyName::parse("log.example/main").unwrap(), SigningKey::from_bytes(&[1; 32]));
    let head = Published::around(&samples()[0].1, 0).head;
    let right = signed(&signer, head).to_string();
    let trust = Trust::in_key(signer.verifier().clone());
    for (at, character) in right.char_indices() {
        for new in ["0", "A", "", " ", "\n"].into_iter().filter(|new| *new != character.to_string()) {
            let wrong = with(&right, at..at + character.len_utf8(), new);
            let opened = Note::parse(wrong.as_bytes()).ok().and_then(|note| trust.open(&note).ok());
            assert!(opened.is_none(), "{wrong}");
        }
    }
}

// Whole entries: gaps, repetitions, another order, an end that is cut off.

/// Something that is done to the order of entries.
#[derive(Debug, Clone)]
enum Move {
    Remove(prop::sample::Index, usize),
    Truncate(prop::sample::Index),
    Swap(prop::sample::Index, prop::sample::Index),
    Repeat(prop::sample::Index, prop::sample::Index),
    Carry(prop::sample::Index, prop::sample::Index),
    Reverse(prop::sample::Index, usize),
}

impl Move {
    fn make(&self, entries: &mut Vec<Vec<u8>>) {
        let count = entries.len();
        if count == 0 {
            return;
        }
        let run = |from: usize, length: usize| from..(from + length).min(count);
        match self {
            Self::Remove(from, length) => drop(entries.drain(run(from.index(count), *length))),
            Self::Truncate(at) => entries.truncate(at.index(count)),
            Self::Swap(one, other) => entries.swap(one.index(count), other.index(count)),
            Self::Repeat(which, at) => entries.insert(at.index(count + 1), entries[which.index(count)].clone()),
            Self::Carry(from, to) => {
                let entry = entries.remove(from.index(count));
                entries.insert(to.index(count), entry);
            }
            Self::Reverse(from, length) => entries[run(from.index(count), *length)].reverse(),
        }
    }
}

fn moves() -> impl Strategy<Value = Move> {
    let at = any::<prop::sample::Index>;
    prop_oneof![
        (at(), 1..6_usize).prop_map(|(from, length)| Move::Remove(from, length)),
        at().prop_map(Move::Truncate),
        (at(), at()).prop_map(|(one, other)| Move::Swap(one, other)),
        (at(), at()).prop_map(|(which, to)| Move::Repeat(which, to)),
        (at(), at()).prop_map(|(from, to)| Move::Carry(from, to)),
        (at(), 2..8_usize).prop_map(|(from, length)| Move::Reverse(from, length)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn entries_that_are_missing_repeated_or_moved_are_found_and_nothing_before_them_is_blamed(
        chains in prop::collection::vec(0..CHAINS.len(), 1..24),
        moves in prop::collection::vec(moves(), 1..4),
    ) {
        let samples = samples();
        let content = |at: usize| samples[at % samples.len()].1.clone();
        let published = Published::of(chains.iter().enumerate().map(|(at, chain)| (CHAINS[*chain], content(at))));
        let mut entries = published.entries.clone();
        for step in &moves {
            step.make(&mut entries);
        }
        let found = published.find(&entries);
        if entries == published.entries {
            prop_assert_eq!(found, Found::Nothing);
            return Ok(());
        }
        let same = entries.iter().zip(&published.entries).take_while(|(now, was)| now == was).count();
        match found {
            Found::Nothing => prop_assert!(false, "not found"),
            Found::Entry(position) => prop_assert!((same..entries.len()).contains(&position), "{} of {}", position, same),
            Found::Checkpoint => {}
        }
    }
}
