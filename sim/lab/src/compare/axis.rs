//! Which runs are compared: each value of an axis, or each of a scenario's own runs.

use crate::cli::Subject;
use crate::error::Mistake;
use crate::experiment::{Experiment, pair, quoted, set_in_name, set_words};
use crate::plot::sweep::{Sweep, split};

/// More runs than these nobody reads side by side.
const MOST: usize = 6;

/// The runs, and the command that asked for them.
pub(super) struct Compared {
    /// Each with what is special about it.
    pub runs: Vec<(String, Experiment)>,
    /// The keys in which they differ; none if they are a scenario's own runs.
    pub keys: Vec<String>,
    /// The line that compares them again.
    pub command: String,
    /// Every setting, as it was given.
    settings: Vec<String>,
}

impl Compared {
    pub(super) fn of(subject: &Subject, seed: Option<u64>) -> Result<Self, Mistake> {
        let axes = axes(&subject.settings)?;
        let runs = match axes.is_empty() {
            true => own_runs(subject, seed)?,
            false => along(&axes, subject, seed)?,
        };
        let seed = runs.first().map_or(0, |(_, experiment)| experiment.seed);
        let path = quoted(&subject.scenario.display().to_string());
        let run = subject.run.as_ref().map_or(String::new(), |name| format!(" --run {name}"));
        let set = set_words(&subject.settings);
        Ok(Compared {
            runs,
            keys: axes.into_iter().map(|axis| axis.key).collect(),
            command: format!("klab compare {path}{run}{set} --seed {seed}"),
            settings: subject.settings.clone(),
        })
    }

    /// The name of its folder.
    pub(super) fn name(&self) -> String {
        let first = &self.runs[0].1;
        let stem = first.path.file_stem().map_or("runs".into(), |stem| stem.to_string_lossy());
        format!("compare-{stem}{}-seed{}", set_in_name(&self.settings), first.seed)
    }
}

/// The settings with several values.
fn axes(settings: &[String]) -> Result<Vec<Sweep>, Mistake> {
    let mut keys: Vec<&str> = Vec::new();
    let mut axes = Vec::new();
    for setting in settings {
        let (key, values) = pair(setting)?;
        if keys.contains(&key) {
            return Err(Mistake::new(format!(
                "{key} is set twice: write its values once, as in --set {key}=A,B"
            )));
        }
        keys.push(key);
        if split(values).len() > 1 {
            axes.push(Sweep::read_as("--set", setting)?);
        }
    }
    Ok(axes)
}

fn own_runs(subject: &Subject, seed: Option<u64>) -> Result<Vec<(String, Experiment)>, Mistake> {
    let runs = Experiment::load_all(subject, seed)?;
    if runs.len() < 2 {
        return Err(Mistake::new(
            "there is only one run, and nothing to hold it against: give a setting several values, as in \
             --set producer.acks=1,all",
        ));
    }
    let name = |run: &Experiment| run.run.as_ref().map_or(String::new(), |run| run.name.clone());
    few(runs.into_iter().map(|run| (name(&run), run)).collect())
}

/// Every combination of the axes' values. All are read and checked before the first runs.
fn along(
    axes: &[Sweep],
    subject: &Subject,
    seed: Option<u64>,
) -> Result<Vec<(String, Experiment)>, Mistake> {
    let mut chosen: Vec<Vec<String>> = vec![Vec::new()];
    for axis in axes {
        let with = |one: &Vec<String>| {
            let values = axis.values.iter();
            values.map(|value| [&one[..], std::slice::from_ref(value)].concat()).collect::<Vec<_>>()
        };
        chosen = chosen.iter().flat_map(with).collect();
        if chosen.len() > MOST {
            return Err(too_many(chosen.len()));
        }
    }
    let run = |values: &Vec<String>| {
        let mut subject = subject.clone();
        for (axis, value) in axes.iter().zip(values) {
            let setting = subject.settings.iter_mut().find(|one| is_of(one, &axis.key));
            *setting.expect("the axis comes from it") = format!("{}={value}", axis.key);
        }
        let labels = axes.iter().zip(values).map(|(axis, value)| label(&axis.key, value));
        let label = labels.collect::<Vec<_>>().join(", ");
        Ok((label, Experiment::load(&subject, seed)?))
    };
    chosen.iter().map(run).collect()
}

fn few(runs: Vec<(String, Experiment)>) -> Result<Vec<(String, Experiment)>, Mistake> {
    if runs.len() > MOST { Err(too_many(runs.len())) } else { Ok(runs) }
}

fn too_many(runs: usize) -> Mistake {
    Mistake::new(format!(
        "{runs} runs have no room side by side, {MOST} are the most: klab plot draws a curve through more"
    ))
}

fn is_of(setting: &str, key: &str) -> bool {
    setting.split_once('=').is_some_and(|(other, _)| other.trim() == key)
}

/// `producer.acks=all` is `acks=all` to a reader.
fn label(key: &str, value: &str) -> String {
    let short = key.split_once('.').map_or(key, |(_, rest)| rest);
    let short = short.strip_prefix("config.").unwrap_or(short);
    format!("{short}={value}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_with_several_values_is_an_axis() {
        let settings = ["run-for=5s", "producer.acks=1,all", "topic.assignment=[[\"b1\", \"b2\"]]"];
        let axes = axes(&settings.map(String::from)).expect("an axis");
        assert_eq!(axes.len(), 1);
        assert_eq!((axes[0].key.as_str(), axes[0].values.len()), ("producer.acks", 2));
    }

    #[test]
    fn a_label_is_what_differs() {
        let cases = [
            ("producer.acks", "1", "acks=1"),
            ("cluster.controller.mode", "kraft", "controller.mode=kraft"),
            ("cluster.config.broker.session.timeout.ms", "9000", "broker.session.timeout.ms=9000"),
            ("run-for", "5s", "run-for=5s"),
        ];
        for (key, value, wanted) in cases {
            assert_eq!(label(key, value), wanted);
        }
    }
}
