//! Following the log's key from entry to entry, and what cannot be followed.

use countersign_core::Timestamp;
use countersign_core::chain::Chain;
use countersign_core::id::ChainId;
use countersign_evidence::entry::Draft;
use countersign_evidence::event::{Change, Event, LogKey};
use countersign_evidence::log::checkpoint::Trust;
use countersign_evidence::log::note::{KeyName, Note, NoteText, Signer, VerifierKey};
use countersign_evidence::log::rotation::{Break, Fault, InvalidSuccessor, Keys, endorse};

use crate::world::{Log, checkpoint, cosigner, key, signer};

fn entry<E: Event>(event: &E) -> Vec<u8> {
    Draft::new(ChainId::server(), None, Timestamp::from_millis(0), event).unwrap().seal(Chain::GENESIS).0
}

fn vkey(seed: u8) -> VerifierKey {
    signer(seed).verifier().clone()
}

/// An entry that says that `next` follows `previous`, with any endorsement.
fn names(previous: Option<&VerifierKey>, next: &VerifierKey, endorsement: Option<&Note>) -> Vec<u8> {
    entry(&LogKey {
        endorsement: endorsement.map(|note| note.to_string().into()),
        previous: previous.map(|key| key.to_string().into()),
        vkey: next.to_string().into(),
    })
}

fn rotated(previous: u8, next: u8) -> Vec<u8> {
    let endorsement = endorse(&signer(previous), &vkey(next)).unwrap();
    names(Some(&vkey(previous)), &vkey(next), Some(&endorsement))
}

/// Follows the entries, from index 0 on, from the key with seed `trusted`.
fn followed(trusted: u8, entries: &[Vec<u8>]) -> Keys {
    let mut keys = Keys::trusting(vkey(trusted));
    for (index, entry) in (0..).zip(entries) {
        keys.follow(index, entry);
    }
    keys
}

fn fault(keys: &Keys) -> Fault {
    keys.current().unwrap_err().fault.clone()
}

fn other() -> Vec<u8> {
    entry(&Change { by: "key_1", id: "log_key", noun: "server", verb: "create" })
}

#[test]
fn whoever_trusts_the_first_key_follows_it_to_the_present() {
    let keys = followed(1, &[names(None, &vkey(1), None), other(), rotated(1, 2), other(), rotated(2, 3), other()]);
    assert_eq!(keys.current(), Ok(&vkey(3)));
    let of = |size| keys.of_tree(size).unwrap().clone();
    assert_eq!([0, 1, 2, 3, 4, 5, 99].map(of), [1, 1, 1, 2, 2, 3, 3].map(vkey));
    assert_eq!(keys.spans().map(|(since, _)| since).collect::<Vec<_>>(), [0, 3, 5]);
}

#[test]
fn a_later_key_may_be_trusted_and_nothing_that_was_signed_before_it_is() {
    let keys = followed(2, &[names(None, &vkey(1), None), other(), rotated(1, 2), other(), rotated(2, 3)]);
    assert_eq!(keys.of_tree(2).unwrap_err(), &Break { entry: 0, vkey: vkey(1).to_string(), fault: Fault::NotEndorsed });
    assert_eq!(keys.of_tree(3), Ok(&vkey(2)));
    assert_eq!(keys.current(), Ok(&vkey(3)));
}

#[test]
fn a_key_whose_log_began_before_keys_were_recorded_holds_from_the_start() {
    let keys = followed(1, &[other(), names(None, &vkey(1), None)]);
    assert_eq!((keys.of_tree(1), keys.current()), (Ok(&vkey(1)), Ok(&vkey(1))));
    assert_eq!(followed(1, &[]).current(), Ok(&vkey(1)));
}

#[test]
fn a_checkpoint_opens_with_the_key_of_its_size_and_with_no_other() {
    let keys = followed(1, &[names(None, &vkey(1), None), rotated(1, 2)]);
    let opens = |size, seed| {
        let note = checkpoint(Log::of(size).head()).sign(&signer(seed));
        Trust::in_key(keys.of_tree(size).unwrap().clone()).open(&note).is_ok()
    };
    assert!(opens(1, 1) && opens(2, 2));
    // The old key is still somewhere: it must sign nothing any more.
    assert!(!opens(2, 1) && !opens(1, 2));
}

#[test]
fn a_key_that_nobody_endorses_is_not_followed() {
    let keys = followed(1, &[names(None, &vkey(1), None), names(Some(&vkey(1)), &vkey(2), None), rotated(2, 3)]);
    assert_eq!(keys.of_tree(1), Ok(&vkey(1)));
    let broken = keys.of_tree(2).unwrap_err();
    assert_eq!((broken.entry, broken.vkey.as_str()), (1, vkey(2).to_string().as_str()));
    // That it endorses a third one helps nobody who does not trust it.
    assert!(matches!(fault(&keys), Fault::NotByTrusted(_)));
    // Who is told of it out of band goes on from it.
    assert_eq!(followed(2, &[rotated(2, 3)]).current(), Ok(&vkey(3)));
}

