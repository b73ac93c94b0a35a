//! What a witness cosigns, and what it answers when it does not.

use countersign_core::{Digest, Timestamp};
use countersign_evidence::log::checkpoint::{Checkpoint, Origin, Trust};
use countersign_evidence::log::merkle::{Node, TreeHead, leaf_hash};
use countersign_evidence::log::note::{Note, parse_signatures};
use countersign_evidence::log::proof::{InvalidProof, prove_consistency};
use countersign_evidence::log::tile_reader::TileReader;
use countersign_evidence::log::witness::{Refusal, Request, Views, split_view, split_view_in};
use proptest::prelude::*;

use crate::world::{Log, checkpoint, cosigner, key, mth, signed, signer};

const NOW: Timestamp = Timestamp::from_millis(1_679_315_147_123);

fn trust() -> Trust {
    Trust::in_key(signer(1).verifier().clone())
}

fn proof(log: &Log, old: u64, new: u64) -> Vec<Digest> {
    prove_consistency(old, new, &mut |node: Node| log.hash(node)).unwrap()
}

fn request(log: &Log, old: u64, new: u64) -> Request {
    Request::new(old, proof(log, old, new), signed(log.head_at(new))).unwrap()
}

/// Another tree with as many entries, of which only the last one differs.
fn fork(log: &Log) -> TreeHead {
    let mut leaves = log.levels[0].clone();
    *leaves.last_mut().unwrap() = leaf_hash(b"another");
    TreeHead { size: leaves.len() as u64, root: mth(&leaves) }
}

#[test]
fn a_request_is_the_text_that_the_specification_shows() {
    let log = Log::of(8);
    let request = request(&log, 4, 8);
    let printed = request.to_string();
    let beside = checkpoint(TreeHead { size: 0, root: log.levels[2][1] }).to_string();
    let beside = beside.lines().nth(2).unwrap();
    assert_eq!(printed, format!("old 4\n{beside}\n\n{}", signed(log.head())));
    assert_eq!(Request::parse(printed.as_bytes()).unwrap(), request);
}

#[test]
fn a_witness_follows_a_log_that_only_grows() {
    let log = Log::of(700);
    let mut seen = TreeHead::EMPTY;
    for size in [1, 2, 3, 3, 255, 256, 257, 700] {
        let request = Request::parse(request(&log, seen.size, size).to_string().as_bytes()).unwrap();
        let accepted = request.judge(&trust(), seen).unwrap();
        assert_eq!((accepted.before(), accepted.after()), (seen, log.head_at(size)));
        seen = accepted.after();

        // The log takes the answer into its checkpoint, where anyone can verify it.
        let answer = accepted.cosign(&cosigner(9), NOW).to_string();
        let witness = [cosigner(9).verifier().clone()];
        let mut note = signed(seen);
        assert_eq!(note.accept(parse_signatures(&answer).unwrap(), &witness), 1);
        assert_eq!(note.accept(parse_signatures(&answer).unwrap(), &witness), 0);
        let note = Note::parse(note.to_string().as_bytes()).unwrap();
        assert_eq!(note.verify(&witness).unwrap()[0].at, Some(Timestamp::from_millis(1_679_315_147_000)));
    }
}

#[test]
fn a_cosignature_is_over_the_time_and_the_text() {
    use ed25519_dalek::Signer as _;
    let head = Log::of(3).head();
    let line =
        request(&Log::of(3), 0, 3).judge(&trust(), TreeHead::EMPTY).unwrap().cosign(&cosigner(9), NOW).to_string();
    let message = format!("cosignature/v1\ntime 1679315147\n{}", checkpoint(head));
    let signature = key(9).sign(message.as_bytes()).to_bytes();
    let id =
        countersign_core::Digest::of(&[&b"witness9.example\n\x04"[..], key(9).verifying_key().as_bytes()].concat());
    let bytes = [&id.as_bytes()[..4], &1_679_315_147_u64.to_be_bytes(), &signature].concat();
    assert_eq!(
        line,
        format!("— witness9.example {}\n", base64::Engine::encode(&base64::prelude::BASE64_STANDARD, bytes))
    );
}

