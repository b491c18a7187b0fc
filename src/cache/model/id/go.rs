//! URLs as a Dragonfly manager writes them before it hashes them: by the rules of the Go language's library.
//!
//! A URL is taken apart and put together again. Most of it stays as it is written; the query is sorted by name and
//! encoded anew, and without those parameters that do not count. Bytes, not text: what an escape stands for need not be
//! UTF-8.

use super::Filter;
use std::collections::BTreeMap;

/// The part of a URL that a byte stands in: which bytes need an escape there differs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Path,
    User,
    Host,
    Zone,
    Query,
    Fragment,
}

/// What a URL is made of. What is empty is absent.
#[derive(Default)]
struct Parts {
    scheme: Vec<u8>,
    /// What follows a scheme without a slash.
    opaque: Vec<u8>,
    /// Before the host, escapes normalised, with its `@`.
    user: Vec<u8>,
    /// Decoded.
    host: Vec<u8>,
    /// One slash follows the scheme, and no host.
    bare: bool,
    /// Encoded.
    path: Vec<u8>,
    /// A question mark ends it.
    asked: bool,
}

/// The URL without the parameters that do not count; none where Go says that it is no URL.
pub(super) fn write(text: &str, filter: &Filter) -> Option<Vec<u8>> {
    let (text, fragment) = cut(text.as_bytes(), b'#');
    if text.iter().any(|byte| *byte < b' ' || *byte == 0x7f) {
        return None;
    }
    let (scheme, rest) = scheme(text)?;
    // The only question mark at the very end is kept, with nothing behind it.
    let asked = rest.iter().position(|byte| *byte == b'?').is_some_and(|at| at + 1 == rest.len());
    let (rest, query) = cut(rest, b'?');
    let parts = split(Parts { scheme: scheme.to_ascii_lowercase(), asked, ..Parts::default() }, rest)?;
    let fragment = settled(fragment, Part::Fragment)?;
    Some(parts.join(&sorted(query, filter), &fragment))
}

/// What comes before a scheme's colon, and after it.
fn scheme(text: &[u8]) -> Option<(&[u8], &[u8])> {
    for (at, byte) in text.iter().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' => {}
            b'0'..=b'9' | b'+' | b'-' | b'.' if at > 0 => {}
            b':' if at == 0 => return None,
            b':' => return Some((&text[..at], &text[at + 1..])),
            _ => break,
        }
    }
    Some((b"", text))
}

/// Finds host and path in what stands before the query.
fn split(mut parts: Parts, rest: &[u8]) -> Option<Parts> {
    let schemed = !parts.scheme.is_empty();
    if !rest.starts_with(b"/") {
        if schemed {
            parts.opaque = rest.to_vec();
            return Some(parts);
        }
        if cut(rest, b'/').0.contains(&b':') {
            return None;
        }
    }
    let mut path = rest;
    if let Some(authority) = rest.strip_prefix(b"//").filter(|_| schemed || !rest.starts_with(b"///")) {
        let end = authority.iter().position(|byte| *byte == b'/').unwrap_or(authority.len());
        path = &authority[end..];
        let (user, at) = match authority[..end].iter().rposition(|byte| *byte == b'@') {
            Some(at) => (user(&authority[..at])?, at + 1),
            None => (Vec::new(), 0),
        };
        (parts.user, parts.host) = (user, host(&authority[at..end])?);
    } else if schemed && rest.starts_with(b"/") {
        parts.bare = true;
    }
    parts.path = settled(path, Part::Path)?;
    Some(parts)
}

/// Name and password with their `@`, each encoded anew.
fn user(text: &[u8]) -> Option<Vec<u8>> {
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(byte);
    if !text.iter().all(fits) {
        return None;
    }
    let (name, password) = cut(text, b':');
    let mut user = escaped(&unescaped(name, Part::User)?, Part::User);
    if text.contains(&b':') {
        user.push(b':');
        user.extend(escaped(&unescaped(password, Part::User)?, Part::User));
    }
    user.push(b'@');
    Some(user)
}

