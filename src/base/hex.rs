//! Bytes as hexadecimal digits, two to a byte.

use std::fmt;

/// Bytes that are shown as small digits.
#[derive(Clone, Copy, Debug)]
pub struct Hex<'a>(pub &'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The bytes that digits stand for, small or capital: any number, or as many as the type holds.
pub fn read<T: TryFrom<Vec<u8>>>(text: &str) -> Option<T> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let byte = |pair: &[u8]| match pair {
        [high, low] => u8::try_from(digit(*high)? * 16 + digit(*low)?).ok(),
        _ => None,
    };
    text.as_bytes().chunks(2).map(byte).collect::<Option<Vec<u8>>>()?.try_into().ok()
}

/// Whether a text is so many digits, all of them small.
pub fn is_small(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_byte_has_two_small_digits() {
        assert_eq!(Hex(&[0, 0xab, 0x0f]).to_string(), "00ab0f");
        assert_eq!(Hex(&[]).to_string(), "");
    }

    #[test]
    fn as_many_bytes_are_read_as_the_type_holds() {
        assert_eq!(read("00aB0F"), Some(vec![0, 0xab, 0x0f]));
        assert_eq!(read("00aB0F"), Some([0, 0xab, 0x0f]));
        assert_eq!(read::<[u8; 2]>("00aB0F"), None);
        assert_eq!(read::<[u8; 4]>("00aB0F"), None);
        assert_eq!(read("").map(|bytes: Vec<u8>| bytes.len()), Some(0));
    }

    #[test]
    fn what_is_no_digit_is_not_read() {
        for text in ["0", "000", "0g", "+1", "-1", " 1", "0x", "é", "ａａ"] {
            assert_eq!(read::<Vec<u8>>(text), None, "{text}");
        }
    }

    #[test]
    fn only_so_many_small_digits_will_do() {
        assert!(is_small("0123456789abcdef", 16) && is_small("", 0));
        assert!(!is_small("abc", 2) && !is_small("abc", 4) && !is_small("abC", 3) && !is_small("abg", 3));
        assert!(!is_small("é", 2));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let text = Hex(&bytes).to_string();
            prop_assert!(is_small(&text, 2 * bytes.len()));
            prop_assert_eq!(read(&text.to_uppercase()), Some(bytes.clone()));
            prop_assert_eq!(read(&text), Some(bytes));
        }
    }
}
