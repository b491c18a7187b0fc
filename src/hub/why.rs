//! The chain of causes behind a tag (`data/REP/ITEM:TAG`) and behind an account's being online (`hub/NAME`).
