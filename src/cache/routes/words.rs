//! The routes in words, for `/openapi.json`.

use crate::http::Doc;

type Answers = &'static [(u16, &'static str)];
type Query = &'static [(&'static str, &'static str)];

const UNKNOWN: (u16, &str) = (401, "no token, or none that is known");
const NOT_THAT: (u16, &str) = (403, "the token is inactive, has expired, or lacks the scope");
const MISSING: (u16, &str) = (404, "record not found");
const INVALID: (u16, &str) = (422, "errors: which field, and which rule; message: what it names is not there");
const BUSY: (u16, &str) = (503, "no room, or the daemon is ending");

const fn plain(summary: &'static str, answers: Answers) -> Doc {
    Doc { summary, query: &[], body: None, answers }
}

const fn asked(summary: &'static str, query: Query, answers: Answers) -> Doc {
    Doc { summary, query, body: None, answers }
}

const fn with_body(summary: &'static str, body: &'static str, answers: Answers) -> Doc {
    Doc { summary, query: &[], body: Some(body), answers }
}

pub(super) const HEALTHY: Doc = plain("Whether the cache answers", &[(200, "\"OK\"")]);
pub(super) const PERSISTENT: Doc = plain("Persistent cache tasks: none on one host", &[(200, "[]"), UNKNOWN]);

pub(super) const CREATE_JOB: Doc = with_body(
    "Fetch, find or remove tasks, or forget old records",
    "type: preheat, get_task, delete_task, get_image_distribution, sync_peers or gc; args, by type; bio; user_id; \
     scheduler_cluster_ids. Beyond the original: timeout also as text (\"90s\"), urls and oci:// addresses for images, \
     revalidate, ttl, pin and digest for preheat, image with delete_task",
    &[
        (200, "the job as made; for get_image_distribution image and peers; for sync_peers \"OK\""),
        UNKNOWN,
        NOT_THAT,
        (404, "no such cluster"),
        INVALID,
        (429, "too many jobs at once for a cluster; Retry-After says when to try again"),
        (500, "nobody works for the clusters named"),
        (502, "the registry refuses, or cannot be reached"),
        BUSY,
    ],
);
const PAGES: (&str, &str) = ("page", "from 1");
const PER_PAGE: (&str, &str) = ("per_page", "1 to 10000000; 10 by default");
pub(super) const JOBS: Doc = asked(
    "Jobs, newest first",
    &[
        ("type", "of this type"),
        ("state", "PENDING, SUCCESS or FAILURE"),
        ("user_id", "for this account"),
        PAGES,
        PER_PAGE,
    ],
    &[(200, "the page; Link leads to others, X-Total-Count counts all"), UNKNOWN, NOT_THAT, INVALID],
);
pub(super) const JOB: Doc = asked(
    "A job, and what came of it",
    &[("wait", "seconds, or text such as 30s: answered when it is over, or after that")],
    &[(200, "the job"), UNKNOWN, NOT_THAT, MISSING, INVALID],
);
pub(super) const CHANGE_JOB: Doc = with_body(
    "Change what a job says about itself",
    "bio, user_id; what is empty or 0 stays",
    &[(200, "the job"), UNKNOWN, NOT_THAT, MISSING, INVALID, BUSY],
);
pub(super) const DELETE_JOB: Doc = plain(
    "Forget a job; what it does goes on, and what is cached stays",
    &[(200, "it is forgotten"), UNKNOWN, NOT_THAT, MISSING, INVALID, BUSY],
);

const CLUSTER_BODY: &str = "name, bio, scheduler_cluster_config (candidate_parent_limit, filter_parent_limit, job_rate_limit), \
                            seed_peer_cluster_config and peer_cluster_config (load_limit, block_list), scopes, is_default. \
                            Only job_rate_limit has an effect on one host";
pub(super) const CREATE_CLUSTER: Doc = with_body(
    "Make a cluster; nobody works for any but the first",
    CLUSTER_BODY,
    &[(200, "the cluster"), UNKNOWN, NOT_THAT, (409, "the name is taken"), INVALID, BUSY],
);
pub(super) const CLUSTERS: Doc = asked(
    "Clusters",
    &[("name", "of exactly this name"), PAGES, PER_PAGE],
    &[(200, "the page, null where there is none"), UNKNOWN, NOT_THAT, INVALID],
);
pub(super) const CLUSTER: Doc = plain("A cluster", &[(200, "the cluster"), UNKNOWN, NOT_THAT, MISSING, INVALID]);
pub(super) const CHANGE_CLUSTER: Doc = with_body(
    "Change a cluster; what is not given stays",
    CLUSTER_BODY,
    &[(200, "the cluster"), UNKNOWN, NOT_THAT, MISSING, (409, "the name is taken"), INVALID, BUSY],
);
pub(super) const DELETE_CLUSTER: Doc = plain(
    "Forget a cluster",
    &[(200, "it is forgotten"), UNKNOWN, NOT_THAT, MISSING, INVALID, (500, "this host works for it"), BUSY],
);

