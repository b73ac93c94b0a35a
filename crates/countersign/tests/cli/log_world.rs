//! A published log, made here: its entries, its plain files, and a server of
//! plain files that can be asked what it was asked.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use countersign_core::Timestamp;
use countersign_core::chain::Chain;
use countersign_core::id::{AgentId, ChainId, OrgId};
use countersign_evidence::entry::Draft;
use countersign_evidence::event::{Change, Event};
use countersign_evidence::log::checkpoint::{Checkpoint, Origin};
use countersign_evidence::log::merkle::{Frontier, leaf_hash};
use countersign_evidence::log::note::{KeyName, Note, Signer, VerifierKey};
use countersign_evidence::log::tile::{Layer, TilePath, grown, push_entry, tile_bytes};
use ed25519_dalek::SigningKey;

/// What the log calls itself.
pub const ORIGIN: &str = "log.example/test";

/// A log and all that is in it.
pub struct World {
    pub entries: Vec<Vec<u8>>,
    chains: Vec<(ChainId, Chain)>,
    key: SigningKey,
}

/// The organisation that every entry is of.
pub fn org() -> OrgId {
    OrgId::from_entropy(1)
}

impl World {
    pub fn empty() -> Self {
        Self { entries: Vec::new(), chains: Vec::new(), key: SigningKey::from_bytes(&[3; 32]) }
    }

    /// A log of `count` entries, on three chains in turn.
    pub fn of(count: usize) -> Self {
        let mut world = Self::empty();
        world.grow(count);
        world
    }

    pub fn grow(&mut self, count: usize) {
        for number in 0..count {
            let chain = ChainId::from(&AgentId::from_entropy(number as u128 % 3));
            self.record(chain, &Change { by: "admin", id: &format!("agent_{number}"), noun: "agent", verb: "update" });
        }
    }

    /// Records an event, a second after the last.
    pub fn record<E: Event>(&mut self, chain: ChainId, event: &E) {
        let time = Timestamp::from_millis(1_790_000_000_000 + 1000 * i64::try_from(self.entries.len()).unwrap());
        let at = self.chains.iter().position(|(id, _)| *id == chain).unwrap_or_else(|| {
            self.chains.push((chain.clone(), Chain::GENESIS));
            self.chains.len() - 1
        });
        let draft = Draft::new(chain, Some(&org()), time, event).unwrap();
        let (entry, after) = draft.seal(self.chains[at].1);
        self.chains[at].1 = after;
        self.entries.push(entry);
    }

    pub fn signer(&self) -> Signer {
        Signer::new(KeyName::parse(ORIGIN).unwrap(), self.key.clone())
    }

    pub fn vkey(&self) -> VerifierKey {
        self.signer().verifier().clone()
    }

    /// The checkpoint of the first `size` entries.
    pub fn checkpoint(&self, size: usize) -> Note {
        let mut tree = Frontier::new();
        self.entries.iter().take(size).for_each(|entry| tree.append(leaf_hash(entry)));
        Checkpoint::new(Origin::parse(ORIGIN).unwrap(), tree.head()).sign(&self.signer())
    }

    /// Writes the log as plain files.
    pub fn write(&self, folder: &Path) {
        let mut nodes = std::collections::HashMap::new();
        let mut tree = Frontier::new();
        for entry in &self.entries {
            tree.append_with(leaf_hash(entry), |node, hash| {
                nodes.insert((node.level, node.index), *hash);
            });
        }
        for path in grown(0, tree.size()) {
            let bytes = match path.layer() {
                Layer::Entries => self.bundle(path),
                Layer::Hashes(level) => {
                    let hashes: Vec<_> = path.range().map(|index| nodes[&(level * 8, index)]).collect();
                    tile_bytes(&hashes)
                }
            };
            put(&folder.join(path.to_string()), &bytes);
        }
        put(&folder.join("checkpoint"), self.checkpoint(self.entries.len()).to_string().as_bytes());
    }

    fn bundle(&self, path: TilePath) -> Vec<u8> {
        let mut bytes = Vec::new();
        for index in path.range() {
            push_entry(&mut bytes, &self.entries[usize::try_from(index).unwrap()]).unwrap();
        }
        bytes
    }
}

pub fn put(path: &Path, bytes: &[u8]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

/// Changes one byte of a file.
pub fn flip(path: &Path, at: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[at] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

/// The files of a folder, served. Entries are for who shows `key`.
pub struct Files {
    pub url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Files {
    pub fn serve(folder: &Path, key: Option<&'static str>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (log, folder) = (Arc::clone(&asked), folder.to_owned());
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (log, folder) = (Arc::clone(&log), folder.clone());
                std::thread::spawn(move || answer_all(&stream, &folder, key, &log));
            }
        });
        Self { url, asked }
    }

    /// What was asked for since the last time.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

fn answer_all(stream: &TcpStream, folder: &Path, key: Option<&str>, log: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(stream);
    let mut writer = stream;
    loop {
        let (mut line, mut shown) = (String::new(), None);
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        loop {
            let mut header = String::new();
            reader.read_line(&mut header).unwrap();
            if header.trim().is_empty() {
                break;
            }
            if let Some(value) = header.to_ascii_lowercase().strip_prefix("x-api-key:") {
                shown = Some(value.trim().to_owned());
            }
        }
        let path = line.split(' ').nth(1).unwrap().trim_start_matches('/').to_owned();
        let is_entries = path.starts_with("tile/entries/");
        assert!(is_entries || shown.is_none(), "the key was shown to ask for `{path}`");
        log.lock().unwrap().push(path.clone());
        let file: PathBuf = folder.join(path);
        let (status, body) = match std::fs::read(file) {
            _ if is_entries && key.is_some() && shown.as_deref() != key => ("403 Forbidden", b"{}".to_vec()),
            Ok(bytes) => ("200 OK", bytes),
            Err(_) => ("404 Not Found", b"{}".to_vec()),
        };
        write!(writer, "HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", body.len()).unwrap();
        writer.write_all(&body).unwrap();
    }
}
