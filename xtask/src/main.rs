//! Tasks of the workspace: `shape` checks where the arrows point, `docs` that
//! every code has a page and every link leads somewhere, and `generate` writes what is generated and checked in.

mod docs;
mod generate;
mod shape;

use anyhow::bail;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["shape"] => shape::check(),
        ["docs"] => docs::check(),
        ["generate"] => generate::write(),
        ["generate", "--check"] => generate::check(),
        _ => bail!("usage: cargo xtask shape | docs | generate [--check]"),
    }
}
