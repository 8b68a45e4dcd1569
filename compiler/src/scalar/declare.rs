//! The macro that declares functions: a table of lines that read like signatures.
//!
//! ```text
//! functions! { pub(super) FUNCTIONS;
//!     /// The absolute value.
//!     "abs"(Int4) -> Int4, errs: "abs(-3)" => "3" = { |_, a: i64| int4(a.abs()) };
//! }
//! ```
//! The doc comment is the documentation, the pair after the colon an example that is run as a test. Words after the
//! result type are methods of the declaration's builder (`Function::errs`, `Function::called_on_null`, …). The body is a
//! closure of the evaluation's context and the arguments as Rust values, or `raw` and a function of the slice of datums.
//! A type in brackets is an array.

use super::EvalError;
use super::native::FromDatum;
use crate::repr::Datum;

/// Declares a table of functions; see the module's head.
macro_rules! functions {
    (
        $vis:vis $table:ident;
        $(
            $(#[doc = $doc:literal])+
            $name:literal ( $($arg:tt),* ) -> $ret:tt $(, $flag:ident $(( $($param:tt)* ))?)* :
            $example:expr => $result:literal = $body:tt;
        )*
    ) => {
        $vis static $table: &[$crate::scalar::function::Function] = &[
            $(
                $crate::scalar::function::Function::new(
                    concat!($name, $(" ", stringify!($arg)),*),
                    $name,
                    &[$($crate::scalar::declare::arg_type!($arg)),*],
                    $crate::scalar::declare::arg_type!($ret),
                    concat!($($doc),+),
                    ($example, $result),
                    $crate::scalar::declare::body!($body),
                )
                $(.$flag($($($param)*)?))*,
            )*
        ];
    };
}

macro_rules! arg_type {
    ([$element:tt]) => {
        $crate::scalar::function::ArgType::Array(&$crate::scalar::declare::arg_type!($element))
    };
    ($typ:ident) => {
        $crate::scalar::function::ArgType::$typ
    };
}

macro_rules! body {
    ({ raw $function:expr }) => {
        $function
    };
    ({ |$cx:pat_param $(, $p:ident : $t:ty)*| $body:expr }) => {
        |args, cx| {
            #[allow(unused_mut, unused_variables, reason = "a function without arguments reads none")]
            let mut args = args.iter();
            let $cx = cx;
            $(let $p: $t = $crate::scalar::declare::take(&mut args)?;)*
            $crate::scalar::native::IntoDatum::into_datum($body, cx)
        }
    };
}

pub(super) use {arg_type, body, functions};

/// The next argument; NULL when the call leaves it out.
#[inline(always)]
pub(super) fn take<'a, T: FromDatum<'a>>(args: &mut std::slice::Iter<'_, Datum<'a>>) -> Result<T, EvalError> {
    T::from_datum(args.next().copied().unwrap_or(Datum::Null))
}
