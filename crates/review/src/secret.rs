//! Keys of reviewers: read from a file or the environment, never printed.

use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How long a secret may be, in bytes.
const LONGEST: usize = 4_096;

/// Where a secret is: `{ env = "NAME" }` or `{ file = "PATH" }`. Never the secret itself.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SecretSource {
    /// In this environment variable.
    Env(String),
    /// In this file, alone; blanks and line ends around it do not count.
    File(PathBuf),
}

/// A secret. `Debug` shows nothing of it.
#[derive(Clone)]
pub struct Secret(String);

/// The secret cannot be had, or cannot be one.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The variable is not set.
    #[error("the environment variable `{0}` is not set: it should hold the reviewer's key")]
    NoVariable(String),
    /// The file cannot be read.
    #[error("the reviewer's key cannot be read from `{}`: {why}", .path.display())]
    NoFile {
        /// The file.
        path: PathBuf,
        /// What the system says.
        why: std::io::Error,
    },
    /// It is empty, too long, or not one printable word.
    #[error("the reviewer's key is not one printable word of at most {LONGEST} characters")]
    NotAWord,
    /// It is not of the form that signatures need.
    #[error("the reviewer's secret is not `whsec_` and 24 to 64 bytes in base64")]
    NotAWebhookSecret,
}

impl Secret {
    /// Keeps `text`, without the blanks around it, as a secret.
    pub fn new(text: &str) -> Result<Self, SecretError> {
        let word = text.trim_ascii();
        let printable = word.bytes().all(|b| b.is_ascii_graphic());
        if word.is_empty() || word.len() > LONGEST || !printable {
            return Err(SecretError::NotAWord);
        }
        Ok(Self(word.to_owned()))
    }

    /// The secret itself.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl SecretSource {
    /// Reads the secret. `environment` looks a variable up; a relative file
    /// begins at `folder`.
    pub fn read(&self, folder: &Path, environment: impl Fn(&str) -> Option<String>) -> Result<Secret, SecretError> {
        match self {
            Self::Env(name) => Secret::new(&environment(name).ok_or_else(|| SecretError::NoVariable(name.clone()))?),
            Self::File(path) => {
                let path = folder.join(path);
                let read = std::fs::File::open(&path).and_then(|file| {
                    let mut text = String::new();
                    file.take(2 * LONGEST as u64).read_to_string(&mut text).map(|_| text)
                });
                Secret::new(&read.map_err(|why| SecretError::NoFile { path, why })?)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_printed_and_no_error_repeats_it() {
        let secret = Secret::new(" sk-ant-1\n").unwrap();
        assert_eq!(secret.expose(), "sk-ant-1");
        assert_eq!(format!("{secret:?}"), "[secret]");
        for bad in ["", "sk-ant-1 and more", "sk-ant-1\r\nx: y", "sk-ant-é", &"k".repeat(4_097)] {
            let why = Secret::new(bad).unwrap_err().to_string();
            assert!(!why.contains("sk-ant"), "{why}");
        }
    }

    #[test]
    fn it_is_read_from_where_it_is() {
        let folder = Path::new("/nowhere");
        let env = SecretSource::Env("KEY".into());
        assert_eq!(env.read(folder, |name| (name == "KEY").then(|| "k".into())).unwrap().expose(), "k");
        assert!(matches!(env.read(folder, |_| None), Err(SecretError::NoVariable(name)) if name == "KEY"));
        let file = SecretSource::File("key".into());
        assert!(file.read(folder, |_| None).unwrap_err().to_string().contains("/nowhere/key"));
    }
}
