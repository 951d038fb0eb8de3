//! Tables: a head, columns as wide as their content, no lines.

use comfy_table::{CellAlignment, ContentArrangement, Table as Inner, presets};

use super::{Output, Style, clean};

/// A table. Columns that say nothing in any row are left out if they are optional.
pub(crate) struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
}

struct Column {
    name: &'static str,
    right: bool,
    optional: bool,
}

/// What stands in one place of a table.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    /// Text in a style.
    pub(crate) fn styled(style: Style, text: impl AsRef<str>) -> Cell {
        Cell { text: clean(text.as_ref()).into_owned(), style }
    }
}

impl<T: AsRef<str>> From<T> for Cell {
    fn from(text: T) -> Cell {
        Cell::styled(Style::Plain, text)
    }
}

impl Table {
    /// A table with these columns. A name that begins with `>` is for figures, which stand on the
    /// right; one that begins with `?`, before that, is for a column that may be left out.
    pub(crate) fn new(columns: &[&'static str]) -> Table {
        let column = |name: &&'static str| Column {
            name: name.trim_start_matches(['>', '?']),
            right: name.trim_start_matches('?').starts_with('>'),
            optional: name.starts_with('?'),
        };
        Table { columns: columns.iter().map(column).collect(), rows: Vec::new() }
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// The lines, without blanks at their ends.
    pub(crate) fn render(&self, output: &Output) -> String {
        let says = |n: usize| self.rows.iter().any(|row| row.get(n).is_some_and(|cell| !cell.text.is_empty()));
        let shown: Vec<usize> = (0..self.columns.len()).filter(|n| !self.columns[*n].optional || says(*n)).collect();
        let mut table = Inner::new();
        table.load_style(presets::NOTHING);
        // On a terminal long cells are wrapped to its width, elsewhere a row is a line.
        table.set_content_arrangement(match output.terminal {
            true => ContentArrangement::Dynamic,
            false => ContentArrangement::Disabled,
        });
        match output.colour {
            true => table.enforce_styling(),
            false => table.force_no_tty(),
        };
        table.set_header(shown.iter().map(|n| cell(self.columns[*n].name, Style::Bold)));
        for row in &self.rows {
            let empty = Cell { text: String::new(), style: Style::Plain };
            table.add_row(shown.iter().map(|n| row.get(*n).unwrap_or(&empty)).map(|c| cell(&c.text, c.style)));
        }
        for (at, n) in shown.iter().enumerate() {
            if let Some(column) = table.column_mut(at) {
                column.set_padding((0, 3));
                if self.columns[*n].right {
                    column.set_cell_alignment(CellAlignment::Right);
                }
            }
        }
        let mut text = String::new();
        for line in table.lines() {
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

fn cell(text: &str, style: Style) -> comfy_table::Cell {
    use comfy_table::{Attribute, Color};
    let cell = comfy_table::Cell::new(text);
    match style {
        Style::Plain => cell,
        Style::Bold => cell.add_attribute(Attribute::Bold),
        Style::Dim => cell.add_attribute(Attribute::Dim),
        Style::Good => cell.fg(Color::DarkGreen),
        Style::Warn => cell.fg(Color::DarkYellow),
        Style::Bad => cell.fg(Color::DarkRed),
        Style::Name => cell.fg(Color::DarkCyan),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_in_line_and_empty_ones_are_left_out() {
        let mut table = Table::new(&["NAME", ">CALLS", "?ZONE"]);
        table.row(["greeter".into(), "5".into(), "".into()]);
        table.row(["a".into(), "1234".into(), "".into()]);
        let output = Output { json: false, terminal: false, colour: false };
        assert_eq!(table.render(&output), "NAME      CALLS\ngreeter       5\na          1234\n");
    }
}
