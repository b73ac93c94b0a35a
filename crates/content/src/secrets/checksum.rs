//! Checksums that providers put into their tokens.

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Whether the last six of 36 characters are the CRC-32 of the first thirty, in
/// base 62: so GitHub and npm make their tokens.
pub(super) fn holds(token: &str) -> bool {
    let Some((random, check)) = token.split_at_checked(30) else { return false };
    let mut left = crc32fast::hash(random.as_bytes());
    let mut digits = [b'0'; 6];
    for slot in digits.iter_mut().rev() {
        let digit = usize::try_from(left % 62).unwrap_or_default();
        *slot = BASE62.get(digit).copied().unwrap_or(b'0');
        left /= 62;
    }
    check.as_bytes() == digits
}

#[cfg(test)]
mod tests {
    use super::holds;

    #[test]
    fn a_published_example_holds() {
        assert!(holds("zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ0mLq17"));
    }

    #[test]
    fn one_changed_character_breaks_it() {
        assert!(!holds("zQWBuTSOoRi4A9spHcVY5ncnsDkxkK0mLq17"));
        assert!(!holds("zQWBuTSOoRi4A9spHcVY5ncnsDkxkJ0mLq18"));
        assert!(!holds("short"));
    }
}
