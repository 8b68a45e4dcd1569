//! What a COPY's options ask for.

/// How rows lie in a COPY's data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CopyFormat {
    Text(TextFormat),
    Csv(CsvFormat),
    /// One object a line.
    Json,
    Binary,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextFormat {
    pub delimiter: u8,
    pub null: String,
    pub header: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CsvFormat {
    pub delimiter: u8,
    pub null: String,
    pub header: bool,
    pub quote: u8,
    pub escape: u8,
    /// Of the copied columns, those that are always quoted.
    pub force_quote: Vec<usize>,
    pub force_null: Vec<usize>,
    pub force_not_null: Vec<usize>,
}
