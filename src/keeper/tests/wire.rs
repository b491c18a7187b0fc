//! Bytes: what is written is read again, and anything may come.

use super::*;
use crate::keeper::frames::{FDS_MAX, Frame, FrameError, INLINE_MAX, Inbox, Outbox};
use std::ffi::OsString;
use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::net::UnixStream;

fn os_text() -> impl Strategy<Value = OsString> {
    proptest::collection::vec(any::<u8>(), 0..20).prop_map(OsString::from_vec)
}

fn stdio() -> impl Strategy<Value = Stdio> {
    prop_oneof![
        Just(Stdio::Null),
        os_text().prop_map(|path| Stdio::Append(path.into())),
        Just(Stdio::SameAsStdout),
        any::<usize>().prop_map(Stdio::Fd),
    ]
}

prop_compose! {
    fn any_spawn()(
        slot in any::<u64>(),
        argv in proptest::collection::vec(os_text(), 0..5),
        env in proptest::collection::vec((os_text(), os_text()), 0..5),
        groups in proptest::collection::vec(any::<u32>(), 0..5),
        oom_score_adj in any::<Option<i32>>(),
        rlimits in proptest::collection::vec(("[a-z]{0,8}", any::<u64>(), any::<u64>()), 0..3),
        cgroup in proptest::option::of((".{0,8}", proptest::collection::vec((".{0,8}", ".{0,8}"), 0..3))),
        (stdin, stdout, stderr) in (stdio(), stdio(), stdio()),
        (nice, plain_fork) in any::<(i32, bool)>(),
        intent in proptest::collection::vec(any::<u8>(), 0..100),
    ) -> Spawn {
        Spawn {
            argv, env, groups, oom_score_adj, stdin, stdout, stderr, nice, plain_fork, intent,
            rlimits: rlimits.into_iter().map(|(resource, soft, hard)| Rlimit { resource, soft, hard }).collect(),
            cgroup: cgroup.map(|(name, limits)| Cgroup { name, limits }),
            ..spawn(slot)
        }
    }
}

fn any_status() -> impl Strategy<Value = Status> {
    let signal = |(signal, core_dumped)| Status::Signal { signal, core_dumped };
    prop_oneof![any::<i32>().prop_map(Status::Code), any::<(i32, bool)>().prop_map(signal)]
}

proptest! {
    #[test]
    fn asks_are_read_as_written(spawn in any_spawn(), seqs in any::<Vec<u64>>(), signal in any::<i32>(), text in ".*") {
        let slot = spawn.slot;
        let leftover = Leftover { slot, pid: signal, start_ticks: 3, signal, grace: secs(9), cgroup: Some(text.clone()) };
        let hello = Hello { max_slots: Some(slot), cgroup_root: Some(text.clone().into()) };
        for ask in [
            Ask::Hello { oldest: 1, newest: 9, hello },
            Ask::Ready,
            Ask::Pong,
            Ask::Spawn(Box::new(spawn.clone())),
            Ask::Signal { slot, signal, scope: Scope::Tree },
            Ask::Acknowledge(seqs.clone()),
            Ask::EndLeftover(leftover.clone()),
            Ask::HoldListener(text.clone()),
            Ask::DropListener(text.clone()),
            Ask::Notify(text.clone()),
            Ask::Upgrade(Some(text.clone().into())),
            Ask::Done(signal),
        ] {
            let (kind, payload) = ask.encode();
            prop_assert_eq!(Ask::decode(kind, &payload), Ok(ask));
            let mut longer = payload.clone();
            longer.push(0);
            prop_assert!(Ask::decode(kind, &longer).is_err());
            if let Some((_, shorter)) = payload.split_last() {
                prop_assert!(Ask::decode(kind, shorter).is_err());
            }
        }
    }

    #[test]
    fn tells_are_read_as_written(status in any_status(), seq in any::<u64>(), oom in any::<bool>(), text in ".*") {
        let rusage = Rusage { user: Duration::from_nanos(seq), max_rss_kib: seq, ..Rusage::default() };
        let (slot, pid, start_ticks) = (seq, 5, seq);
        let state = HeldState::Exited { seq, status, rusage, ended: seq, oom, acknowledged: !oom };
        let held = Held { slot, pid, start_ticks, intent: text.clone().into_bytes(), state, tree_empty: oom };
        let cgroup = CgroupFacts { root: Some("/x".into()), controllers: vec![text.clone()], remark: text.clone() };
        let news = [
            News::Spawned { slot, pid, start_ticks },
            News::Failed { slot, stage: Stage::Chdir(text.clone().into()), errno: 2 },
            News::Exited { seq, slot, status, rusage, ended: seq, oom, tree_empty: oom },
            News::TreeEmpty { slot },
            News::Stray { pid, session: pid, command: text.clone() },
            News::LeftoverGone { slot },
            News::Stop,
            News::StopNow,
            News::Reloaded,
            News::UpgradeRefused { reason: text.clone() },
        ];
        let listeners = vec![text.clone(), "b".to_owned()];
        let welcome = Tell::Welcome { version: 1, held: vec![held; 3], listeners, stopping: Stopping::Now, cgroup };
        for tell in news.into_iter().map(Tell::News).chain([Tell::Ping, welcome]) {
            let (kind, payload) = tell.encode();
            prop_assert_eq!(Tell::decode(kind, &payload), Ok(tell));
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(kind in any::<u8>(), bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = Tell::decode(kind, &bytes);
        if let Ok(ask) = Ask::decode(kind, &bytes) {
            prop_assert_eq!(ask.encode(), (kind, bytes));
        }
    }

    #[test]
    fn any_stream_is_frames_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..500)) {
        let (mut there, here) = UnixStream::pair().unwrap();
        there.write_all(&bytes).unwrap();
        drop(there);
        let mut inbox = Inbox::default();
        let end = loop {
            match inbox.take() {
                Ok(Some(frame)) => prop_assert!(frame.payload.len() <= bytes.len() && frame.kind < 128),
                Ok(None) => match inbox.fill(here.as_fd()) {
                    Ok(_) => {}
                    Err(error) => break error,
                },
                Err(error) => break error,
            }
        };
        prop_assert!(matches!(end, FrameError::Closed | FrameError::Bad(_)));
    }
}

