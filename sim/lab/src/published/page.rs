//! The pages of `reports/published/`: Markdown for people, CSV for programs, lines for the terminal.

#![allow(clippy::float_arithmetic, reason = "ratios are for people, and made in the lab")]

use super::rows::{PUBLICATIONS, Publication, Role};
use super::{Compared, ComparedRow};
use std::fmt::Write;

/// A publication's page.
pub(super) fn page(publication: &Publication, compared: &[ComparedRow]) -> String {
    let mut page = format!("# {}\n\n", publication.title);
    let _ = writeln!(page, "Source: {}.\n\n{}\n", publication.source, publication.about);
    page.push_str(
        "| run | figure | published | klab | off by | tells |\n|---|---|---:|---:|---:|---|\n",
    );
    for row in compared {
        for (place, figure) in row.figures.iter().enumerate() {
            let name = if place == 0 { row.row.name } else { "" };
            let _ = writeln!(page, "| {name} | {} |", cells(figure).join(" | "));
        }
    }
    let _ = write!(page, "\n{}\n", summary(compared));
    page.push_str("\n## Where klab is off, and why\n\n");
    for misfit in publication.misfits {
        let _ = writeln!(page, "- {misfit}");
    }
    if !publication.not_run.is_empty() {
        page.push_str("\n## Rows that are not run, and why\n\n");
        for row in publication.not_run {
            let _ = writeln!(page, "- {row}");
        }
    }
    page.push_str("\n## Every run again\n\n```text\n");
    for row in compared {
        let _ = writeln!(page, "{}", row.command);
    }
    page.push_str("```\n");
    page.push_str(&made_by());
    page
}

/// The same as a table.
pub(super) fn table(publication: &Publication, compared: &[ComparedRow]) -> String {
    let mut table = "publication,run,figure,published,klab,ratio,role\n".to_string();
    for row in compared {
        for figure in &row.figures {
            let _ = writeln!(
                table,
                "{},\"{}\",\"{}\",{},{},{},{}",
                publication.name,
                row.row.name,
                figure.figure.quantity,
                known(figure.figure.published, |published| published.to_string()),
                thousandths(figure.klab),
                known(figure.ratio(), |ratio| format!("{ratio:.3}")),
                role(figure.figure.role),
            );
        }
    }
    table
}

/// The same for a terminal.
pub(super) fn text(publication: &Publication, compared: &[ComparedRow]) -> String {
    let mut text = format!("{}\n", publication.title);
    for row in compared {
        let _ = writeln!(text, "  {}", row.row.name);
        for figure in &row.figures {
            let [quantity, published, klab, off, role] = cells(figure);
            let off = off.replace("**", "");
            let _ =
                writeln!(text, "    {quantity:<36} {published:>12} {klab:>12} {off:>8}  {role}");
        }
    }
    let _ = writeln!(text, "  {}\n", summary(compared));
    text
}

/// The page that leads to the others.
pub(super) fn index() -> String {
    let mut page = "# Published measurements beside klab's\n\nEach page runs published settings on one of klab's hardware \
                    profiles (`klab explain cloud-nvme`). One set of constants for each profile serves every row; none \
                    is tuned for a row, and every misfit is shown. A *fit* chose a constant and is no evidence; a \
                    *check* did not; a *law* is held against klab's own numbers; of a *bound* only that is published which \
                    it stays below, and of a *shape* whether it is more or less than its neighbours.\n\n"
        .to_string();
    for publication in PUBLICATIONS {
        let _ = writeln!(page, "- [{}]({}.md)", publication.title, publication.name);
    }
    page.push_str(&made_by());
    page
}

fn made_by() -> String {
    "\nMade by `klab published`; the numbers follow from the scenarios and their seeds.\n"
        .to_string()
}

fn cells(compared: &Compared) -> [String; 5] {
    let published = number(compared.figure.published);
    let (published, off) = match compared.figure.role {
        Role::Shape => (String::new(), String::new()),
        Role::Bound if compared.is_near() => (format!("below {published}"), "below".to_string()),
        Role::Bound => (format!("below {published}"), "not below".to_string()),
        _ => (published, format!("{:+.1} %", (compared.ratio() - 1.0) * 100.0)),
    };
    [
        compared.figure.quantity.name().to_string(),
        published,
        number(compared.klab),
        if compared.is_near() { off } else { format!("**{off}**") },
        role(compared.figure.role).to_string(),
    ]
}

