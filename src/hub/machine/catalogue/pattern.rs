//! Names with `*`, which stands for anything. Every other character stands for itself.

/// Whether a name is of this pattern. Costs at most the product of both lengths.
pub(super) fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    let (mut at, mut seen) = (0, 0);
    // Where the last `*` stands, and how much of the name it stands for if it stands for more than that.
    let mut star: Option<(usize, usize)> = None;
    while seen < name.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, seen));
                at += 1;
            }
            Some(byte) if *byte == name[seen] => (at, seen) = (at + 1, seen + 1),
            _ => match star {
                Some((place, from)) => {
                    star = Some((place, from + 1));
                    (at, seen) = (place + 1, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

/// What every name of this pattern begins with.
pub(super) fn prefix(pattern: &str) -> &str {
    pattern.split('*').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything_and_nothing_else_does() {
        let like: &[(&str, &[&str], &[&str])] = &[
            ("t1", &["t1"], &["t", "t11", "T1", ""]),
            ("*", &["", "t", "天气"], &[]),
            ("t*", &["t", "t1", "tt"], &["", "at"]),
            ("*1", &["1", "t1", "11"], &["", "t12"]),
            ("a*b*c", &["abc", "aXbYc", "abbcc", "abcbc"], &["ab", "acb", "abcd"]),
            ("a**b", &["ab", "aXb"], &["a", "b"]),
            ("a?c[x]", &["a?c[x]"], &["abcx", "abc[x]"]),
            ("天*", &["天气"], &["气天"]),
            ("", &[""], &["t"]),
        ];
        for (pattern, yes, no) in like {
            yes.iter().for_each(|name| assert!(matches(pattern, name), "{pattern} {name}"));
            no.iter().for_each(|name| assert!(!matches(pattern, name), "{pattern} {name}"));
        }
        let (pattern, name) = ("a*".repeat(50), "a".repeat(49));
        assert!(!matches(&pattern, &name), "and soon");
    }

    #[test]
    fn a_prefix_ends_before_the_first_star() {
        assert_eq!(["t1", "t*1*", "*t", ""].map(prefix), ["t1", "t", "", ""]);
    }
}
