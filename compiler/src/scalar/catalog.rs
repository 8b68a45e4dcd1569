//! Functions about types and names that need no catalog. The others are expanded by the binder.

use super::declare::functions;
use crate::repr::Type;

functions! { pub(super) FUNCTIONS;
    /// The name of a type with its modifier, `???` of an unknown one.
    "format_type"(Oid, Int4) -> Text, called_on_null(): "format_type(oid '1700', 655366)" => "numeric(10,2)"
        = { |_, oid: Option<i64>, typmod: Option<i64>| oid.map(|oid| format_type(oid, typmod)) };
}

fn format_type(oid: i64, typmod: Option<i64>) -> String {
    if oid == 0 {
        return "-".to_owned();
    }
    let known = u32::try_from(oid).ok().and_then(|oid| Type::from_oid(oid, typmod.unwrap_or(-1) as i32));
    known.map_or_else(|| "???".to_owned(), |typ| typ.to_string())
}