#[test]
fn only_what_the_log_s_own_keys_signed_is_judged() {
    let log = Log::of(8);
    let by_another = checkpoint(log.head()).sign(&signer(2));
    let found = Request::new(0, Vec::new(), by_another).unwrap().judge(&trust(), TreeHead::EMPTY);
    assert_eq!(found.unwrap_err(), Refusal::NotSigned);
    let elsewhere = Checkpoint::new(Origin::parse("log.example/other").unwrap(), log.head()).sign(&signer(1));
    let request = Request::new(0, Vec::new(), elsewhere).unwrap();
    assert_eq!(request.origin().as_str(), "log.example/other");
    assert_eq!(request.judge(&trust(), TreeHead::EMPTY).unwrap_err(), Refusal::UnknownLog);
}

#[test]
fn a_log_that_missed_an_answer_is_told_the_size() {
    let log = Log::of(8);
    let seen = log.head_at(5);
    for old in [0, 4, 6] {
        let refusal = request(&log, old, 8).judge(&trust(), seen).unwrap_err();
        assert_eq!(refusal, Refusal::Conflict { size: 5 });
        assert_eq!((refusal.status(), refusal.body()), (409, "5\n".to_owned()));
    }
}

#[test]
fn a_second_tree_of_the_same_size_is_not_cosigned() {
    let log = Log::of(8);
    let request = Request::new(8, Vec::new(), signed(fork(&log))).unwrap();
    assert_eq!(request.judge(&trust(), log.head()).unwrap_err(), Refusal::Conflict { size: 8 });
}

#[test]
fn a_tree_that_does_not_continue_the_old_one_is_not_cosigned() {
    let log = Log::of(8);
    let short = Log::of(5);
    let seen = fork(&short);
    let refusal = request(&log, 5, 8).judge(&trust(), seen).unwrap_err();
    assert_eq!(refusal, Refusal::NotProved(InvalidProof::WrongRoot));
    let request = Request::new(5, Vec::new(), signed(log.head())).unwrap();
    let refusal = request.judge(&trust(), log.head_at(5)).unwrap_err();
    assert_eq!(refusal, Refusal::NotProved(InvalidProof::TooShort));
}

#[test]
fn the_first_tree_comes_without_a_proof() {
    let log = Log::of(8);
    let request = Request::new(0, proof(&log, 4, 8), signed(log.head())).unwrap();
    let refusal = request.judge(&trust(), TreeHead::EMPTY).unwrap_err();
    assert_eq!(refusal, Refusal::NotProved(InvalidProof::FromNothing));
}

#[test]
fn a_tree_never_shrinks() {
    let log = Log::of(8);
    let request = Request::new(8, Vec::new(), signed(log.head_at(5))).unwrap();
    assert_eq!(request.judge(&trust(), log.head()).unwrap_err(), Refusal::Shrinks);
}

#[test]
fn an_empty_tree_has_one_root() {
    let request = Request::new(0, Vec::new(), signed(TreeHead { size: 0, root: leaf_hash(b"") })).unwrap();
    assert_eq!(request.judge(&trust(), TreeHead::EMPTY).unwrap_err(), Refusal::Conflict { size: 0 });
}

#[test]
fn every_refusal_has_the_status_of_the_specification() {
    let malformed = Refusal::from(Request::parse(b"").unwrap_err());
    let statuses = [
        malformed,
        Refusal::Shrinks,
        Refusal::NotSigned,
        Refusal::UnknownLog,
        Refusal::Conflict { size: 0 },
        Refusal::NotProved(InvalidProof::TooLong),
    ]
    .map(|refusal| refusal.status());
    assert_eq!(statuses, [400, 400, 403, 404, 409, 422]);
}

