//! DECLARE, FETCH, MOVE, CLOSE.
//!
//! A cursor's rows are those of the moment of its DECLARE, copied out, so that it can be read in any direction and holds
//! nothing in the engine; a cursor over SUBSCRIBE is read forward as updates come, outside a transaction block too:
//!
//! - `FETCH ALL` gives all updates up to now, and is done, with no row if there are none;
//! - `FETCH n` waits for a row, and gives at most n of those that are there then;
//! - either `WITH (timeout = '1s')` waits for a row for as long, and gives what is there then.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use compiler::ast::{Fetch, FetchDirection, Opt};
use compiler::plan::{Cursor, Declare, OutputColumn, Plan};
use compiler::repr::Row;
use compiler::{Error, SqlState};

use super::portal::PortalKind;
use super::rows::{Positioned, RowSet, Rows};
use super::{Answer, Interrupt, Portal, PortalState, Prepared, ResultRows, Session, Tag, TransactionState};
use crate::execute::Subscription;

impl Session {
    pub(super) async fn declare(
        &mut self,
        prepared: &Arc<Prepared>,
        declare: &Declare,
        values: &Row,
    ) -> Result<Answer, Error> {
        let streams = matches!(declare.body, Cursor::Subscribe(_));
        let outside = self.state == TransactionState::Implicit;
        if outside && !declare.hold && !streams {
            let message = "DECLARE CURSOR can only be used in transaction blocks";
            return Err(Error::new(SqlState::NO_ACTIVE_SQL_TRANSACTION, message));
        }
        if self.portals.contains_key(&declare.name) {
            let message = format!("cursor \"{}\" already exists", declare.name);
            return Err(Error::new(SqlState::DUPLICATE_CURSOR, message));
        }
        let body = match &declare.body {
            Cursor::Query(query) => Plan::Query(query.clone()),
            Cursor::Subscribe(subscribe) => Plan::Subscribe(subscribe.clone()),
        };
        let types = &prepared.compiled.parameters;
        let mut opened =
            self.executor.open(&body, values, types, &mut self.transaction, &self.interrupt).await?;
        opened.binary = declare.binary;
        let portal = Portal {
            prepared: Some(Arc::clone(prepared)),
            values: Row::default(),
            formats: Vec::new(),
            state: PortalState::Open(opened),
            kind: PortalKind::Cursor {
                hold: declare.hold || outside,
                forward_only: streams || declare.scroll == Some(false),
                committed: false,
            },
        };
        self.portals.insert(declare.name.clone(), portal);
        Ok(Answer::Done(Tag::Whole(Cow::Borrowed("DECLARE CURSOR"))))
    }

    pub(super) fn cursor_columns(&self, name: &str) -> Option<Arc<[OutputColumn]>> {
        self.portal_columns(self.portals.get(name)?)
    }

    /// Whether the statement fetches from a BINARY cursor.
    pub fn fetches_binary(&self, prepared: &Prepared) -> bool {
        let Plan::Fetch(fetch) = &prepared.compiled.plan else { return false };
        let cursor = self.portals.get(&fetch.cursor.name).map(|portal| &portal.state);
        matches!(cursor, Some(PortalState::Open(open)) if open.binary)
    }

    pub(super) fn close_cursor(&mut self, name: Option<&str>) -> Result<Answer, Error> {
        let tag = match name {
            None => {
                self.portals.clear();
                "CLOSE CURSOR ALL"
            }
            Some(name) => {
                self.portals.remove(name).ok_or_else(|| no_cursor(name))?;
                "CLOSE CURSOR"
            }
        };
        Ok(Answer::Done(Tag::Whole(Cow::Borrowed(tag))))
    }

    pub(super) async fn fetch(&mut self, fetch: &Fetch) -> Result<Answer, Error> {
        let timeout = fetch_timeout(&fetch.options)?;
        let name = &fetch.cursor.name;
        let interrupt = Arc::clone(&self.interrupt);
        let portal = self.portals.get_mut(name).ok_or_else(|| no_cursor(name))?;
        let forward_only = matches!(portal.kind, PortalKind::Cursor { forward_only: true, .. });
        let PortalState::Open(open) = &mut portal.state else {
            let message = format!("portal \"{name}\" cannot be run");
            return Err(Error::new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, message));
        };
        let rows = match &mut open.rows {
            Rows::Set(set) => {
                if forward_only && !is_forward(fetch.direction) {
                    return Err(backward(false));
                }
                take(set, fetch.direction)
            }
            Rows::Stream(subscription) => {
                let FetchDirection::Forward(count) = fetch.direction else { return Err(backward(true)) };
                match (count, timeout) {
                    (None, None) => subscription.present(&interrupt).await?,
                    (count, timeout) => {
                        let count = count.map_or(usize::MAX, |n| usize::try_from(n).unwrap_or(0));
                        take_updates(subscription, count, timeout, &interrupt).await?
                    }
                }
            }
        };
        if fetch.moves {
            return Ok(Answer::Done(Tag::Whole(format!("MOVE {}", rows.len()).into())));
        }
        let rows = Rows::Set(Positioned { rows, position: 0 });
        Ok(Answer::Rows(ResultRows {
            columns: Arc::clone(&open.columns),
            rows,
            tag: Tag::Counted("FETCH"),
            binary: open.binary,
        }))
    }
}

fn no_cursor(name: &str) -> Error {
    Error::new(SqlState::INVALID_CURSOR_NAME, format!("cursor \"{name}\" does not exist"))
}

fn backward(stream: bool) -> Error {
    let error = Error::new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, "cursor can only scan forward");
    match stream {
        true => error.detail("The updates of a SUBSCRIBE come once."),
        false => error.hint("Declare it with SCROLL option to enable backward scan."),
    }
}

