//! Looking at what calls say: the key of its digests, and what an operator chose.

use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context as _, Result};
use countersign_engine::{ContentGuard, Entropy as _, Heed, SystemEntropy};

use crate::config::Content;
use crate::data_dir::{DataDir, is_open, write_private};

/// Who looks at what calls say; `None` where nobody is to.
pub fn guard(data: &DataDir, content: &Content) -> Result<Option<ContentGuard>> {
    let heed = Heed::from(content.heed);
    if heed == Heed::Off {
        return Ok(None);
    }
    let key = key(&data.path().join("content.key"))?;
    Ok(Some(ContentGuard::new(key, heed, content.sources())?))
}

/// The key that digests of findings are made with, made where there is none. With
/// another one, what is found again has another digest; nothing else rests on it.
fn key(path: &Path) -> Result<[u8; 32]> {
    let shown = path.display();
    match std::fs::read(path) {
        Ok(bytes) => {
            if is_open(path) {
                tracing::warn!(
                    "others may read `{shown}`: whoever has it can guess what findings are about; run `chmod 600 {shown}`"
                );
            }
            let key = <[u8; 32]>::try_from(bytes).ok();
            key.with_context(|| format!("`{shown}` is not the 32 bytes of a key; delete it, and a start makes another"))
        }
        Err(why) if why.kind() == ErrorKind::NotFound => {
            let mut bytes = [0; 32];
            SystemEntropy.fill(&mut bytes);
            write_private(path, &bytes)?;
            Ok(bytes)
        }
        Err(why) => Err(why).with_context(|| format!("cannot read `{shown}`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_made_once_for_its_owner_alone_and_another_length_is_refused() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("content.key");
        let made = key(&path).unwrap();
        assert_eq!((key(&path).unwrap(), is_open(&path)), (made, false));
        std::fs::write(&path, [7; 31]).unwrap();
        assert!(key(&path).unwrap_err().to_string().contains("32 bytes"));
    }
}
