//! `{{NAME}}` in a text: where a parameter's value goes.

/// A part of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// As it is.
    Text(&'a str),
    /// A token, by the name between its braces. Whether there is such a parameter is another question: if not, the
    /// token is text like any other, braces included.
    Token(&'a str),
}

/// Takes a text apart. A name has no braces, so of `{{{P}}}` the inner ones are the token's. Takes time with the
/// text's length, whatever braces it is full of.
pub fn pieces(text: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (piece, after) = match first(rest) {
            _ if rest.is_empty() => return None,
            None => (Piece::Text(rest), ""),
            Some((0, name, after)) => (Piece::Token(name), after),
            Some((start, ..)) => {
                let (before, after) = rest.split_at(start);
                (Piece::Text(before), after)
            }
        };
        rest = after;
        Some(piece)
    })
}

/// The first token: where it begins, its name, and what follows it.
fn first(text: &str) -> Option<(usize, &str, &str)> {
    let mut open = text.find("{{")?;
    loop {
        let inside = text.get(open + 2..)?;
        let length = inside.find(['{', '}'])?;
        let (name, behind) = inside.split_at(length);
        if let Some(after) = behind.strip_prefix("}}").filter(|_| !name.is_empty()) {
            return Some((open, name, after));
        }
        // `{{{`: the token may begin one brace later. Else it cannot begin before the brace that ended the name.
        let from = if name.is_empty() && behind.starts_with('{') { open + 1 } else { open + 2 + length };
        open = from + text.get(from..)?.find("{{")?;
    }
}

/// The text with each token replaced by what `value` has for its name, if anything. What is inserted is not looked at
/// again.
pub fn substitute<'a>(text: &'a str, value: impl Fn(&str) -> Option<&'a str>) -> String {
    let mut filled = String::with_capacity(text.len());
    for piece in pieces(text) {
        match piece {
            Piece::Text(text) => filled.push_str(text),
            Piece::Token(name) => match value(name) {
                Some(value) => filled.push_str(value),
                None => filled.extend(["{{", name, "}}"]),
            },
        }
    }
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(text: &str) -> String {
        substitute(text, |name| match name {
            "P" => Some("{{Q}}"),
            "Q" => Some("q"),
            "two words" => Some("2"),
            _ => None,
        })
    }

    #[test]
    fn tokens_are_found_among_any_braces() {
        for (text, expected) in [
            ("", ""),
            ("plain", "plain"),
            ("{{Q}}", "q"),
            ("a{{Q}}b{{Q}}", "aqbq"),
            ("{{P}}", "{{Q}}"),
            ("{{{Q}}}", "{q}"),
            ("{{x{{Q}}y}}", "{{xqy}}"),
            ("{{Q}{{Q}}", "{{Q}q"),
            ("{{ Q }}", "{{ Q }}"),
            ("{{}}{{Q}}", "{{}}q"),
            ("{{.Names}} {{NOPE}}", "{{.Names}} {{NOPE}}"),
            ("{{two words}}", "2"),
            ("{{Q", "{{Q"),
            ("Q}}", "Q}}"),
            ("é{{Q}}é", "éqé"),
        ] {
            assert_eq!(filled(text), expected, "{text}");
        }
    }

    #[test]
    fn the_pieces_are_the_text() {
        let found: Vec<_> = pieces("a{{b}}{{c}} {").collect();
        assert_eq!(found, [Piece::Text("a"), Piece::Token("b"), Piece::Token("c"), Piece::Text(" {")]);
    }
}
