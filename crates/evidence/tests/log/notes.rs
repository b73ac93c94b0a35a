//! Signed notes and verifier keys, against those that other programs made.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use countersign_evidence::log::note::{
    Algorithm, InvalidNote, KeyName, Note, NoteText, Signer, Unverified, VerifierKey, parse_signatures,
};
use ed25519_dalek::SigningKey;
use proptest::prelude::*;

use crate::world::{cosigner, key, signer};

// From the tests of Go's `golang.org/x/mod/sumdb/note`.
const PETER: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const PETER_KEY: &str = "AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
const ENOCH: &str = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop";
const TEXT: &str =
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n";
const PETER_LINE: &str =
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
const ENOCH_LINE: &str =
    "— EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=\n";

fn keys(texts: &[&str]) -> Vec<VerifierKey> {
    texts.iter().map(|text| VerifierKey::parse(text).unwrap()).collect()
}

fn note(text: &str) -> Result<Note, InvalidNote> {
    Note::parse(text.as_bytes())
}

/// The signer whose key Go writes as `PRIVATE+KEY+PeterNeumann+c74f20a3+…`: a type
/// byte and the seed.
fn peter() -> Signer {
    let key = BASE64_STANDARD.decode(PETER_KEY).unwrap();
    Signer::new(KeyName::parse("PeterNeumann").unwrap(), SigningKey::from_bytes(key[1..].try_into().unwrap()))
}

#[test]
fn a_note_is_signed_as_go_signs_it() {
    let signed = Note::sign(NoteText::new(TEXT.to_owned()).unwrap(), &peter());
    assert_eq!(signed.to_string(), format!("{TEXT}\n{PETER_LINE}"));
    assert_eq!(peter().verifier().to_string(), PETER);
}

#[test]
fn only_signatures_of_known_keys_count() {
    let both = note(&format!("{TEXT}\n{PETER_LINE}{ENOCH_LINE}")).unwrap();
    for (known, found) in [(&[PETER][..], &["PeterNeumann"][..]), (&[PETER, ENOCH], &["PeterNeumann", "EnochRoot"])] {
        let known = keys(known);
        let names: Vec<_> = both.verify(&known).unwrap().iter().map(|by| by.key.name().as_str()).collect();
        assert_eq!(names, found);
    }
    assert_eq!(both.verify(&[]), Err(Unverified::NoKnownKey));
    assert_eq!(both.text().as_str(), TEXT);
    assert_eq!(both.signatures().len(), 2);
}

#[test]
fn a_bad_signature_of_a_known_key_spoils_the_note_and_one_of_an_unknown_key_does_not() {
    let forged = PETER_LINE.replace("Sffcv", "Sffcw");
    let bad = note(&format!("{TEXT}\n{forged}{ENOCH_LINE}")).unwrap();
    assert!(matches!(bad.verify(&keys(&[PETER, ENOCH])), Err(Unverified::BadSignature(_))));
    assert_eq!(bad.verify(&keys(&[ENOCH])).unwrap().len(), 1);
    // Too long to be a signature of this kind, so not one.
    let long = note(&format!("{TEXT}\n{}", PETER_LINE.replace("UG/S", "UG/SABCD"))).unwrap();
    assert!(matches!(long.verify(&keys(&[PETER])), Err(Unverified::BadSignature(_))));
}

#[test]
fn a_name_or_an_id_alone_does_not_make_a_key_known() {
    let misnamed = note(&format!("{TEXT}\n{}", PETER_LINE.replace("PeterNeumann", "CarmenSandiego"))).unwrap();
    assert_eq!(misnamed.verify(&keys(&[PETER])), Err(Unverified::NoKnownKey));
    let other_id = note(&format!("{TEXT}\n{}", PETER_LINE.replace("x08go", "xxxxo"))).unwrap();
    assert_eq!(other_id.verify(&keys(&[PETER])), Err(Unverified::NoKnownKey));
}

#[test]
fn what_go_calls_malformed_is_malformed() {
    let unfinished = &PETER_LINE[..PETER_LINE.len() - 1];
    for (text, fault) in [
        (TEXT.to_owned(), InvalidNote::NoSignatures),
        (format!("{TEXT}\n"), InvalidNote::NoSignatures),
        (format!("{TEXT}\n{unfinished}"), InvalidNote::Unfinished),
        (format!("\u{1}{TEXT}\n{PETER_LINE}"), InvalidNote::ControlCharacter),
        (format!("{}\n{PETER_LINE}", TEXT.replace('\n', "\r\n")), InvalidNote::ControlCharacter),
        (format!("{TEXT}\n{}", PETER_LINE.replace('\n', "\r\n")), InvalidNote::MalformedSignature),
        (format!("{TEXT}\n{}", PETER_LINE.replace("PeterNeumann", "Bad Name")), InvalidNote::MalformedSignature),
        (format!("{TEXT}\n{}", PETER_LINE.replace("PeterNeumann", "Bad+Name")), InvalidNote::MalformedSignature),
        (format!("{TEXT}\n{}", PETER_LINE.replace("PeterNeumann", "")), InvalidNote::MalformedSignature),
        (format!("{TEXT}\n{}", PETER_LINE.replace('—', "-")), InvalidNote::MalformedSignature),
        (format!("{TEXT}\n{}", PETER_LINE.replace("nAM=", "nAM")), InvalidNote::MalformedSignature),
        (format!("{TEXT}\n{}", PETER_LINE.replace("nAM=", "nAN=")), InvalidNote::MalformedSignature),
        (format!("{TEXT}\n— PeterNeumann x08gow==\n"), InvalidNote::MalformedSignature),
        (format!("{TEXT}\n{PETER_LINE}Unexpected line.\n"), InvalidNote::MalformedSignature),
        (format!("{TEXT}\n{}", PETER_LINE.repeat(101)), InvalidNote::TooManySignatures),
        (String::new(), InvalidNote::Unfinished),
    ] {
        assert_eq!(note(&text), Err(fault), "{text:?}");
    }
    assert_eq!(
        Note::parse(&[b"\xff", TEXT.as_bytes(), b"\n", PETER_LINE.as_bytes()].concat()),
        Err(InvalidNote::NotText)
    );
    assert!(note(&format!("{TEXT}\n{}", PETER_LINE.repeat(100))).is_ok());
}

