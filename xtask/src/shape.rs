//! Shape: which crate and which module may know which.
//!
//! Two things fail: a crate arrow that is not in the design, and two modules of
//! one crate that import each other. Sizes are printed for a reader to judge.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};
use serde_json::Value;

/// Which of our crates each of our crates may depend on.
const ARROWS: &[(&str, &[&str])] = &[
    ("countersign-core", &[]),
    ("countersign-wire", &["countersign-core"]),
    ("countersign-evidence", &["countersign-core"]),
    ("countersign-policy", &["countersign-core"]),
    ("countersign-import", &["countersign-core", "countersign-policy"]),
    ("countersign-prove", &["countersign-core", "countersign-policy"]),
    ("countersign-store", &["countersign-core"]),
    ("countersign-review", &["countersign-core"]),
    ("countersign-content", &["countersign-core"]),
    (
        "countersign-engine",
        &["countersign-core", "countersign-policy", "countersign-content", "countersign-evidence", "countersign-store"],
    ),
    ("countersign-server", &["countersign-core", "countersign-wire", "countersign-evidence", "countersign-engine"]),
    (
        "countersign",
        &[
            "countersign-core",
            "countersign-wire",
            "countersign-evidence",
            "countersign-policy",
            "countersign-import",
            "countersign-prove",
            "countersign-store",
            "countersign-review",
            "countersign-engine",
            "countersign-server",
        ],
    ),
    (
        "countersign-bench",
        &["countersign-core", "countersign-policy", "countersign-evidence", "countersign-store", "countersign-engine"],
    ),
    ("xtask", &["countersign-core"]),
];

/// What the core may depend on: nothing that can do anything.
const CORE_MAY_USE: &[&str] = &["hmac", "jiff", "serde", "sha2", "thiserror"];

/// Checks everything, prints what is worth a look, and fails on a wrong arrow.
pub(crate) fn check() -> anyhow::Result<()> {
    let mut faults = crate_arrows()?;
    let mut files = Vec::new();
    for folder in std::fs::read_dir("crates")? {
        let source = folder?.path().join("src");
        let found = rust_files(&source)?;
        faults.extend(two_way_imports(&source, &found)?);
        files.extend(found);
    }
    print_sizes(&files)?;
    if !faults.is_empty() {
        bail!("wrong shape:\n  {}", faults.join("\n  "));
    }
    println!("every arrow points one way");
    Ok(())
}

fn crate_arrows() -> anyhow::Result<Vec<String>> {
    let output = Command::new("cargo").args(["metadata", "--no-deps", "--format-version", "1"]).output()?;
    let metadata: Value = serde_json::from_slice(&output.stdout).context("cargo metadata")?;
    let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let list = |value: &Value, name: &str| value.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    let mut faults = Vec::new();
    for package in list(&metadata, "packages") {
        let name = text(&package, "name");
        let Some((_, allowed)) = ARROWS.iter().find(|(known, _)| *known == name) else {
            faults.push(format!("{name} is not in the design"));
            continue;
        };
        for dependency in list(&package, "dependencies") {
            // What tests use ships nowhere.
            if text(&dependency, "kind") == "dev" {
                continue;
            }
            let used = text(&dependency, "name");
            if used.starts_with("countersign") && !allowed.contains(&used.as_str()) {
                faults.push(format!("{name} may not depend on {used}"));
            }
            if name == "countersign-core" && !CORE_MAY_USE.contains(&used.as_str()) {
                faults.push(format!("{name} is pure and may not depend on {used}"));
            }
        }
    }
    Ok(faults)
}

fn rust_files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(rust_files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// The pairs of top modules that import each other.
fn two_way_imports(source: &Path, files: &[PathBuf]) -> anyhow::Result<Vec<String>> {
    let mut imports: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in files {
        let inside = file.strip_prefix(source)?;
        let top = inside.components().next().context("a file has a name")?;
        let module = Path::new(top.as_os_str()).with_extension("").display().to_string();
        let text = std::fs::read_to_string(file)?;
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for (at, _) in code.match_indices("crate::") {
            let name: String = code
                .chars()
                .skip(code.get(..at).map_or(0, |before| before.chars().count()) + "crate::".len())
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect();
            imports.entry(module.clone()).or_default().insert(name);
        }
    }
    let imports_from = |a: &str, b: &str| imports.get(a).is_some_and(|used| used.contains(b));
    let mut faults = Vec::new();
    for (module, used) in &imports {
        for other in used.iter().filter(|other| *other > module) {
            if module != "lib" && imports_from(other, module) {
                faults.push(format!("{}: `{module}` and `{other}` import each other", source.display()));
            }
        }
    }
    Ok(faults)
}

fn print_sizes(files: &[PathBuf]) -> anyhow::Result<()> {
    let mut sizes = Vec::new();
    let mut without_front_page = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(file)?;
        if !text.starts_with("//!") {
            without_front_page.push(file.display().to_string());
        }
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        sizes.push((code.lines().count(), file));
    }
    sizes.sort_by(|a, b| b.cmp(a));
    println!("the largest files, tests aside (a smell, not a law):");
    for (lines, file) in sizes.iter().take(6) {
        println!("  {lines:>5} {}", file.display());
    }
    if !without_front_page.is_empty() {
        println!("without a `//!` line: {}", without_front_page.join(", "));
    }
    Ok(())
}
