//! The simple protocol: a text of statements, carried out one after the other.
//!
//! Statements outside a block make one transaction, which ends with the text: the last statement is complete when that is
//! durable. An error ends the text.

use std::sync::Arc;

use compiler::ast::{Spanned, Statement};
use compiler::repr::Row;
use compiler::{Error, SqlState};

use super::rows::formats;
use super::{BYTES_AT_ONCE, Connection, Ended, Failure};
use crate::execute::beside_the_reactor;
use crate::message::BackendMessage;
use crate::session::Answer;

impl Connection {
    pub(super) async fn query(&mut self, sql: String) -> Result<(), Ended> {
        // A simple query takes the unnamed statement and portal with it.
        self.session.forget_statement("");
        self.session.close_portal("");
        if let Err(failure) = self.run_text(&sql).await {
            self.survive(failure)?;
        }
        self.ready().await
    }

    async fn run_text(&mut self, sql: &str) -> Result<(), Failure> {
        let is_long = sql.len() > BYTES_AT_ONCE;
        let statements = beside_the_reactor(is_long, || self.session.parse(sql))?;
        if statements.is_empty() {
            self.out.put(BackendMessage::EmptyQueryResponse);
            return Ok(());
        }
        let last = statements.len() - 1;
        for (index, statement) in statements.into_iter().enumerate() {
            self.run_statement(statement, is_long, index == last).await?;
        }
        Ok(())
    }

    async fn run_statement(
        &mut self,
        statement: Spanned<Statement>,
        is_long: bool,
        is_last: bool,
    ) -> Result<(), Failure> {
        let _timer = self.begin_statement();
        let statement = Arc::new(statement.node);
        self.session.check_not_failed(&statement)?;
        let prepared = Arc::new(beside_the_reactor(is_long, || self.session.compile(statement, Vec::new()))?);
        if let number @ 1.. = prepared.compiled.parameters.len() {
            let message = format!("there is no parameter ${number}");
            return Err(Error::new(SqlState::UNDEFINED_PARAMETER, message).into());
        }
        let answer = self.session.start(&prepared, &Row::default()).await?;
        self.say_notices();
        let tag = match answer {
            Answer::Done(tag) => tag.text(0),
            Answer::CopyIn(copy) => self.copy_in(copy).await?,
            Answer::CopyOut(copy) => self.copy_out(*copy).await?,
            Answer::Rows(mut result) => {
                let formats = formats(&[], result.columns.len(), result.binary)?;
                self.describe_rows(&result.columns, &formats);
                let sent = self.send_rows(&mut result, formats, None).await?;
                result.tag.text(sent.rows)
            }
        };
        if is_last {
            self.session.end_implicit().await?;
        }
        self.say_notices();
        self.out.put(BackendMessage::CommandComplete(&tag));
        Ok(())
    }
}
