//! `compare.md`: the picture, what it shows in words, the table, the chronicle, and the lines that repeat the runs.

use super::axis::Compared;
use super::{Side, chronicle, table, words};
use crate::report::text::HEAD;

/// The lines of the chronicle on a terminal, and on a page.
const LINES: (usize, usize) = (48, 240);

/// For a terminal.
pub(super) fn text(compared: &Compared, sides: &[Side]) -> String {
    let mut text = format!("{HEAD}{}{HEAD:#}\n", compared.runs[0].1.scenario.title);
    text += &table::of(sides).text(sides);
    text += &format!("\n{HEAD}Timeline{HEAD:#}\n{}", chronicle::text(sides, LINES.0));
    text += &format!("\n{HEAD}In words{HEAD:#}\n{}\n", words::paragraph(compared, sides));
    text += &format!("\n{HEAD}Repeat{HEAD:#}       {}\n", compared.command);
    text
}

/// For a reader who has not seen a run yet.
pub(super) fn page(compared: &Compared, sides: &[Side]) -> String {
    let first = &compared.runs[0].1;
    let labels: Vec<&str> = sides.iter().map(|side| side.label.as_str()).collect();
    let about = first.scenario.about.as_deref().map_or("", str::trim);
    let commands: String =
        sides.iter().map(|side| format!("{}\n", side.experiment.command())).collect();
    format!(
        "# {labels}: {title}\n\n\
         {about}\n\n\
         {setup}\n\n\
         ![{labels}](lanes.svg)\n\n\
         ## In words\n\n{paragraph}\n\n\
         ## Side by side\n\n\
         A failure is **noticed** when somebody first treats it as one: its broker is fenced, its session ends, votes are \
         asked for, its replica leaves an ISR. \"After\" counts from the failure's beginning. A **control message** is one \
         between two servers that neither replicates records nor answers another.\n\n{table}\n\
         ## One after the other\n\n\
         What mattered, in each run; what happened at one moment stands in one row.\n\n```text\n{chronicle}```\n\n\
         ## Repeat it\n\n```sh\n{command}\n{commands}```\n",
        labels = labels.join(" against "),
        title = first.scenario.title,
        setup = words::setup(compared, sides),
        paragraph = words::paragraph(compared, sides),
        table = table::of(sides).markdown(sides),
        chronicle = chronicle::text(sides, LINES.1),
        command = compared.command,
    )
}
