//! Documentation that a program can check: every code has its page, and every
//! link leads somewhere.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use countersign_core::Denial;
use countersign_core::step::Hold;

/// Fails on a code without a page, a page without a code, or a dead link.
pub(crate) fn check() -> anyhow::Result<()> {
    let mut faults = Vec::new();
    let codes: Vec<&str> = Denial::CODES.iter().chain(Hold::CODES).copied().collect();
    for code in &codes {
        let page = format!("docs/denials/{code}.md");
        if !Path::new(&page).exists() {
            faults.push(format!("the code `{code}` has no page {page}"));
        }
    }
    for page in pages(Path::new("docs/denials"))? {
        let name = page.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if name != "README" && !codes.contains(&name.as_str()) {
            faults.push(format!("{} is about no code", page.display()));
        }
    }
    let mut links = 0;
    for page in pages(Path::new("."))? {
        let text = std::fs::read_to_string(&page)?;
        let folder = page.parent().unwrap_or(Path::new("."));
        for target in targets(&text) {
            links += 1;
            if !folder.join(target).exists() {
                faults.push(format!("{} links to {target}, which is not there", page.display()));
            }
        }
    }
    if !faults.is_empty() {
        bail!("documentation:\n  {}", faults.join("\n  "));
    }
    println!("{} codes have their pages, and {links} links lead somewhere", codes.len());
    Ok(())
}

/// Every Markdown file below a folder, but for what is built or hidden.
fn pages(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            found.extend(pages(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
    Ok(found)
}

/// The files that a page links to, outside of code.
fn targets(text: &str) -> impl Iterator<Item = &str> {
    text.split("](").skip(1).filter_map(|rest| rest.split(')').next()).filter_map(|target| {
        let file = target.split('#').next().unwrap_or_default();
        let elsewhere = file.contains("://") || file.starts_with("mailto:") || file.contains(' ');
        (!file.is_empty() && !elsewhere).then_some(file)
    })
}
