//! What addresses give away, and whose they are.
//!
//! A URL may hold an account before its host. That opens what the URL names, so it is as secret as any other proof: it is
//! kept where the task is kept, and shown to nobody.

use super::image::Image;
use std::borrow::Cow;
use std::ops::Range;
use url::Url;

/// What stands in place of a secret.
const MASK: &str = "***";

/// Whether a URL holds a name or a password.
pub fn has_account(url: &str) -> bool {
    // Only a text with an `@` can, and most have none.
    url.contains('@')
        && match Url::parse(url) {
            Ok(url) => !url.username().is_empty() || url.password().is_some(),
            Err(_) => account(url).is_some(),
        }
}

/// A URL as it may be shown: without the password of its account, and where there is only a name, which is a token as
/// often as not, without that.
pub fn masked(url: &str) -> Cow<'_, str> {
    if !has_account(url) {
        return Cow::Borrowed(url);
    }
    let Some(Range { start, end }) = account(url) else { return Cow::Borrowed(MASK) };
    let (before, rest) = url.split_at(start);
    let (account, after) = rest.split_at(end - start);
    Cow::Owned(match account.split_once(':') {
        Some((name, _)) => format!("{before}{name}:{MASK}{after}"),
        None => format!("{before}{MASK}{after}"),
    })
}

/// Where the account stands: behind the scheme and its slashes, as far as the last `@` before the path begins. Readers of
/// URLs forgive slashes of either kind, and any number of them.
fn account(url: &str) -> Option<Range<usize>> {
    let scheme = url.find(':')? + 1;
    let start = url.len() - url[scheme..].trim_start_matches(['/', '\\', '\t', '\n', '\r']).len();
    let authority = url[start..].split(['/', '\\', '?', '#']).next().unwrap_or_default();
    authority.rfind('@').map(|end| start..start + end)
}

/// A host of the configuration, however it is spelled there, as [`host_of`] spells hosts of URLs.
pub fn host(text: &str) -> String {
    let host = Image::registry_host(text).to_ascii_lowercase();
    let usual = host.strip_suffix(":443").or_else(|| host.strip_suffix(":80"));
    usual.map(str::to_owned).unwrap_or(host)
}

/// The host of a URL with its port, but for the usual ports; none where it is no URL with a host.
pub fn host_of(url: &str) -> Option<String> {
    let url = Url::parse(url).ok()?;
    let name = url.host_str()?;
    Some(host(&url.port().map_or_else(|| name.to_owned(), |port| format!("{name}:{port}"))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn accounts_are_masked_and_nothing_else() {
        for (url, expected) in [
            ("http://ada:pw@o.test/a?b=c#d", "http://ada:***@o.test/a?b=c#d"),
            ("http://ghp_token@o.test/a", "http://***@o.test/a"),
            ("http://:pw@o.test", "http://:***@o.test"),
            ("http://a:p@w@o.test/x@y", "http://a:***@o.test/x@y"),
            ("https:a:pw@o.test/", "https:a:***@o.test/"),
            ("https:\\\\a:pw@o.test\\x", "https:\\\\a:***@o.test\\x"),
            ("http://a:pw@/", "http://a:***@/"),
            ("http://o.test/a@b?c=d@e", "http://o.test/a@b?c=d@e"),
            ("http://o.test?x@y", "http://o.test?x@y"),
            ("plain", "plain"),
            ("", ""),
        ] {
            assert_eq!(masked(url), expected);
            assert_eq!(has_account(url), url != expected, "{url}");
        }
    }

    #[test]
    fn hosts_are_the_same_however_they_are_spelled() {
        for (url, configured) in [
            ("https://Files.Example.NET:443/a", "files.example.net"),
            ("http://files.example.net/a", "FILES.example.net:80"),
            ("https://registry-1.docker.io/v2/", "docker.io"),
            ("http://u:p@[::1]:5000/v2/", "[::1]:5000"),
            ("https://a.test:8443", "a.test:8443"),
        ] {
            assert_eq!(host_of(url), Some(host(configured)), "{url}");
        }
        assert_ne!(host_of("https://a.test:8443"), Some(host("a.test")));
        assert_eq!((host_of("mailto:a@b"), host_of("nothing")), (None, None));
    }

    proptest! {
        #[test]
        fn no_password_is_shown(
            (scheme, slashes) in ("(http|HTTPS|ftp)", "[/\\\\]{2,3}"),
            (name, path) in ("[a-z]{0,4}", "[ -~é]{0,12}"),
        ) {
            let url = format!("{scheme}:{slashes}{name}:SECRET@o.test/{path}");
            // What does not parse as having an account has it in its path, which is nobody's account.
            prop_assert!(!has_account(&url) || !masked(&url).contains("SECRET"), "{}", url);
        }

        #[test]
        fn any_text_is_read(text in "[ -~éﬀ\\t\\n]{0,40}") {
            has_account(&text);
            masked(&text);
            host_of(&text);
        }
    }
}