#[test]
fn a_request_has_one_spelling() {
    let good = request(&Log::of(8), 4, 8).to_string();
    let (head, note) = good.split_once("\n\n").unwrap();
    let hash = head.lines().nth(1).unwrap();
    for bad in [
        String::new(),
        good.replacen("old 4", "old 04", 1),
        good.replacen("old 4", "old  4", 1),
        good.replacen("old 4", "old", 1),
        good.replacen("old 4", "new 4", 1),
        good.replacen("old 4\n", "old 4\r\n", 1),
        good.replacen("old 4\n", "", 1),
        good.replacen(hash, &hash[..40], 1),
        good.replacen("\n\n", "\n", 1),
        format!("old 4\n{}\n{note}", format!("{hash}\n").repeat(64)),
        head.to_owned(),
        format!("{head}\n\n"),
        format!("{head}\n\nhello\n\n— log.example AAAAAAA=\n"),
        good.trim_end().to_owned(),
    ] {
        assert!(Request::parse(bad.as_bytes()).is_err(), "{bad:?}");
    }
    assert!(Request::parse(format!("old 4\n{}\n{note}", format!("{hash}\n").repeat(63)).as_bytes()).is_ok());
}

#[test]
fn two_trees_of_one_size_are_a_split_view() {
    let log = Log::of(8);
    let (one, other) = (checkpoint(log.head()), checkpoint(fork(&log)));
    assert_eq!(split_view(&one, &one, None), Views::Same);
    assert_eq!(split_view(&one, &other, None), Views::Split);
    let elsewhere = Checkpoint::new(Origin::parse("log.example/other").unwrap(), fork(&log));
    assert_eq!(split_view(&one, &elsewhere, None), Views::Unrelated);
}

#[test]
fn a_proof_shows_agreement_and_its_absence_shows_nothing() {
    let log = Log::of(8);
    let (old, new) = (checkpoint(log.head_at(5)), checkpoint(log.head()));
    let good = proof(&log, 5, 8);
    for (a, b) in [(&old, &new), (&new, &old)] {
        assert_eq!(split_view(a, b, Some(&good)), Views::Consistent);
        assert_eq!(split_view(a, b, None), Views::Unproved);
        assert_eq!(split_view(a, b, Some(&good[1..])), Views::Unproved);
    }
    assert_eq!(split_view(&checkpoint(TreeHead::EMPTY), &new, None), Views::Consistent);
    let no_tree = checkpoint(TreeHead { size: 0, root: leaf_hash(b"") });
    assert_eq!(split_view(&no_tree, &new, None), Views::Split);
}

#[test]
fn the_tiles_of_the_larger_tree_show_a_split_view_of_other_sizes() {
    let log = Log::of(600);
    let new = checkpoint(log.head());
    let read = || TileReader::checking(log.head(), |path| log.file(path));
    let honest = checkpoint(log.head_at(300));
    assert_eq!(split_view_in(&honest, &new, &mut read()).unwrap(), Views::Consistent);
    let forked = checkpoint(fork(&Log::of(300)));
    assert_eq!(split_view_in(&new, &forked, &mut read()).unwrap(), Views::Split);
}

proptest! {
    #[test]
    fn a_witness_never_cosigns_two_trees_of_one_size(sizes in prop::collection::vec((0..60_u64, any::<bool>()), 1..30)) {
        // A log that keeps two books: one of them differs from its tenth entry on.
        let honest = Log::of(60);
        let mut leaves = honest.levels[0].clone();
        leaves[10] = leaf_hash(b"another");
        let mut seen = TreeHead::EMPTY;
        let mut cosigned: Vec<TreeHead> = Vec::new();
        for (size, lies) in sizes {
            let known = if lies { &leaves } else { &honest.levels[0] };
            let known = &known[..usize::try_from(size).unwrap()];
            let head = TreeHead { size, root: mth(known) };
            let old = usize::try_from(seen.size).unwrap();
            let proof = if old == 0 || old > known.len() { Vec::new() } else { crate::world::subproof(old, known, true) };
            let request = Request::new(seen.size, proof, signed(head)).unwrap();
            if let Ok(accepted) = request.judge(&trust(), seen) {
                seen = accepted.after();
                cosigned.push(seen);
            }
        }
        let book = |leaves: &[Digest]| cosigned.iter().all(|head| head.root == mth(&leaves[..usize::try_from(head.size).unwrap()]));
        prop_assert!(book(&honest.levels[0]) || book(&leaves));
    }
}
