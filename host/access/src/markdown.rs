//! Tables of the house as they stand in its documentation.

/// Rows of cells as a table in Markdown, the first one its head; columns are as wide as what is in them.
pub fn markdown(rows: &[Vec<String>]) -> String {
    let [head, body @ ..] = rows else { return String::new() };
    let cells = |column: usize| rows.iter().filter_map(move |row| row.get(column));
    let width = |column: usize| cells(column).map(String::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let line = |row: &Vec<String>| {
        let padded = row.iter().zip(&widths).map(|(cell, width)| format!(" {cell:width$} |"));
        format!("|{}\n", padded.collect::<String>())
    };
    let rule: String = widths.iter().map(|width| format!("{}|", "-".repeat(width + 2))).collect();
    let body: String = body.iter().map(line).collect();
    format!("{}|{rule}\n{body}", line(head))
}
