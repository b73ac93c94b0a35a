//! How deep a text would make a parser go, before one is let near it.
//!
//! TRUST: the parser recurses, and ends the process on a text that is nested deeply enough.

/// The deepest brackets may be nested.
const MAX_DEPTH: usize = 32;
/// The most operators between a bracket and the one that closes it.
const MAX_OPERATORS: usize = 1000;

/// Where `text` goes deeper than we let a parser go: the byte, and what is too much.
pub(crate) fn too_deep(text: &str) -> Option<(usize, String)> {
    let mut open: Vec<usize> = vec![0];
    let mut letters = text.char_indices();
    // What was last that is no space, and whether a line begins here.
    let (mut last, mut fresh) = (' ', true);
    while let Some((at, c)) = letters.next() {
        // Outside of brackets a word at the beginning of a line begins a rule, where no operator waits for it.
        if let ([count], true, true) = (&mut *open, fresh && c.is_alphabetic(), !is_operator(last)) {
            *count = 0;
        }
        fresh = c == '\n' || c == '#';
        last = if c.is_whitespace() || c == '#' { last } else { c };
        match c {
            '#' => until(&mut letters, '\n', false),
            '"' => until(&mut letters, '"', true),
            '`' => until(&mut letters, '`', false),
            '(' | '[' | '{' if open.len() > MAX_DEPTH => {
                return Some((at, format!("brackets nested more than {MAX_DEPTH} deep")));
            }
            '(' | '[' | '{' => open.push(0),
            ')' | ']' | '}' if open.len() > 1 => {
                open.pop();
            }
            c if is_operator(c) => {
                let count = open.last_mut()?;
                *count += 1;
                if *count > MAX_OPERATORS {
                    return Some((at, format!("more than {MAX_OPERATORS} operators in one pair of brackets")));
                }
            }
            _ => {}
        }
    }
    None
}

const fn is_operator(c: char) -> bool {
    matches!(c, '+' | '-' | '*' | '/' | '%' | '|' | '&' | '=' | '<' | '>' | '!')
}

/// Passes over everything up to `end`.
fn until(letters: &mut std::str::CharIndices<'_>, end: char, escapes: bool) {
    while let Some((_, c)) = letters.next() {
        if escapes && c == '\\' {
            letters.next();
        } else if c == end {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_a_text_or_a_comment_does_not_count() {
        let brackets = "[".repeat(MAX_DEPTH + 1);
        assert_eq!(too_deep(&brackets).map(|(at, _)| at), Some(MAX_DEPTH));
        for quiet in [format!("\"\\\"{brackets}\""), format!("`{brackets}`"), format!("# {brackets}\n")] {
            assert_eq!(too_deep(&quiet), None, "{quiet}");
        }
        assert_eq!(too_deep(&"[]".repeat(5000)), None);
        assert_eq!(too_deep(&"a := 1 # b\n".repeat(5000)), None);
        for endless in ["a +\n", "a\n + ", "a + # b\n"] {
            assert!(too_deep(&endless.repeat(5000)).is_some(), "{endless}");
        }
        assert_eq!(too_deep(&"- ".repeat(MAX_OPERATORS + 1)).map(|(at, _)| at), Some(2 * MAX_OPERATORS));
    }
}