fn is_forward(direction: FetchDirection) -> bool {
    match direction {
        FetchDirection::Forward(count) => count.is_none_or(|count| count >= 0),
        _ => false,
    }
}

/// The rows that a FETCH in this direction returns; the place moves with them.
fn take(set: &mut Positioned, direction: FetchDirection) -> RowSet {
    let end = set.rows.len() as i64 + 1;
    let at = set.position as i64;
    let one = |set: &mut Positioned, place: i64| {
        let place = place.clamp(0, end);
        set.position = place as usize;
        copy(&set.rows, place..=place)
    };
    match direction {
        FetchDirection::Forward(Some(0)) | FetchDirection::Backward(Some(0)) => copy(&set.rows, at..=at),
        FetchDirection::Forward(Some(n)) if n < 0 => {
            take(set, FetchDirection::Backward(Some(n.saturating_neg())))
        }
        FetchDirection::Backward(Some(n)) if n < 0 => {
            take(set, FetchDirection::Forward(Some(n.saturating_neg())))
        }
        FetchDirection::Forward(count) => {
            let last = count.map_or(end, |n| at.saturating_add(n).min(end));
            set.position = last as usize;
            copy(&set.rows, at + 1..=last)
        }
        FetchDirection::Backward(count) => {
            let last = count.map_or(0, |n| at.saturating_sub(n).max(0));
            set.position = last as usize;
            copy(&set.rows, (last..=at - 1).rev())
        }
        FetchDirection::First => one(set, 1),
        FetchDirection::Last => one(set, end - 1),
        FetchDirection::Absolute(n) if n < 0 => one(set, end.saturating_add(n)),
        FetchDirection::Absolute(n) => one(set, n),
        FetchDirection::Relative(n) => one(set, at.saturating_add(n)),
    }
}

/// The rows at these places; there is none before the first and after the last.
fn copy(rows: &RowSet, places: impl Iterator<Item = i64>) -> RowSet {
    let mut out = RowSet::default();
    for place in places {
        if let Some(row) = usize::try_from(place - 1).ok().and_then(|index| rows.get(index)) {
            out.push(row);
        }
    }
    out
}

/// Waits for a row, for as long as the timeout says, and takes those that are there.
async fn take_updates(
    subscription: &mut Subscription,
    count: usize,
    timeout: Option<Duration>,
    interrupt: &Interrupt,
) -> Result<RowSet, Error> {
    let mut rows = RowSet::default();
    if count == 0 {
        return Ok(rows);
    }
    let ready = match timeout {
        None => subscription.ready(interrupt).await?,
        Some(timeout) => match tokio::time::timeout(timeout, subscription.ready(interrupt)).await {
            Ok(ready) => ready?,
            Err(_) => false,
        },
    };
    // What is taken is sent: an error now would lose it, so it is left for the next call.
    let mut ready = ready;
    while ready && rows.len() < count {
        match subscription.next_row() {
            Some(row) => rows.push(row),
            None => ready = subscription.try_ready().unwrap_or(false),
        }
    }
    Ok(rows)
}

/// `WITH (timeout = '1s')`.
fn fetch_timeout(options: &[Opt]) -> Result<Option<Duration>, Error> {
    let mut timeout = None;
    for option in options {
        if option.name.name != "timeout" {
            let message = format!("unrecognized FETCH option \"{}\"", option.name.name);
            return Err(Error::new(SqlState::SYNTAX_ERROR, message).at(option.name.position));
        }
        let text = option.text()?;
        let duration = super::parameters::parse_duration(text).ok_or_else(|| {
            let message = format!("invalid value for FETCH option \"timeout\": \"{text}\"");
            Error::new(SqlState::INVALID_PARAMETER_VALUE, message)
                .hint("Durations look like '1s', '500ms' or '2min'.")
        })?;
        timeout = Some(duration);
    }
    Ok(timeout)
}

#[cfg(test)]
mod tests {
    use compiler::ast::FetchDirection::*;

    use super::*;

    /// What each fetch of three rows returns, and where the place is then.
    fn fetches(directions: &[FetchDirection]) -> Vec<String> {
        let mut set = Positioned::default();
        [b"a", b"b", b"c"].iter().for_each(|row| set.rows.push(*row));
        let mut step = |direction: &FetchDirection| {
            let taken = take(&mut set, *direction);
            let text: String = taken.iter().map(|row| row[0] as char).collect();
            format!("{text}@{}", set.position)
        };
        directions.iter().map(&mut step).collect()
    }

    #[test]
    fn cursors_move_as_postgresqls_do() {
        assert_eq!(fetches(&[Forward(Some(2)), Forward(Some(2)), Forward(Some(1))]), ["ab@2", "c@4", "@4"]);
        assert_eq!(fetches(&[Forward(None), Backward(None), Forward(Some(1))]), ["abc@4", "cba@0", "a@1"]);
        assert_eq!(
            fetches(&[Last, Backward(Some(1)), Relative(0), Relative(-9)]),
            ["c@3", "b@2", "b@2", "@0"]
        );
        assert_eq!(
            fetches(&[Absolute(2), Forward(Some(0)), Absolute(-1), Absolute(9)]),
            ["b@2", "b@2", "c@3", "@4"]
        );
        assert_eq!(fetches(&[First, Forward(Some(-1)), Backward(Some(-2))]), ["a@1", "@0", "ab@2"]);
        assert_eq!(fetches(&[Forward(Some(i64::MAX)), Backward(Some(i64::MIN))]), ["abc@4", "@4"]);
    }
}
