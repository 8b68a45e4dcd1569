//! pg_settings: the session's parameters.

use super::{Session, Sheet};
use crate::repr::Datum;

pub fn settings(session: &Session<'_>, sheet: &mut Sheet<'_>) {
    let columns = [
        "name",
        "setting",
        "category",
        "context",
        "vartype",
        "source",
        "boot_val",
        "reset_val",
        "pending_restart",
    ];
    sheet.fill(columns, |sheet| {
        for (name, value) in session.parameters {
            let vartype = match value.as_str() {
                "on" | "off" => "bool",
                value if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) => "integer",
                _ => "string",
            };
            let value = Datum::Text(value);
            sheet.row([
                Datum::Text(name),
                value,
                Datum::Text("Session"),
                Datum::Text("user"),
                Datum::Text(vartype),
                Datum::Text("default"),
                value,
                value,
                Datum::Bool(false),
            ]);
        }
    });
}