#[test]
fn big_and_small_frames_arrive_in_order_with_their_descriptors() {
    let (there, here) = UnixStream::pair().unwrap();
    let mut outbox = Outbox::default();
    let sizes = [0, 10, INLINE_MAX, INLINE_MAX + 1, 5_000_000, 3];
    for (kind, size) in (0..).zip(sizes) {
        let fds = (0..kind).map(|_| there.try_clone().unwrap().into()).collect();
        outbox.push(Frame { kind, payload: vec![kind; size], fds }).unwrap();
    }
    let (mut inbox, mut frames) = (Inbox::default(), Vec::new());
    while frames.len() < sizes.len() {
        outbox.flush(there.as_fd()).unwrap();
        while let Some(frame) = inbox.take().unwrap() {
            frames.push(frame);
        }
        if frames.len() < sizes.len() {
            inbox.fill(here.as_fd()).unwrap();
        }
    }
    for ((kind, size), frame) in (0..).zip(sizes).zip(&frames) {
        assert_eq!((frame.kind, frame.payload.len(), frame.fds.len()), (kind, size, usize::from(kind)));
        assert!(frame.payload.iter().all(|byte| *byte == kind));
    }
    assert!(outbox.is_empty() && outbox.queued() == 0);
}

#[test]
fn lies_about_descriptors_and_memfds_are_refused() {
    let too_many = [0, 0, 0, 0, 1, u8::try_from(FDS_MAX + 2).unwrap()];
    let missing = [0, 0, 0, 0, 1, 1];
    let no_memfd = [8, 0, 0, 0, 0x81, 0, 1, 0, 0, 0, 0, 0, 0, 0];
    for lie in [&too_many[..], &missing, &no_memfd] {
        let (mut there, here) = UnixStream::pair().unwrap();
        there.write_all(lie).unwrap();
        let mut inbox = Inbox::default();
        inbox.fill(here.as_fd()).unwrap();
        assert!(matches!(inbox.take(), Err(FrameError::Bad(_))), "{lie:?}");
    }
    // A memfd that is shorter than promised.
    let (there, here) = UnixStream::pair().unwrap();
    let memfd = crate::keeper::sys::memfd("short").unwrap();
    let mut lie = vec![8, 0, 0, 0, 0x81, 1];
    lie.extend(100u64.to_le_bytes());
    crate::keeper::sys::send(there.as_fd(), &lie, &[memfd.as_fd()]).unwrap();
    let mut inbox = Inbox::default();
    inbox.fill(here.as_fd()).unwrap();
    assert!(matches!(inbox.take(), Err(FrameError::Bad("memfd length"))));
}

#[test]
fn an_explanation_is_a_sentence() {
    assert_eq!(Stage::Chdir("/srv/x".into()).explain(2), "chdir /srv/x: No such file or directory");
    assert_eq!(Stage::Fork.explain(11), "fork: Resource temporarily unavailable");
}
