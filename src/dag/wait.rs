//! `GET /v1/dagrun/{run}/state`, at once or when there is news.

use super::engine::Handle;
use super::model::*;
use super::{runs, wire};
use crate::base::duration;
use crate::http::{Cx, Failure, Reply};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// The longest wait of one request.
const WAIT_MAX: Duration = Duration::from_secs(600);

/// `GET /v1/dagrun/{run}/state`
pub async fn state(handle: Handle, cx: Cx) -> Result<Reply, Failure> {
    let wait = cx.query.get("wait").map(duration::parse).transpose();
    let wait = wait.map_err(|why| runs::bad(format!("wait: {why}")))?.unwrap_or_default().min(WAIT_MAX);
    let since = match cx.query.get("since").map(|word| (word, State::named(word))) {
        None => None,
        Some((_, Some(state))) => Some(state),
        Some((word, None)) => return Err(runs::bad(format!("since: \"{}\" is no state", word.escape_debug()))),
    };
    let end = Instant::now() + wait;
    // Listening begins before the first look, so a change between the two is heard.
    let mut news = handle.tools.bus.listen(None);
    loop {
        let row = runs::row(&handle, &cx).await?;
        if is_news(row.state(), since) || Instant::now() >= end {
            return Ok(Reply::json(&wire::state(row.state())));
        }
        // Having missed events is as good as news; the time being up, there is one last look.
        while let Ok(Ok(events)) = timeout_at(end, news.next()).await {
            if events.iter().any(|event| runs::concerns(event, row.id)) {
                break;
            }
        }
    }
}

/// Whether a client who knows of `since`, or waits for the end, wants to hear this.
fn is_news(state: State, since: Option<State>) -> bool {
    match since {
        Some(since) => state != since,
        None => state.is_over(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn news_is_another_state_or_the_end() {
        assert!(is_news(State::Paused, Some(State::Running)));
        assert!(!is_news(State::Running, Some(State::Running)));
        assert!(is_news(State::Errored, None));
        assert!(!is_news(State::Paused, None));
    }
}
