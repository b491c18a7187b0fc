//! For which machine an image is, and which of an image's manifests fits one best.

use super::ImageError;
use std::fmt;

/// For which machines an image is wanted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Platform {
    /// Every one that it has.
    All,
    /// The one that fits best.
    One {
        /// `linux`.
        os: String,
        /// `amd64`.
        architecture: String,
        /// `v7`.
        variant: Option<String>,
    },
}

/// How a manifest's machine relates to the one that is wanted: fewer steps are better.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Steps {
    /// 1 where it is another architecture that this one also runs.
    foreign: u8,
    /// How many variants older.
    older: u32,
}

impl Platform {
    /// Reads `OS/ARCHITECTURE[/VARIANT]` or `all`; an empty text is this machine's own. Architectures may be called by
    /// the kernel's names, too (`x86_64`, `aarch64`).
    ///
    /// # Errors
    /// It is none of these.
    pub fn parse(text: &str) -> Result<Platform, ImageError> {
        if text.is_empty() {
            return Ok(Platform::own());
        }
        if text == "all" {
            return Ok(Platform::All);
        }
        let is_word = |word: &&str| {
            (1..=32).contains(&word.len())
                && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
        };
        let words: Vec<&str> = text.split('/').filter(is_word).collect();
        match words[..] {
            // None was left out.
            [os, architecture] if text.matches('/').count() == 1 => Ok(Platform::one(os, architecture, None)),
            [os, architecture, variant] if text.matches('/').count() == 2 => {
                Ok(Platform::one(os, architecture, Some(variant)))
            }
            _ => Err(ImageError::Platform(text.to_owned())),
        }
    }

    /// This machine's own.
    pub fn own() -> Platform {
        Platform::one(std::env::consts::OS, std::env::consts::ARCH, None)
    }

    /// As images name a machine.
    fn one(os: &str, architecture: &str, variant: Option<&str>) -> Platform {
        let os = match os.to_lowercase() {
            os if os == "macos" => "darwin".to_owned(),
            os => os,
        };
        let (architecture, implied) = match architecture.to_lowercase() {
            name if ["x86_64", "x86-64"].contains(&&name[..]) => ("amd64".to_owned(), None),
            name if ["x86", "i386", "i686"].contains(&&name[..]) => ("386".to_owned(), None),
            name if name == "aarch64" => ("arm64".to_owned(), None),
            name if name == "armhf" => ("arm".to_owned(), Some("v7")),
            name if name == "armel" => ("arm".to_owned(), Some("v6")),
            name if name == "powerpc64" && cfg!(target_endian = "little") => ("ppc64le".to_owned(), None),
            name if name == "loongarch64" => ("loong64".to_owned(), None),
            name => (name, None),
        };
        let variant = variant.or(implied).map(str::to_lowercase).filter(|variant| !variant.is_empty());
        // `8` is `v8`.
        let variant =
            variant.map(|text| if text.starts_with(|c: char| c.is_ascii_digit()) { format!("v{text}") } else { text });
        Platform::One { os, architecture, variant }
    }

    /// The place of the best of these: operating system, architecture and variant of each. The first of equals. None
    /// fits where all are wanted: there is no best then.
    pub fn best<'a>(&self, offers: impl IntoIterator<Item = (&'a str, &'a str, Option<&'a str>)>) -> Option<usize> {
        let steps = |(at, (os, architecture, variant)): (usize, (&str, &str, Option<&str>))| {
            let offer = Platform::one(os, architecture, variant);
            self.steps_to(&offer).map(|steps| (steps, at))
        };
        offers.into_iter().enumerate().filter_map(steps).min().map(|(_, at)| at)
    }

    /// How far an offer is from what is wanted; none where it does not run there.
    fn steps_to(&self, offer: &Platform) -> Option<Steps> {
        let (
            Platform::One { os, architecture, variant },
            Platform::One { os: offered_os, architecture: offered, variant: offered_variant },
        ) = (self, offer)
        else {
            return None;
        };
        // Signatures and the like are listed as a machine that does not exist.
        let real = offered != "unknown" && offered_os != "unknown";
        if !real || os != offered_os {
            return None;
        }
        let wanted = level(architecture, variant.as_deref());
        let given = level(offered, offered_variant.as_deref());
        if architecture == offered {
            return match (wanted, given) {
                (Some(wanted), Some(given)) => wanted.checked_sub(given).map(|older| Steps { foreign: 0, older }),
                // What has no order must be the same.
                _ => (variant == offered_variant).then_some(Steps { foreign: 0, older: 0 }),
            };
        }
        match (&architecture[..], &offered[..]) {
            ("amd64", "386") => Some(Steps { foreign: 1, older: 0 }),
            // 64-bit machines run what eighth and older 32-bit ones run.
            ("arm64", "arm") => Some(Steps { foreign: 1, older: 80_u32.checked_sub(given?)? }),
            _ => None,
        }
    }
}

/// A variant as a number (`v7` is 70, `v8.2` is 82), with what an architecture without one means; none where variants of
/// this architecture have no order.
fn level(architecture: &str, variant: Option<&str>) -> Option<u32> {
    let variant = match (architecture, variant) {
        ("arm", None) => "v7",
        ("arm64", None) => "v8",
        ("amd64", None) => "v1",
        ("arm" | "arm64" | "amd64", Some(variant)) => variant,
        _ => return None,
    };
    let (major, minor) = variant.strip_prefix('v')?.split_once('.').unwrap_or((variant.strip_prefix('v')?, "0"));
    major.parse::<u32>().ok()?.checked_mul(10)?.checked_add(minor.parse().ok()?)
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Platform::All => f.write_str("all"),
            Platform::One { os, architecture, variant: None } => write!(f, "{os}/{architecture}"),
            Platform::One { os, architecture, variant: Some(variant) } => write!(f, "{os}/{architecture}/{variant}"),
        }
    }
}
