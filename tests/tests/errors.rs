//! The table of error codes in `docs/spec/errors.md` is the one in the code.

use keyfold::{ErrorCode, Retry};

#[test]
fn the_table_of_codes_is_the_enum() {
    let text = std::fs::read_to_string(keyfold_conformance::root().join("docs/spec/errors.md"))
        .expect("the table is there");
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    let documented: Vec<(String, String)> = rows
        .map(|row| {
            let mut cells = row.split('|').map(|cell| cell.trim().trim_matches('`').to_owned());
            (cells.nth(1).unwrap_or_default(), cells.next().unwrap_or_default())
        })
        .collect();
    let known: Vec<(String, String)> = ErrorCode::ALL
        .iter()
        .map(|code| {
            let retry = match code.default_retry() {
                Retry::Never => "never",
                Retry::Later(_) => "later",
                Retry::AfterChange => "after_change",
            };
            (code.as_str().to_owned(), retry.to_owned())
        })
        .collect();
    assert_eq!(documented, known);
}
