//! Programs that we did not write read our log, and we read what they sign.

use std::path::Path;
use std::process::Command;
use std::{fs, str};

use countersign_core::Timestamp;
use countersign_evidence::log::checkpoint::Trust;
use countersign_evidence::log::merkle::{Node, TreeHead};
use countersign_evidence::log::note::{Note, VerifierKey};
use countersign_evidence::log::proof::{prove_consistency, prove_inclusion};
use countersign_evidence::log::receipt::Receipt;
use countersign_evidence::log::witness::Request;

use crate::world::{Log, checkpoint, cosigner, signed, signer};

const SIZE: u64 = 1000;

/// The log's files, and proofs in them.
fn write(folder: &Path) {
    let log = Log::of(SIZE);
    let write = |name: &str, bytes: &[u8]| {
        let file = folder.join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, bytes).unwrap();
    };
    let mut note = signed(log.head());
    let trust = Trust::in_key(signer(1).verifier().clone());
    let accepted = Request::new(0, Vec::new(), note.clone()).unwrap().judge(&trust, TreeHead::EMPTY).unwrap();
    let line = accepted.cosign(&cosigner(9), Timestamp::from_millis(1_679_315_147_000));
    assert_eq!(note.accept(vec![line], &[cosigner(9).verifier().clone()]), 1);
    log.files.iter().for_each(|(name, bytes)| write(name, bytes));
    write("checkpoint", note.to_string().as_bytes());
    write("vkey", signer(1).verifier().to_string().as_bytes());
    write("witness-vkey", cosigner(9).verifier().to_string().as_bytes());
    let mut reader = |node: Node| log.hash(node);
    for index in (0..SIZE).step_by(7) {
        let proof = prove_inclusion(index, SIZE, &mut reader).unwrap();
        let extra = if index == 0 { b"extra".to_vec() } else { Vec::new() };
        let receipt = Receipt { index, proof, checkpoint: note.clone(), extra };
        write(&format!("{index}.tlog-proof"), receipt.to_string().as_bytes());
    }
    for size in (1..=SIZE).step_by(9) {
        let proof = prove_consistency(size, SIZE, &mut reader).unwrap();
        // A request to a witness has the hashes on lines of their own.
        let request = Request::new(size, proof, note.clone()).unwrap().to_string();
        let (hashes, _) = request.split_once("\n\n").unwrap();
        let root = checkpoint(log.head_at(size)).to_string();
        let root = root.lines().nth(2).unwrap();
        let hashes = hashes.lines().skip(1).collect::<Vec<_>>().join("\n");
        write(&format!("{size}.consistency"), format!("{size}\n{root}\n{hashes}\n").as_bytes());
    }
}

#[test]
#[ignore = "needs Go and its module proxy"]
fn go_reads_our_log_and_we_read_what_go_signs() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("log-interop");
    drop(fs::remove_dir_all(&folder));
    write(&folder);
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop");
    let run = Command::new("go").args(["run", "."]).arg(&folder).current_dir(program).output().unwrap();
    assert!(run.status.success(), "{}", str::from_utf8(&run.stderr).unwrap());
    print!("{}", str::from_utf8(&run.stdout).unwrap());

    let keys = fs::read_to_string(folder.join("go-vkeys")).unwrap();
    let [log, witness] =
        keys.lines().map(|key| VerifierKey::parse(key).unwrap()).collect::<Vec<_>>().try_into().unwrap();
    let trust = Trust::in_key(log).witnessed(vec![witness], 1).unwrap();
    let opened = trust.open(&Note::parse(&fs::read(folder.join("go-checkpoint")).unwrap()).unwrap()).unwrap();
    assert_eq!(opened.checkpoint, checkpoint(Log::of(SIZE).head()));
    println!("a checkpoint that Go signed and cosigned at {} verifies", opened.witnessed[0].at);
}
