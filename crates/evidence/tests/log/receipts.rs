//! Checkpoints and receipts: whom a reader believes, and about what.

use countersign_core::Timestamp;
use countersign_evidence::log::checkpoint::{Checkpoint, InvalidQuorum, Opened, Origin, Trust, Untrusted};
use countersign_evidence::log::merkle::{EMPTY_ROOT, Node, TreeHead, leaf_hash};
use countersign_evidence::log::note::{Note, NoteText, Unverified, VerifierKey};
use countersign_evidence::log::proof::{InvalidProof, prove_inclusion};
use countersign_evidence::log::receipt::{Fault, HEADER, InvalidReceipt, Receipt};
use countersign_evidence::log::witness::Request;
use proptest::prelude::*;

use crate::world::{Log, NAME, checkpoint, cosigner, entry, signed, signer};

fn text(text: &str) -> NoteText {
    NoteText::new(text.to_owned()).unwrap()
}

fn trust() -> Trust {
    Trust::in_key(signer(1).verifier().clone())
}

fn witnesses(seeds: &[u8]) -> Vec<VerifierKey> {
    seeds.iter().map(|seed| cosigner(*seed).verifier().clone()).collect()
}

/// The note with cosignatures of these witnesses, as a log collects them.
fn cosigned(mut note: Note, seeds: &[u8]) -> Note {
    for seed in seeds {
        let request = Request::new(0, Vec::new(), note.clone()).unwrap();
        let accepted = request.judge(&trust(), TreeHead::EMPTY).unwrap();
        let line = accepted.cosign(&cosigner(*seed), Timestamp::from_millis(1_679_315_147_999));
        assert_eq!(note.accept(vec![line], &witnesses(&[*seed])), 1);
    }
    note
}

fn receipt(log: &Log, index: u64) -> Receipt {
    let proof = prove_inclusion(index, log.frontier.size(), &mut |node: Node| log.hash(node)).unwrap();
    Receipt { index, proof, checkpoint: signed(log.head()), extra: Vec::new() }
}

#[test]
fn a_checkpoint_is_three_lines() {
    let head = TreeHead { size: 20_852_163, root: leaf_hash(b"") };
    let printed = checkpoint(head).to_string();
    assert_eq!(printed, "log.example/main\n20852163\nbjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoB0=\n");
    assert_eq!(Checkpoint::parse(&text(&printed)).unwrap(), checkpoint(head));
}

#[test]
fn lines_after_the_root_are_kept_and_signed() {
    let printed = "example.com/behind the sofa\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\nMore\nlines\n";
    let found = Checkpoint::parse(&text(printed)).unwrap();
    assert_eq!(found.extensions(), ["More", "lines"]);
    assert_eq!(found.head(), TreeHead { size: 0, root: EMPTY_ROOT });
    assert_eq!(found.to_string(), printed);
    assert_eq!(found.sign(&signer(1)).text().as_str(), printed);
}

#[test]
fn a_text_with_another_spelling_is_no_checkpoint() {
    let root = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
    for bad in [
        "\n".to_owned(),
        "log\n".to_owned(),
        "log\n1\n".to_owned(),
        format!("\n1\n{root}\n"),
        format!("log\n01\n{root}\n"),
        format!("log\n+1\n{root}\n"),
        format!("log\n-1\n{root}\n"),
        format!("log\n\n{root}\n"),
        format!("log\n18446744073709551616\n{root}\n"),
        format!("log\n1 \n{root}\n"),
        format!("log\n1\n{}\n", root.replace("FU=", "FV=")),
        format!("log\n1\n{}\n", &root[..43]),
        "log\n1\nAAAA\n".to_owned(),
        "log\n1\n\n".to_owned(),
        format!("log\n1\n{root}\n\n"),
        format!("log\n1\n{root}\nmore\n\nmore\n"),
        format!("lo\u{7f}g\n1\n{root}\n"),
    ] {
        assert!(Checkpoint::parse(&text(&bad)).is_err(), "{bad:?}");
    }
}

#[test]
fn a_checkpoint_is_believed_only_when_its_log_signed_it() {
    let head = Log::of(5).head();
    let opened = trust().open(&signed(head)).unwrap();
    let by = vec![signer(1).verifier().clone()];
    assert_eq!(opened, Opened { checkpoint: checkpoint(head), signed_by: by, witnessed: Vec::new() });

    let by_another = checkpoint(head).sign(&signer(2));
    assert_eq!(trust().open(&by_another), Err(Untrusted::NotSigned(Unverified::NoKnownKey)));
    let elsewhere = Checkpoint::new(Origin::parse("log.example/other").unwrap(), head).sign(&signer(1));
    assert!(matches!(trust().open(&elsewhere), Err(Untrusted::OtherLog { .. })));
    let no_checkpoint = Note::sign(text("hello\n"), &signer(1));
    assert!(matches!(trust().open(&no_checkpoint), Err(Untrusted::NotACheckpoint(_))));
}

