//! The text of a view, laid out to be read: a clause to a line, an item to a line.
//!
//! What is stored is one line of canonical SQL. Only blanks outside quotes and parentheses become line breaks, so the laid out
//! text means the same.

/// Words before which a line ends, with the next line's indentation; those that begin with others come first.
const BREAKS: [(&str, &str); 20] = [
    ("LEFT JOIN", "     "),
    ("RIGHT JOIN", "     "),
    ("FULL JOIN", "     "),
    ("CROSS JOIN", "     "),
    ("NATURAL JOIN", "     "),
    ("JOIN", "     "),
    ("FROM", "   "),
    ("WHERE", "  "),
    ("GROUP BY", "  "),
    ("HAVING", "  "),
    ("ORDER BY", "  "),
    ("LIMIT", " "),
    ("OFFSET", " "),
    ("UNION ALL", ""),
    ("UNION", ""),
    ("INTERSECT ALL", ""),
    ("INTERSECT", ""),
    ("EXCEPT ALL", ""),
    ("EXCEPT", ""),
    ("SELECT", " "),
];

pub fn laid_out(sql: &str) -> String {
    let mut out = String::from(" ");
    let mut rest = sql;
    let (mut depth, mut in_items) = (0, false);
    while let Some(c) = rest.chars().next() {
        let word_starts = out.ends_with(' ');
        let found = BREAKS.iter().find(|(words, _)| depth == 0 && word_starts && begins(rest, words));
        match found {
            Some((words, indent)) if !(*words == "FROM" && out.ends_with("DISTINCT ")) => {
                let start = out.trim_end().len();
                if start > 0 {
                    out.truncate(start);
                    out.push('\n');
                    out.push_str(indent);
                }
                out.push_str(words);
                in_items = *words == "SELECT";
                rest = &rest[words.len()..];
                continue;
            }
            _ => {}
        }
        let length = match c {
            '\'' | '"' => quoted_length(rest, c),
            _ => c.len_utf8(),
        };
        out.push_str(&rest[..length]);
        rest = &rest[length..];
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            ',' if depth == 0 && in_items => out.push_str("\n   "),
            _ => {}
        }
    }
    out
}

fn begins(text: &str, words: &str) -> bool {
    text.strip_prefix(words).is_some_and(|after| after.is_empty() || after.starts_with([' ', '(']))
}

/// The length of what stands in quotes, both included. A doubled quote reads as two texts side by side.
fn quoted_length(text: &str, quote: char) -> usize {
    text[1..].find(quote).map_or(text.len(), |end| end + 2)
}

#[cfg(test)]
mod tests {
    use super::laid_out;

    #[test]
    fn clauses_and_items_have_lines_of_their_own() {
        for (sql, expected) in [
            ("SELECT 1 AS a", " SELECT 1 AS a"),
            (
                "SELECT DISTINCT a, f(b, c) AS \"FROM , x\" FROM t AS t JOIN u ON t.a = u.a LEFT JOIN (SELECT x FROM v) AS w ON true WHERE a = ' FROM it''s' GROUP BY a, b",
                " SELECT DISTINCT a,\n    f(b, c) AS \"FROM , x\"\n   FROM t AS t\n     JOIN u ON t.a = u.a\n     LEFT JOIN (SELECT x FROM v) AS w ON true\n  WHERE a = ' FROM it''s'\n  GROUP BY a, b",
            ),
            (
                "SELECT a FROM t WHERE a IS DISTINCT FROM b UNION ALL SELECT fromage FROM u ORDER BY 1",
                " SELECT a\n   FROM t\n  WHERE a IS DISTINCT FROM b\nUNION ALL\n SELECT fromage\n   FROM u\n  ORDER BY 1",
            ),
        ] {
            assert_eq!(laid_out(sql), expected);
        }
    }
}