const TASK_BODY: &str = "url, tag, application, filtered_query_params, piece_length, content_for_calculating_task_id";
pub(super) const TASKS: Doc = asked(
    "What is cached or being fetched, newest first",
    &[
        ("url", "exactly this address"),
        ("tag", "exactly this tag"),
        ("application", "exactly this application"),
        ("state", "fetching, partial or complete"),
        ("q", "somewhere in address, tag or application"),
        PAGES,
        PER_PAGE,
    ],
    &[(200, "the page; Link leads to others, X-Total-Count counts all"), UNKNOWN, NOT_THAT, INVALID],
);
pub(super) const FETCH: Doc = with_body(
    "Fetch one file, unless it is there; the answer does not wait for it",
    "url, tag, application, filtered_query_params, piece_length, content_for_calculating_task_id, headers, username, \
     password, digest, ttl, pin, revalidate",
    &[(200, "the task"), UNKNOWN, NOT_THAT, INVALID, BUSY],
);
pub(super) const DELETE_TASKS: Doc = asked(
    "Remove all tasks that are selected; answered when their files are gone",
    &[
        ("url", "exactly this address"),
        ("tag", "exactly this tag"),
        ("application", "exactly this application"),
        ("state", "fetching, partial or complete"),
        ("q", "somewhere in address, tag or application"),
        ("image", "the blobs of this image: the address of its manifest, or oci://HOST/REPOSITORY:TAG"),
        ("platform", "which of the image's; this host's by default, or all"),
        ("all", "true: everything"),
        ("dry_run", "true: nothing is removed"),
    ],
    &[
        (200, "tasks and bytes removed; removed and failed, the first thousand of each"),
        UNKNOWN,
        NOT_THAT,
        (422, "nothing is selected, or something that is none"),
        (502, "the registry refuses, or cannot be reached"),
        BUSY,
    ],
);
pub(super) const IDS: Doc = with_body(
    "All ids of a content, without fetching it",
    TASK_BODY,
    &[(200, "manager_id, daemon_id, blob_digest_id, content_id, primary"), UNKNOWN, NOT_THAT, INVALID],
);
pub(super) const TASK: Doc = asked(
    "A task with its pieces, by any of its ids",
    &[("wait", "seconds, or text such as 30s: answered when it is not being fetched any more, or after that")],
    &[
        (
            200,
            "the task; for some minutes also one that failed and left nothing, with the state \"failed\" and its error",
        ),
        UNKNOWN,
        NOT_THAT,
        MISSING,
        INVALID,
    ],
);
pub(super) const DELETE_TASK: Doc = plain(
    "Remove a task; answered when its file is gone",
    &[(200, "tasks and bytes removed"), UNKNOWN, NOT_THAT, MISSING, (500, "why the file is still there"), BUSY],
);
pub(super) const CONTENT: Doc = plain(
    "The bytes; Range, If-Range and If-None-Match are heeded. What is being fetched comes as it arrives",
    &[
        (200, "all of them"),
        (206, "the range"),
        (304, "the client has this version"),
        UNKNOWN,
        (403, "fetched with credentials: only for operators; or the token is not good for it"),
        MISSING,
        (409, "not complete, and nobody fetches it"),
        (416, "the range lies beyond the end"),
        (502, "the origin failed before anything came"),
    ],
);
pub(super) const VERIFY: Doc = asked(
    "Compare what is on disk with what was fetched; damaged pieces are fetched again",
    &[("again", "false: only what was not compared since the start of the daemon")],
    &[(200, "ok, pieces, damaged, error"), UNKNOWN, NOT_THAT, MISSING, INVALID],
);
pub(super) const VERIFY_ALL: Doc = plain(
    "The same for all tasks, for as long as the client waits",
    &[(200, "tasks, ok, failed, damaged: the first thousand that are"), UNKNOWN, NOT_THAT, BUSY],
);
pub(super) const COLLECT: Doc = plain(
    "Throw away what is old or too much, and files that belong to no task",
    &[(200, "tasks, bytes, orphans, orphan_bytes"), UNKNOWN, NOT_THAT, BUSY],
);
pub(super) const PIN: Doc = plain(
    "Keep a task for dag:RUN, proc:TASK or a name",
    &[(200, "the task"), UNKNOWN, NOT_THAT, MISSING, INVALID, BUSY],
);
pub(super) const UNPIN: Doc =
    plain("Keep it no longer for them", &[(200, "the task"), UNKNOWN, NOT_THAT, MISSING, INVALID, BUSY]);
pub(super) const USAGE: Doc = plain(
    "How much is kept, and for whom",
    &[(200, "tasks, bytes, quota, free, pinned, by_tag, by_application"), UNKNOWN, NOT_THAT],
);