#[test]
fn a_new_key_beside_the_old_one_is_believed_by_those_who_know_either() {
    let note = signed(Log::of(5).head()).also_signed_by(&signer(2));
    for seed in [1, 2] {
        assert!(Trust::in_key(signer(seed).verifier().clone()).open(&note).is_ok());
    }
    let both =
        Trust::new(Origin::parse(NAME).unwrap(), vec![signer(1).verifier().clone(), signer(2).verifier().clone()]);
    assert_eq!(both.open(&note).unwrap().signed_by.len(), 2);
}

#[test]
fn a_quorum_counts_witnesses_and_not_signatures() {
    let note = signed(Log::of(5).head());
    let trust = trust().witnessed(witnesses(&[10, 11, 12]), 2).unwrap();
    assert_eq!(trust.open(&note), Err(Untrusted::TooFewWitnesses { found: 0, required: 2 }));
    let one = cosigned(note.clone(), &[10]);
    assert_eq!(trust.open(&one), Err(Untrusted::TooFewWitnesses { found: 1, required: 2 }));
    // One witness twice, and one nobody asked for.
    let not_enough = cosigned(cosigned(one.clone(), &[13]), &[]);
    assert_eq!(trust.open(&not_enough), Err(Untrusted::TooFewWitnesses { found: 1, required: 2 }));
    let opened = trust.open(&cosigned(one, &[12])).unwrap();
    let names: Vec<_> = opened.witnessed.iter().map(|by| by.name.as_str()).collect();
    assert_eq!(names, ["witness10.example", "witness12.example"]);
    // A cosignature is to the second.
    assert_eq!(opened.witnessed[0].at, Timestamp::from_millis(1_679_315_147_000));
}

#[test]
fn one_key_under_two_names_is_one_witness() {
    let ten = cosigner(10).verifier().clone();
    let alias = VerifierKey::new(cosigner(11).verifier().name().clone(), ten.algorithm(), *ten.key());
    let found = trust().witnessed(vec![ten, alias], 2);
    assert!(matches!(found, Err(InvalidQuorum::OutOfReach { required: 2, known: 1 })));
}

#[test]
fn a_log_s_own_key_is_no_witness() {
    let found = trust().witnessed(vec![signer(1).verifier().clone()], 1);
    assert!(matches!(found, Err(InvalidQuorum::NotAWitness(_))));
}

#[test]
fn a_forged_cosignature_of_a_trusted_witness_spoils_the_checkpoint() {
    let printed = cosigned(signed(Log::of(5).head()), &[10]).to_string();
    let (rest, _) = printed.trim_end().rsplit_once(' ').unwrap();
    let other = cosigned(signed(Log::of(6).head()), &[10]).to_string();
    let (_, forged) = other.trim_end().rsplit_once(' ').unwrap();
    let note = Note::parse(format!("{rest} {forged}\n").as_bytes()).unwrap();
    assert!(trust().open(&note).is_ok());
    let strict = trust().witnessed(witnesses(&[10]), 0).unwrap();
    assert!(matches!(strict.open(&note), Err(Untrusted::NotWitnessed(_))));
}

#[test]
fn a_receipt_is_the_text_that_the_specification_shows() {
    let log = Log::of(3);
    let mut receipt = receipt(&log, 2);
    let printed = receipt.to_string();
    let note = signed(log.head()).to_string();
    let [beside] = &log.levels[1][..] else { panic!("three leaves have one pair") };
    let beside = checkpoint(TreeHead { size: 0, root: *beside }).to_string();
    let beside = beside.lines().nth(2).unwrap();
    assert_eq!(printed, format!("c2sp.org/tlog-proof@v1\nindex 2\n{beside}\n\n{note}"));
    receipt.extra = b"extra information".to_vec();
    let printed = receipt.to_string();
    assert!(printed.starts_with("c2sp.org/tlog-proof@v1\nextra ZXh0cmEgaW5mb3JtYXRpb24=\nindex 2\n"));
    assert_eq!(Receipt::parse(printed.as_bytes()).unwrap(), receipt);
}

#[test]
fn a_receipt_of_the_only_entry_has_no_hashes() {
    let log = Log::of(1);
    let receipt = receipt(&log, 0);
    assert_eq!(receipt.to_string(), format!("{HEADER}\nindex 0\n\n{}", signed(log.head())));
    assert_eq!(Receipt::parse(receipt.to_string().as_bytes()).unwrap(), receipt);
    assert!(receipt.verify(&entry(0), &trust()).is_ok());
}

