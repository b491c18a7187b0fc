//! What a registry wants to see, as it says in `WWW-Authenticate`.

use hyper::HeaderMap;
use hyper::header::WWW_AUTHENTICATE;

/// A way to prove who is asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    /// A name and a password.
    Basic,
    /// A token that is to be fetched.
    Bearer {
        /// From where.
        realm: String,
        /// For whom.
        service: Option<String>,
        /// For what, where the registry says so.
        scope: Option<String>,
    },
}

/// The challenge that is answered: for a token, else for a password; none where there is neither.
pub(super) fn read(headers: &HeaderMap) -> Option<Challenge> {
    let values = headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
    let found: Vec<Challenge> = values.flat_map(challenges).collect();
    let bearer = found.iter().find(|challenge| **challenge != Challenge::Basic);
    bearer.or(found.first()).cloned()
}

/// All challenges of one header that we understand.
fn challenges(text: &str) -> Vec<Challenge> {
    let mut found = Vec::new();
    let mut current: Option<(String, Vec<(String, String)>)> = None;
    for part in parts(text) {
        // `Scheme name=value`, a scheme alone, or another parameter of the scheme before.
        let (head, rest) = part.split_once(' ').unwrap_or((part, ""));
        let starts = !head.contains('=') && !rest.trim_start().starts_with('=');
        if starts {
            found.extend(current.take().and_then(understood));
            current = Some((head.to_ascii_lowercase(), Vec::new()));
        }
        let parameter = if starts { rest } else { part };
        if let (Some((name, value)), Some((_, parameters))) = (parameter.split_once('='), &mut current) {
            parameters.push((name.trim().to_ascii_lowercase(), unquoted(value.trim())));
        }
    }
    found.extend(current.and_then(understood));
    found
}

/// Cut at commas that are in no quotation marks.
fn parts(text: &str) -> Vec<&str> {
    let (mut quoted, mut escaped) = (false, false);
    let cut = |letter: char| {
        let cuts = letter == ',' && !quoted;
        quoted ^= letter == '"' && !escaped;
        escaped = quoted && letter == '\\' && !escaped;
        cuts
    };
    text.split(cut).map(str::trim).filter(|part| !part.is_empty()).collect()
}

fn unquoted(text: &str) -> String {
    let Some(inside) = text.strip_prefix('"').map(|text| text.strip_suffix('"').unwrap_or(text)) else {
        return text.to_owned();
    };
    let mut plain = String::with_capacity(inside.len());
    let mut letters = inside.chars();
    while let Some(letter) = letters.next() {
        plain.extend(if letter == '\\' { letters.next() } else { Some(letter) });
    }
    plain
}

fn understood((scheme, parameters): (String, Vec<(String, String)>)) -> Option<Challenge> {
    let find = |name: &str| {
        let found = parameters.iter().find(|(given, _)| given == name);
        found.map(|(_, value)| value.clone()).filter(|value| !value.is_empty())
    };
    match &scheme[..] {
        "basic" => Some(Challenge::Basic),
        "bearer" => Some(Challenge::Bearer { realm: find("realm")?, service: find("service"), scope: find("scope") }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::header::HeaderValue;
    use proptest::prelude::*;

    fn of(values: &[&str]) -> Option<Challenge> {
        let pair = |text: &&str| (WWW_AUTHENTICATE, HeaderValue::from_str(text).unwrap());
        let mut headers = HeaderMap::new();
        for (name, value) in values.iter().map(pair) {
            headers.append(name, value);
        }
        read(&headers)
    }

    fn bearer(realm: &str, service: Option<&str>, scope: Option<&str>) -> Option<Challenge> {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Some(Challenge::Bearer { realm: realm.into(), service: owned(service), scope: owned(scope) })
    }

    #[test]
    fn challenges_are_read_in_every_spelling() {
        let usual = r#"Bearer realm="https://a.test/token",service="r.test",scope="repository:a/b:pull,push""#;
        assert_eq!(of(&[usual]), bearer("https://a.test/token", Some("r.test"), Some("repository:a/b:pull,push")));
        assert_eq!(of(&["bearer Realm=x , SERVICE=\"a\\\"b\""]), bearer("x", Some("a\"b"), None));
        assert_eq!(of(&["Basic realm=\"x, y\""]), Some(Challenge::Basic));
        assert_eq!(of(&["basic"]), Some(Challenge::Basic));
        assert_eq!(of(&["Negotiate, Basic realm=x"]), Some(Challenge::Basic));
        assert_eq!(of(&["Basic realm=x, Bearer realm=\"y\",service=z"]), bearer("y", Some("z"), None));
        assert_eq!(of(&["Basic realm=x", "Bearer realm=y"]), bearer("y", None, None));
    }

    #[test]
    fn what_is_not_understood_is_no_challenge() {
        for text in ["", "Bearer", "Bearer service=x", "Bearer realm=\"\"", "Digest realm=x", ",,=,", "realm=x"] {
            assert_eq!(of(&[text]), None, "{text}");
        }
        assert_eq!(of(&[]), None);
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "((Bearer|Basic|realm|service|[=,\" \\\\])|[ -~]){0,20}") {
            of(&[&text]);
        }
    }
}
