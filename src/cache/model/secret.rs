//! Which headers prove who is asking.

/// Parts of names whose headers hold secrets. There are services for which somebody chose another name; what is fetched
/// with it is for everybody.
const PARTS: [&str; 9] = ["token", "secret", "passw", "key", "auth", "cookie", "session", "credential", "signature"];

/// Whether the value of a header of this name is a secret: it is shown to nobody, goes to no other origin, and what is
/// fetched with it is private.
pub fn is_secret_header(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    PARTS.iter().any(|part| name.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell() {
        for name in ["Authorization", "COOKIE", "Proxy-Authorization", "X-Api-Key", "PRIVATE-TOKEN", "X-Session-Id"] {
            assert!(is_secret_header(name), "{name}");
        }
        for name in ["Accept", "User-Agent", "X-Request-Id", "Range", "If-None-Match", ""] {
            assert!(!is_secret_header(name), "{name}");
        }
    }
}
