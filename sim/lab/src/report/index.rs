//! `index.md`: what lies in a run's folder, and what came of the run.

use crate::experiment::{Experiment, Outcome};
use crate::measure::metric;
use crate::plot::timeline::Timeline;
use crate::report::bands::Band;

/// The page that explains the others.
pub fn page(experiment: &Experiment, outcome: &Outcome, bands: &[Band]) -> String {
    let measured = outcome.measured.as_deref();
    let words = measured.map_or(Vec::new(), |measured| Timeline::words(measured, bands));
    let words: String = words.iter().map(|line| format!("- {line}\n")).collect();
    let text = anstream::adapter::strip_str(&super::text::outcome(experiment, outcome)).to_string();
    format!(
        "# {title}\n\n\
         {about}\
         Repeat this run with `{command}`.\n\n\
         | file | what it is |\n\
         |---|---|\n\
         | `trace.txt` | what happened, one line each: step, seconds, node, fact or client call |\n\
         | `history.jsonl` | the clients' calls, one event a line, for `klab check` |\n\
         | `verdict.json` | every promise and expectation with its proofs, for a program |\n\
         | `metrics.csv` | what was measured, per {interval} of simulated time; the columns are below |\n\
         | `throughput.svg` | records sent, acknowledged and polled per second, with the faults |\n\
         | `latency.svg` | time from send to acknowledgement |\n\
         | `scenario.toml` | the scenario as it was run |\n\n\
         ![throughput](throughput.svg)\n\n\
         ![latency](latency.svg)\n\n\
         {words}\n\
         ```text\n{text}```\n\n\
         ## The columns of metrics.csv\n\n{legend}",
        legend = metric::legend(),
        title = experiment.scenario.title,
        about = experiment.scenario.about.as_ref().map_or(String::new(), |a| format!("{a}\n\n")),
        command = experiment.command(),
        interval =
            outcome.measured.as_ref().map_or(klab_wire::Span::ZERO, |measured| measured.interval),
    )
}