/// A host with its port, decoded.
fn host(text: &[u8]) -> Option<Vec<u8>> {
    let is_port = |text: &[u8]| match text {
        [] => true,
        [b':', digits @ ..] => digits.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    if text.starts_with(b"[") {
        let end = text.iter().rposition(|byte| *byte == b']')?;
        if !is_port(&text[end + 1..]) {
            return None;
        }
        // What tells interfaces apart may hold what no host may.
        let Some(zone) = text[..end].windows(3).position(|three| three == b"%25") else {
            return unescaped(text, Part::Host);
        };
        let ends = (unescaped(&text[..zone], Part::Host)?, unescaped(&text[end..], Part::Host)?);
        return Some([ends.0, unescaped(&text[zone..end], Part::Zone)?, ends.1].concat());
    }
    match text.iter().rposition(|byte| *byte == b':') {
        Some(at) if !is_port(&text[at..]) => None,
        _ => unescaped(text, Part::Host),
    }
}

/// As written where that is well encoded, else decoded and encoded anew.
fn settled(text: &[u8], part: Part) -> Option<Vec<u8>> {
    let decoded = unescaped(text, part)?;
    let fine = |byte: &u8| b"!$&'()*+,;=:@[]%".contains(byte) || !needs_escape(*byte, part);
    Some(if text.iter().all(fine) { text.to_vec() } else { escaped(&decoded, part) })
}

/// The pairs of a query that count, sorted by name, each name's values in the order in which they came. A pair that Go
/// cannot read is left out.
fn sorted(query: &[u8], filter: &Filter) -> Vec<u8> {
    let mut pairs: BTreeMap<Vec<u8>, Vec<Vec<u8>>> = BTreeMap::new();
    for pair in query.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty() && !pair.contains(&b';')) {
        let (name, value) = cut(pair, b'=');
        if let (Some(name), Some(value)) = (unescaped(name, Part::Query), unescaped(value, Part::Query))
            && !filter.hides(&name)
        {
            pairs.entry(name).or_default().push(value);
        }
    }
    let mut written = Vec::new();
    for (name, values) in pairs {
        for value in values {
            if !written.is_empty() {
                written.push(b'&');
            }
            written.extend(escaped(&name, Part::Query));
            written.push(b'=');
            written.extend(escaped(&value, Part::Query));
        }
    }
    written
}

impl Parts {
    fn join(&self, query: &[u8], fragment: &[u8]) -> Vec<u8> {
        let mut url = Vec::new();
        if !self.scheme.is_empty() {
            url.extend_from_slice(&self.scheme);
            url.push(b':');
        }
        if self.opaque.is_empty() {
            self.join_place(&mut url);
        } else {
            url.extend_from_slice(&self.opaque);
        }
        if self.asked || !query.is_empty() {
            url.push(b'?');
            url.extend_from_slice(query);
        }
        if !fragment.is_empty() {
            url.push(b'#');
            url.extend_from_slice(fragment);
        }
        url
    }

    /// Host and path.
    fn join_place(&self, url: &mut Vec<u8>) {
        let nowhere = self.host.is_empty() && self.user.is_empty();
        let placed = !self.scheme.is_empty() || !nowhere;
        if placed && !(nowhere && (self.bare || self.path.is_empty())) {
            url.extend_from_slice(b"//");
            url.extend_from_slice(&self.user);
            url.extend(escaped(&self.host, Part::Host));
        }
        // A path whose first segment has a colon would read as a scheme.
        if url.is_empty() && cut(&self.path, b'/').0.contains(&b':') {
            url.extend_from_slice(b"./");
        }
        url.extend_from_slice(&self.path);
    }
}

/// What comes before the first such byte, and after it; all and nothing where there is none.
fn cut(text: &[u8], at: u8) -> (&[u8], &[u8]) {
    match text.iter().position(|byte| *byte == at) {
        Some(found) => (&text[..found], &text[found + 1..]),
        None => (text, b""),
    }
}

/// What escapes stand for; none where they are malformed, or stand for what this part may not hold.
fn unescaped(text: &[u8], part: Part) -> Option<Vec<u8>> {
    let strict = matches!(part, Part::Host | Part::Zone);
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'%' => {
                let digit = |at: usize| after.get(at).and_then(|digit| char::from(*digit).to_digit(16));
                let value = u8::try_from(digit(0)? * 16 + digit(1)?).ok()?;
                // Escapes in a host are for what is not ASCII; in a zone for what a host may hold, too.
                let refused = match part {
                    Part::Host => value < 0x80,
                    Part::Zone => value != b' ' && needs_escape(value, Part::Host),
                    _ => false,
                };
                if refused && value != b'%' {
                    return None;
                }
                plain.push(value);
                rest = &after[2..];
            }
            b'+' if part == Part::Query => plain.push(b' '),
            _ if strict && byte < 0x80 && needs_escape(byte, part) => return None,
            _ => plain.push(byte),
        }
    }
    Some(plain)
}

fn escaped(plain: &[u8], part: Part) -> Vec<u8> {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let mut text = Vec::with_capacity(plain.len());
    for byte in plain {
        match byte {
            b' ' if part == Part::Query => text.push(b'+'),
            byte if needs_escape(*byte, part) => {
                text.extend([b'%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
            }
            byte => text.push(*byte),
        }
    }
    text
}

/// Whether a byte must not stand as it is in this part.
fn needs_escape(byte: u8, part: Part) -> bool {
    if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
        return false;
    }
    let allowed: &[u8] = match part {
        Part::Path => b"$&+,/:;=@",
        Part::User => b"$&+,;=",
        Part::Host | Part::Zone => b"!$&'()*+,;=:[]<>\"",
        Part::Query => b"",
        Part::Fragment => b"$&+,/:;=?@!()*",
    };
    !allowed.contains(&byte)
}