#[test]
fn the_text_may_hold_empty_lines() {
    let text = "Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\ned è subito sera.\n\n";
    let signed = Note::sign(NoteText::new(text.to_owned()).unwrap(), &signer(1));
    let read = note(&signed.to_string()).unwrap();
    assert_eq!(read, signed);
    assert_eq!(read.text().as_str(), text);
    assert!(read.verify(&[signer(1).verifier().clone()]).is_ok());
}

#[test]
fn text_without_a_last_newline_is_not_signed() {
    assert_eq!(NoteText::new("abc".to_owned()), Err(InvalidNote::Unfinished));
    assert_eq!(NoteText::new("a\tb\n".to_owned()), Err(InvalidNote::ControlCharacter));
}

#[test]
fn no_mangled_verifier_key_is_read() {
    for (start, _) in PETER.char_indices() {
        for end in start + 1..=PETER.len() {
            assert_eq!(VerifierKey::parse(&PETER[start..end]).is_ok(), (start, end) == (0, PETER.len()));
        }
    }
    for at in 0..PETER.len() {
        let mut mangled = PETER.as_bytes().to_vec();
        mangled[at] += 1;
        assert!(VerifierKey::parse(std::str::from_utf8(&mangled).unwrap()).is_err(), "{at}");
    }
    for other in [
        // A key that is too long, a type that is unknown, an id in capitals.
        "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==",
        "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+C74F20A3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW\n",
    ] {
        assert!(VerifierKey::parse(other).is_err(), "{other}");
    }
}

#[test]
fn a_witness_s_key_is_read_as_one() {
    // From the tests of transparency-dev/formats.
    let text = "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2";
    let key = VerifierKey::parse(text).unwrap();
    assert_eq!(key.algorithm(), Algorithm::CosignatureV1);
    assert_eq!((key.name().as_str(), key.to_string().as_str()), ("remora.n621.de", text));
}

#[test]
fn the_same_key_has_another_id_for_another_use() {
    let name = KeyName::parse("log.example").unwrap();
    let [log, witness] = [Algorithm::Ed25519, Algorithm::CosignatureV1]
        .map(|algorithm| VerifierKey::new(name.clone(), algorithm, key(1).verifying_key()));
    assert_ne!(log.to_string(), witness.to_string());
}

#[test]
fn a_name_with_a_space_or_a_plus_is_no_name() {
    for bad in ["", " ", "a b", "a+b", "a\u{a0}b", "a\u{2003}b", "a\nb", "a\tb"] {
        assert!(KeyName::parse(bad).is_err(), "{bad:?}");
    }
    assert_eq!(KeyName::parse("пример.example/журнал").unwrap().as_str(), "пример.example/журнал");
}

#[test]
fn a_log_s_signature_is_never_taken_for_a_witness_s() {
    let signed = Note::sign(NoteText::new(TEXT.to_owned()).unwrap(), &signer(1));
    let name = signer(1).verifier().name().clone();
    let witness = VerifierKey::new(name, Algorithm::CosignatureV1, key(1).verifying_key());
    assert_eq!(signed.verify(&[witness]), Err(Unverified::NoKnownKey));
}

#[test]
fn signature_lines_are_read_on_their_own() {
    let lines = format!("{PETER_LINE}{ENOCH_LINE}");
    let found = parse_signatures(&lines).unwrap();
    assert_eq!(found.iter().map(ToString::to_string).collect::<String>(), lines);
    assert_eq!(found[0].key_id().to_string(), "c74f20a3");
    assert_eq!(parse_signatures("").unwrap(), []);
    assert_eq!(parse_signatures("hello\n"), Err(InvalidNote::MalformedSignature));
}

#[test]
fn keys_are_not_printed() {
    let secret = format!("{:?}", [7_u8; 32]);
    let secret = secret.trim_matches(['[', ']']);
    assert!(!format!("{:?} {:?}", signer(7), cosigner(7)).contains(secret));
}

proptest! {
    #[test]
    fn any_note_reads_back_and_any_changed_byte_spoils_it(
        text in "[ -~äé\u{2014}\n]{0,80}\n", at in any::<prop::sample::Index>(), bit in 0..8_u32,
    ) {
        let signed = Note::sign(NoteText::new(text).unwrap(), &signer(1)).also_signed_by(&signer(2));
        let known = [signer(1).verifier().clone(), signer(2).verifier().clone()];
        let mut bytes = signed.to_string().into_bytes();
        prop_assert_eq!(&Note::parse(&bytes).unwrap(), &signed);
        prop_assert_eq!(signed.verify(&known).unwrap().len(), 2);
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        // It may still be a note of one of the two, with a name or an id nobody knows.
        if let Ok(found) = Note::parse(&bytes).map_err(drop).and_then(|note| note.verify(&known).map(|by| (by.len(), note.text().clone())).map_err(drop)) {
            prop_assert_eq!(found, (1, signed.text().clone()));
        }
    }

    #[test]
    fn any_bytes_are_refused_or_print_the_same(text in "(a|\n|— |log.example/main |AAAAAAA=|AQ==|\r| |é){0,12}") {
        if let Ok(note) = Note::parse(text.as_bytes()) {
            prop_assert_eq!(note.to_string(), text);
        }
    }
}
