//! A table for the terminal: as wide as what stands in it, numbers to the right.

use std::fmt;

/// Rows below a head.
#[derive(Clone, Debug)]
pub(super) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new<const N: usize>(head: [&str; N]) -> Self {
        Table { rows: vec![head.map(str::to_owned).to_vec()] }
    }

    /// Adds a row, with a cell for each word of the head.
    pub(super) fn row<const N: usize>(&mut self, cells: [String; N]) {
        assert_eq!(N, self.rows[0].len(), "a row is as long as the head");
        self.rows.push(cells.to_vec());
    }

    fn columns(&self) -> Vec<Column> {
        let column = |index: usize| Column {
            width: self.rows.iter().map(|row| row[index].chars().count()).max().unwrap_or(0),
            is_numeric: self.rows[1..].iter().all(|row| is_number(&row[index]))
                && self.rows[1..].iter().any(|row| row[index] != NOTHING),
        };
        (0..self.rows[0].len()).map(column).collect()
    }
}

struct Column {
    width: usize,
    is_numeric: bool,
}

/// A number, or nothing where one would be.
fn is_number(cell: &str) -> bool {
    cell == NOTHING || cell.chars().all(|letter| letter.is_ascii_digit())
}

/// What stands for a value that is not there.
pub(super) const NOTHING: &str = "-";

/// A value that may not be there.
pub(super) fn perhaps<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| NOTHING.to_owned(), |value| value.to_string())
}

/// Several of a kind: `b1, b2, b3`.
pub(super) fn list<T: ToString>(values: &[T]) -> String {
    match values {
        [] => NOTHING.to_owned(),
        _ => values.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
    }
}

/// Prints nothing if there is no row.
impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.rows.len() == 1 {
            return Ok(());
        }
        let columns = self.columns();
        for row in &self.rows {
            let cell = |(text, Column { width, is_numeric }): (&String, &Column)| match is_numeric {
                true => format!("  {text:>width$}"),
                false => format!("  {text:<width$}"),
            };
            let line: String = row.iter().zip(&columns).map(cell).collect();
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_to_the_right_and_words_to_the_left() {
        let mut table = Table::new(["partition", "ELR", "end", "leader"]);
        table.row(["orders-0".into(), NOTHING.into(), "9".into(), "b1".into()]);
        table.row(["orders-10".into(), NOTHING.into(), "1000".into(), perhaps::<u32>(None)]);
        let text = "  partition  ELR   end  leader\n  orders-0   -       9  b1\n  orders-10  -    1000  -\n";
        assert_eq!(table.to_string(), text);
        assert_eq!(Table::new(["nothing"]).to_string(), "");
    }
}
