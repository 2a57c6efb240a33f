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
         {glossary}\
         ## Repeat it\n\n```sh\n{command}\n{commands}```\n",
        labels = labels.join(" against "),
        title = first.scenario.title,
        setup = words::setup(compared, sides),
        paragraph = words::paragraph(compared, sides),
        table = table::of(sides).markdown(sides),
        chronicle = chronicle::text(sides, LINES.1),
        glossary = glossary(sides),
        command = compared.command,
    )
}

/// The words that a newcomer needs, where there is Kafka.
fn glossary(sides: &[Side]) -> String {
    let scenarios = || sides.iter().map(|side| &side.experiment.scenario);
    if scenarios().all(|scenario| scenario.cluster.is_bare()) {
        return String::new();
    }
    let in_zookeeper = scenarios().any(|scenario| scenario.cluster.is_in_zookeeper_mode());
    let words = WORDS.iter().filter(|(only_zookeeper, ..)| in_zookeeper || !only_zookeeper);
    let words: String =
        words.map(|(_, word, meaning)| format!("- **{word}**: {meaning}\n")).collect();
    format!("## The words\n\n{words}\n")
}

/// Whether it is about ZooKeeper mode only, the word, and what it means.
const WORDS: &[(bool, &str, &str)] = &[
    (
        false,
        "b1, v1, z1, p1, c1",
        "a broker; a KRaft controller, which votes in the metadata quorum; a server of a ZooKeeper ensemble; a producer; a \
         consumer.",
    ),
    (
        false,
        "leader, ISR",
        "each partition has one broker that takes its writes, and in-sync replicas that have what it has; the next leader \
         comes from among them.",
    ),
    (
        false,
        "controller",
        "the one that decides who leads. In KRaft mode it is the leader of the metadata quorum, and brokers send it \
         heartbeats; in ZooKeeper mode it is one of the brokers, the one that holds the znode /controller.",
    ),
    (
        true,
        "session, ephemeral znode",
        "a broker keeps a session with the ensemble, and with it an ephemeral znode below /brokers/ids. When the session ends, \
         so does the znode, and a watch tells the controller. A broker that starts again cannot register \
         before the session of its earlier life has ended.",
    ),
    (
        true,
        "LeaderAndIsr, UpdateMetadata",
        "how a controller in ZooKeeper mode tells brokers what they lead, and everybody who leads what. In KRaft mode they \
         fetch that from the metadata log instead.",
    ),
    (
        false,
        "epoch",
        "a number that grows whenever an office changes hands (of a partition, of the controller, of a quorum), so that \
         orders of an earlier holder can be told from those of the present one.",
    ),
];