#[test]
fn a_receipt_shows_its_entry_and_no_other() {
    let log = Log::of(1000);
    for index in [0, 1, 255, 256, 511, 998, 999] {
        let receipt = Receipt::parse(receipt(&log, index).to_string().as_bytes()).unwrap();
        let found = receipt.verify(&entry(index), &trust()).unwrap();
        assert_eq!((found.index, found.checkpoint.checkpoint.head()), (index, log.head()));
        let other = receipt.verify(&entry(index + 1), &trust());
        assert_eq!(other, Err(Fault::Proof(InvalidProof::WrongRoot)));
        let moved = Receipt { index: index ^ 1, ..receipt.clone() };
        assert!(moved.verify(&entry(index), &trust()).is_err());
        let stranger = Trust::in_key(signer(2).verifier().clone());
        assert!(matches!(receipt.verify(&entry(index), &stranger), Err(Fault::Checkpoint(_))));
    }
}

#[test]
fn a_receipt_has_one_spelling() {
    let good = receipt(&Log::of(3), 2).to_string();
    let rest = good.strip_prefix("c2sp.org/tlog-proof@v1\nindex 2\n").unwrap();
    let hash = rest.lines().next().unwrap();
    let note = rest.split_once("\n\n").unwrap().1;
    for (bad, fault) in [
        (String::new(), InvalidReceipt::OtherFormat),
        (good.replace("@v1", "@v2"), InvalidReceipt::OtherFormat),
        (good.replace("@v1\n", "@v1 \n"), InvalidReceipt::OtherFormat),
        (good.replace("@v1\n", "@v1\r\n"), InvalidReceipt::OtherFormat),
        (format!("\n{good}"), InvalidReceipt::OtherFormat),
        (format!("{HEADER}\n{rest}"), InvalidReceipt::Malformed),
        (format!("{HEADER}\nindex 02\n{rest}"), InvalidReceipt::Malformed),
        (format!("{HEADER}\nindex -2\n{rest}"), InvalidReceipt::Malformed),
        (format!("{HEADER}\nindex  2\n{rest}"), InvalidReceipt::Malformed),
        (format!("{HEADER}\nIndex 2\n{rest}"), InvalidReceipt::Malformed),
        (format!("{HEADER}\nindex 2\nextra QQ==\n{rest}"), InvalidReceipt::Malformed),
        (format!("{HEADER}\nextra \nindex 2\n{rest}"), InvalidReceipt::Malformed),
        (format!("{HEADER}\nextra QQ\nindex 2\n{rest}"), InvalidReceipt::Malformed),
        (format!("{HEADER}\nextra QQ==\nextra QQ==\nindex 2\n{rest}"), InvalidReceipt::Malformed),
        (format!("{HEADER}\nindex 2\n{}\n\n{note}", &hash[1..]), InvalidReceipt::Malformed),
        (format!("{HEADER}\nindex 2\n{hash}{hash}\n\n{note}"), InvalidReceipt::Malformed),
        (format!("{HEADER}\nindex 2\n{}\n{note}", format!("{hash}\n").repeat(64)), InvalidReceipt::Malformed),
        (format!("{HEADER}\nindex 2\n{hash}\n"), InvalidReceipt::Malformed),
    ] {
        assert_eq!(Receipt::parse(bad.as_bytes()), Err(fault), "{bad:?}");
    }
    for bad in [
        format!("{HEADER}\nindex 2\n{hash}\n\n"),
        format!("{HEADER}\nindex 2\n{hash}\n\n{note}\n"),
        good[..good.len() - 1].to_owned(),
    ] {
        assert!(matches!(Receipt::parse(bad.as_bytes()), Err(InvalidReceipt::Note(_))), "{bad:?}");
    }
}

proptest! {
    #[test]
    fn a_receipt_with_any_byte_changed_shows_nothing_else(
        size in 1..600_u64, index in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), bit in 0..8_u32,
    ) {
        let log = Log::of(size);
        let index = index.index(usize::try_from(size).unwrap()) as u64;
        let receipt = receipt(&log, index);
        let mut bytes = receipt.to_string().into_bytes();
        prop_assert_eq!(&Receipt::parse(&bytes).unwrap(), &receipt);
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let found = Receipt::parse(&bytes).map_err(drop).and_then(|receipt| receipt.verify(&entry(index), &trust()).map_err(drop));
        prop_assert!(found.is_err());
    }
}
