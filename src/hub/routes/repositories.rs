//! Repositories, items and tags: shown, made, published, forgotten.

mod changing;
pub(super) mod finding;
pub(super) mod listing;

use super::Shared;
use super::who::draft;
use crate::http::{Doc, Route};
use hyper::Method;

const ALL: &str = "/api/repositories";
const REPOSITORY: &str = "/api/repositories/{repo}";
const ITEM: &str = "/api/repositories/{repo}/{item}";
const TAG: &str = "/api/repositories/{repo}/{item}/{tag}";
const REQUIRES: &str = "/api/repositories/{repo}/{item}/{tag}/requires";
const JUDGE: &str = "/api/repositories/{repo}/{item}/{tag}/judge";

const PAGE: (&str, &str) = ("page", "from 1; all where neither page nor size is said");
const SIZE: (&str, &str) = ("size", "1 to 100, 10 by default; -1: all");
const UNKNOWN: (u16, &str) = (401, "1005, 6101: no credentials, or none that count");
const MISSING: (u16, &str) = (404, "1009: there is none of that name");
const INVALID: (u16, &str) = (400, "1007: which field, and what was expected; 1400: which is missing");
const FOREIGN: (u16, &str) = (403, "1006: it is somebody else's");
const BUSY: (u16, &str) = (503, "1001: the daemon is ending");

const fn doc(
    summary: &'static str,
    query: &'static [(&'static str, &'static str)],
    body: Option<&'static str>,
    answers: &'static [(u16, &'static str)],
) -> Doc {
    Doc { summary, query, body, answers }
}

const LIST: Doc = doc(
    "Repositories, by name",
    &[("username", "only those of this user"), PAGE, SIZE],
    None,
    &[(200, "a list of repname, comment, optime, owner"), (400, "6002: no such user; 1007"), UNKNOWN],
);
const SHOW_REPOSITORY: Doc = doc(
    "A repository with the names of its items",
    &[("details", "true: items, with how many tags each has"), PAGE, SIZE],
    None,
    &[(200, "dataitems, total, comment, optime, owner"), INVALID, UNKNOWN, MISSING],
);
const MAKE_REPOSITORY: Doc = doc(
    "Makes a repository",
    &[],
    Some("comment, or nothing"),
    &[(200, "the repository"), INVALID, UNKNOWN, (409, "4009: there is one of that name")],
);
const FORGET_REPOSITORY: Doc = doc(
    "Forgets an empty repository",
    &[],
    None,
    &[(200, "it is gone"), UNKNOWN, FOREIGN, MISSING, (409, "1010: it has items")],
);
const SHOW_ITEM: Doc = doc(
    "An item with its tags",
    &[("unwell", "true: only tags that are not well"), PAGE, SIZE],
    None,
    &[(200, "tags, abnormal (how many), taglist; to its owner also where it lies"), INVALID, UNKNOWN, MISSING],
);
const MAKE_ITEM: Doc = doc(
    "Makes an item, its directory, and its repository where there is none",
    &[],
    Some("datapool; itemdesc: the directory in it; itemaccesstype: public or private (default); comment"),
    &[(200, "the item"), INVALID, UNKNOWN, FOREIGN, (404, "4010: no such data pool"), (409, "4009: it exists"), BUSY],
);
const FORGET_ITEM: Doc =
    doc("Forgets an item with its tags; files stay", &[], None, &[(200, "it is gone"), UNKNOWN, FOREIGN, MISSING]);
const SHOW_TAG: Doc = doc(
    "A tag",
    &[],
    None,
    &[
        (
            200,
            "status, reason, checked_at, hashed_at, size, md5, sha256; to its owner also detail, path, requires, why",
        ),
        UNKNOWN,
        MISSING,
    ],
);
const PUBLISH: Doc = doc(
    "Publishes a file of an item's directory",
    &[],
    Some(
        "detail: the file's name, of a path the last part; comment; replace; requires: what must hold for it to be well",
    ),
    &[
        (200, "the tag: its file was read"),
        (202, "the tag, and the job that reads its file"),
        (400, "4008: no such file; 1007: a field is wrong; 1400: one is missing"),
        UNKNOWN,
        FOREIGN,
        MISSING,
        (409, "4009: it exists, and replace is not true; 1010: the file cannot be read"),
        BUSY,
    ],
);
const FORGET_TAGS: Doc = doc(
    "Forgets a tag, or those whose names match: * stands for anything; files stay",
    &[],
    None,
    &[(200, "removed: how many"), UNKNOWN, FOREIGN, (404, "4002: no such tag; 1009: no such item")],
);
const REQUIRE: Doc = doc(
    "Replaces what must hold for a tag to be well",
    &[],
    Some(
        "requires: a list of {proc}, {dag, max_age} and {url}; at most 8. The tag's owner, and no other user, is told their \
         names and whether they hold",
    ),
    &[(200, "requires, as it is now"), INVALID, UNKNOWN, (403, "1006: somebody else's, or not an operator"), MISSING],
);
const JUDGE_TAG: Doc = doc("Whether there is a tag of this name", &[], None, &[(200, "exists"), UNKNOWN]);

/// These routes.
pub(super) fn routes(shared: &Shared) -> Vec<Route> {
    let get = |path, doc| draft(shared, (Method::GET, path), doc);
    let post = |path, doc| draft(shared, (Method::POST, path), doc);
    let delete = |path, doc| draft(shared, (Method::DELETE, path), doc);
    vec![
        get(ALL, LIST).with(listing::repositories),
        get(REPOSITORY, SHOW_REPOSITORY).with(listing::repository),
        post(REPOSITORY, MAKE_REPOSITORY).with(changing::make_repository),
        delete(REPOSITORY, FORGET_REPOSITORY).with(changing::forget_repository),
        get(ITEM, SHOW_ITEM).with(listing::item),
        post(ITEM, MAKE_ITEM).with(changing::make_item),
        delete(ITEM, FORGET_ITEM).with(changing::forget_item),
        get(TAG, SHOW_TAG).with(listing::tag),
        post(TAG, PUBLISH).with(changing::publish),
        delete(TAG, FORGET_TAGS).with(changing::forget_tags),
        draft(shared, (Method::PUT, REQUIRES), REQUIRE).with(changing::require),
        get(JUDGE, JUDGE_TAG).with(listing::judge),
    ]
}
