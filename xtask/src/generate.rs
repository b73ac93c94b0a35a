//! What is generated from the code and checked in, so that every change to it
//! is seen in review.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, bail};

/// The file, and the arguments of `countersign` that print it.
const GENERATED: [(&str, &[&str]); 3] = [
    ("docs/openapi.json", &["openapi"]),
    ("docs/config.schema.json", &["config", "schema"]),
    ("docs/guardian-tiers.schema.json", &["config", "schema", "--tiers"]),
];

/// Writes every generated file.
pub(crate) fn write() -> anyhow::Result<()> {
    for (path, arguments) in GENERATED {
        std::fs::write(path, print(arguments)?).with_context(|| format!("write {path}"))?;
        println!("wrote {path}");
    }
    Ok(())
}

/// Fails when a generated file is not what the code says.
pub(crate) fn check() -> anyhow::Result<()> {
    let mut stale = Vec::new();
    for (path, arguments) in GENERATED {
        let found = if Path::new(path).exists() { std::fs::read_to_string(path)? } else { String::new() };
        if found != print(arguments)? {
            stale.push(path);
        }
    }
    if !stale.is_empty() {
        bail!("{} is not what the code says: run `make generate` and commit the result", stale.join(", "));
    }
    println!("generated files are fresh");
    Ok(())
}

fn print(arguments: &[&str]) -> anyhow::Result<String> {
    let cargo = ["run", "--quiet", "--package", "countersign", "--"];
    let output = Command::new("cargo").args(cargo).args(arguments).output().context("run countersign")?;
    if !output.status.success() {
        bail!("countersign {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr));
    }
    let mut text = String::from_utf8(output.stdout)?.trim_end().to_owned();
    text.push('\n');
    Ok(text)
}