fn role(role: Role) -> &'static str {
    match role {
        Role::Fit => "fit",
        Role::Check => "check",
        Role::Law => "law",
        Role::Bound => "bound",
        Role::Shape => "shape",
    }
}

/// How many of the checks are near, and the worst.
fn summary(compared: &[ComparedRow]) -> String {
    let all = || compared.iter().flat_map(|row| row.figures.iter().map(move |one| (row, one)));
    let checks = all().filter(|(_, one)| !matches!(one.figure.role, Role::Fit | Role::Shape));
    let near = checks.clone().filter(|(_, one)| one.is_near()).count();
    let measured = |one: &Compared| matches!(one.figure.role, Role::Fit | Role::Check | Role::Law);
    let worst = all()
        .filter(|(_, one)| measured(one))
        .max_by(|one, other| misfit(one.1).total_cmp(&misfit(other.1)));
    let worst = worst.map_or(String::new(), |(row, one)| {
        let [quantity, _, _, off, _] = cells(one);
        format!(" The worst misfit: {}, {quantity}: {}.", row.row.name, off.replace("**", ""))
    });
    format!(
        "{near} of {} checks, laws and bounds are near (15 % of a throughput, 25 % of a latency).{worst}",
        checks.count()
    )
}

/// A number as a text; nothing where none was published.
fn known(number: f64, text: impl FnOnce(f64) -> String) -> String {
    if number.is_nan() { String::new() } else { text(number) }
}

fn misfit(compared: &Compared) -> f64 {
    compared.ratio().ln().abs()
}

fn thousandths(number: f64) -> f64 {
    (number * 1e3).round() / 1e3
}

/// Few digits, and as many as count.
fn number(number: f64) -> String {
    match number.abs() {
        large if large >= 1_000.0 => {
            let digits = format!("{number:.0}");
            let groups = digits.as_bytes().rchunks(3).rev();
            let groups: Vec<_> = groups.map(|group| String::from_utf8_lossy(group)).collect();
            groups.join(",")
        }
        middle if middle >= 100.0 => format!("{number:.0}"),
        middle if middle >= 10.0 => format!("{number:.1}"),
        _ => format!("{number:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::measure::Quantity;
    use super::super::rows::Figure;
    use super::*;

    #[test]
    fn what_is_published_of_a_shape_or_a_bound_is_no_number_to_divide_by() {
        let cells = |role, published, klab| {
            let figure = Figure { quantity: Quantity::Megabytes, published, role };
            super::cells(&Compared { figure, klab })
        };
        let shown = |role, published, klab| cells(role, published, klab)[1..4].join("|");
        assert_eq!(shown(Role::Check, 500.0, 400.0), "500|400|**-20.0 %**");
        assert_eq!(shown(Role::Bound, 500.0, 400.0), "below 500|400|below");
        assert_eq!(shown(Role::Bound, 500.0, 512.0), "below 500|512|**not below**");
        assert_eq!(shown(Role::Shape, f64::NAN, 400.0), "|400|");
    }

    #[test]
    fn a_shape_is_no_check_and_a_bound_has_no_misfit() {
        let figure = |role, published| Figure { quantity: Quantity::Megabytes, published, role };
        let row = PUBLICATIONS[0].rows[0];
        let figures = [
            Compared { figure: figure(Role::Shape, f64::NAN), klab: 7.0 },
            Compared { figure: figure(Role::Bound, 10.0), klab: 1.0 },
            Compared { figure: figure(Role::Check, 10.0), klab: 11.0 },
        ];
        let compared = ComparedRow { row, figures: figures.to_vec(), command: String::new() };
        let summary = summary(&[compared]);
        assert!(summary.starts_with("2 of 2 checks"), "{summary}");
        assert!(summary.ends_with("+10.0 %."), "{summary}");
    }
}
