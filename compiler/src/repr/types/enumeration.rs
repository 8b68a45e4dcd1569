//! Enumerations: types whose values are labels in an order of their own.

use serde::{Deserialize, Serialize};

/// An enumeration that the user made. What it is called and holds goes with it wherever it goes; which it is, its oid says alone.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EnumType {
    pub oid: u32,
    pub array_oid: u32,
    pub schema: String,
    pub name: String,
    /// In their order.
    pub labels: Vec<String>,
}

impl EnumType {
    /// A label's place in the order.
    pub fn position(&self, label: &str) -> Option<u32> {
        self.labels.iter().position(|other| other == label).map(|at| at as u32)
    }
}

impl PartialEq for EnumType {
    fn eq(&self, other: &EnumType) -> bool {
        self.oid == other.oid
    }
}

impl Eq for EnumType {}

impl std::hash::Hash for EnumType {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.oid.hash(state);
    }
}

impl PartialOrd for EnumType {
    fn partial_cmp(&self, other: &EnumType) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for EnumType {
    fn cmp(&self, other: &EnumType) -> std::cmp::Ordering {
        self.oid.cmp(&other.oid)
    }
}