#[test]
fn an_endorsement_by_another_key_is_none() {
    let by_itself = endorse(&signer(2), &vkey(9)).unwrap();
    let text = endorse(&signer(1), &vkey(2)).unwrap().text().clone();
    let forged = Note::sign(text.clone(), &signer(2));
    for endorsement in [&by_itself, &forged] {
        let keys = followed(1, &[names(Some(&vkey(1)), &vkey(2), Some(endorsement))]);
        assert!(matches!(fault(&keys), Fault::OtherText | Fault::NotByTrusted(_)), "{:?}", keys.current());
    }
    // One that says that it is of the trusted key, and is not.
    let line = forged.to_string().replace(&forged.signatures()[0].to_string(), "");
    let claimed = endorse(&signer(1), &vkey(3)).unwrap().signatures()[0].to_string();
    let spoiled = Note::parse(format!("{line}{claimed}").as_bytes()).unwrap();
    let keys = followed(1, &[names(Some(&vkey(1)), &vkey(2), Some(&spoiled))]);
    assert!(matches!(fault(&keys), Fault::NotByTrusted(_)));
}

#[test]
fn an_endorsement_of_one_key_does_not_serve_another() {
    let endorsement = endorse(&signer(1), &vkey(2)).unwrap();
    let keys = followed(1, &[names(Some(&vkey(1)), &vkey(3), Some(&endorsement))]);
    assert_eq!(fault(&keys), Fault::OtherText);
}

#[test]
fn an_endorsement_for_another_log_of_the_same_key_does_not_serve_this_one() {
    let elsewhere = KeyName::parse("log.example/other").unwrap();
    let [previous, next] = [1, 2].map(|seed| Signer::new(elsewhere.clone(), key(seed)));
    let endorsement = endorse(&previous, next.verifier()).unwrap();
    let keys = followed(1, &[names(Some(&vkey(1)), &vkey(2), Some(&endorsement))]);
    assert_eq!(fault(&keys), Fault::OtherText);
    let keys = followed(1, &[names(Some(&vkey(1)), next.verifier(), Some(&endorsement))]);
    assert_eq!(fault(&keys), Fault::OtherText);
}

#[test]
fn an_old_endorsement_cannot_be_used_again() {
    let keys = followed(1, &[rotated(1, 2), rotated(2, 3), rotated(1, 2)]);
    assert_eq!(fault(&keys), Fault::Retired);
    assert_eq!(keys.of_tree(2), Ok(&vkey(3)));
    // Nor may a key that was replaced be endorsed again.
    assert_eq!(fault(&followed(1, &[rotated(1, 2), rotated(2, 1)])), Fault::Retired);
}

#[test]
fn a_checkpoint_is_no_endorsement_and_a_note_of_any_other_text_is_none() {
    let texts = [
        checkpoint(Log::of(3).head()).text(),
        NoteText::new(format!("countersign.log-key/1\nlog.example/main\n{}\nmore\n", vkey(2))).unwrap(),
        NoteText::new(format!("countersign.log-key/2\nlog.example/main\n{}\n", vkey(2))).unwrap(),
    ];
    for text in texts {
        let keys = followed(1, &[names(Some(&vkey(1)), &vkey(2), Some(&Note::sign(text, &signer(1))))]);
        assert_eq!(fault(&keys), Fault::OtherText);
    }
}

#[test]
fn an_entry_that_names_no_key_stops_it() {
    let not_a_key = entry(&LogKey { endorsement: None, previous: None, vkey: "log.example/main".into() });
    let witness = names(None, cosigner(4).verifier(), None);
    assert_eq!(fault(&followed(1, &[not_a_key])), Fault::NoKey);
    assert_eq!(fault(&followed(1, &[witness])), Fault::NotEndorsed);
    let garbled = entry(&LogKey { endorsement: Some("yes".into()), previous: None, vkey: vkey(2).to_string().into() });
    assert!(matches!(fault(&followed(1, &[garbled])), Fault::NotANote(_)));
}

#[test]
fn after_a_break_the_trusted_key_may_come_back_and_vouch_again() {
    let stranger = names(Some(&vkey(1)), &vkey(7), None);
    let back = names(Some(&vkey(7)), &vkey(1), None);
    let keys = followed(1, &[stranger, back, rotated(1, 2)]);
    assert!(keys.of_tree(1).is_err());
    assert_eq!((keys.of_tree(2), keys.of_tree(3)), (Ok(&vkey(1)), Ok(&vkey(2))));
}

#[test]
fn a_key_endorses_only_another_key_of_its_own_log() {
    let elsewhere = Signer::new(KeyName::parse("log.example/other").unwrap(), key(2));
    assert!(matches!(endorse(&signer(1), elsewhere.verifier()), Err(InvalidSuccessor::OtherName { .. })));
    assert!(matches!(endorse(&signer(1), cosigner(2).verifier()), Err(InvalidSuccessor::NotALogKey(_))));
    assert_eq!(endorse(&signer(1), &vkey(1)), Err(InvalidSuccessor::Itself));
}

#[test]
fn an_endorsement_is_exactly_this_text() {
    let text = endorse(&signer(1), &vkey(2)).unwrap().text().as_str().to_owned();
    assert_eq!(text, format!("countersign.log-key/1\nlog.example/main\n{}\n", vkey(2)));
}
