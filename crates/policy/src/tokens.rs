//! A text of policies as tokens, as far as we must understand one ourselves:
//! Cedar's parser says what it means.

/// One token, and the byte it begins at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token<'a> {
    pub at: usize,
    pub what: What<'a>,
}

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What<'a> {
    /// A name, a keyword or a number.
    Word(&'a str),
    /// A string, quotes included.
    Text(&'a str),
    /// Any other character.
    Sign(char),
}

/// The tokens of `text`, without its comments.
pub(crate) fn tokens(text: &str) -> impl Iterator<Item = Token<'_>> {
    let mut from = 0;
    std::iter::from_fn(move || {
        loop {
            let rest = text.get(from..)?;
            let c = rest.chars().next()?;
            let at = from;
            let taken = |length: usize| rest.get(..length).unwrap_or(rest);
            let what = if c.is_whitespace() {
                from += c.len_utf8();
                continue;
            } else if rest.starts_with("//") {
                from += rest.find('\n').unwrap_or(rest.len());
                continue;
            } else if c == '"' {
                What::Text(taken(string(rest)))
            } else if is_word(c) {
                What::Word(taken(rest.find(|c| !is_word(c)).unwrap_or(rest.len())))
            } else {
                What::Sign(c)
            };
            from += match what {
                What::Word(text) | What::Text(text) => text.len(),
                What::Sign(c) => c.len_utf8(),
            };
            return Some(Token { at, what });
        }
    })
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// How many bytes the string at the beginning of `text` has, quotes included.
fn string(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}
