//! `klab explain promises <scenario>`: what a scenario's settings promise, why, and what gives it up.
//!
//! The rules are `check`'s ([`klab_check::guarantees`]); here they meet the topics, the producers and the acts of
//! a scenario.

use crate::cli::{ExplainArguments, Subject};
use crate::error::{Exit, Mistake};
use crate::experiment::Experiment;
use crate::judging;
use anstyle::Style;
use klab_check::{
    Guarantee, PROMISES, ProducerSettings, Promise, Setting, Survives, Terms, TopicSettings,
};
use klab_scenario::act::{Act, Administration, Fault};
use klab_scenario::nemesis::Family;
use klab_scenario::{Controller, Scenario, Topic};
use klab_wire::config::{CleanupPolicy, TopicConfig};
use klab_wire::{ElectionType, NodeId};
use std::collections::BTreeMap;
use std::fmt::{self, Write};
use std::path::Path;

const BOLD: Style = Style::new().bold();

/// Prints what a scenario promises.
///
/// # Errors
///
/// No scenario is named, or something in it is wrong.
pub fn explain(arguments: &ExplainArguments) -> Result<Exit, Mistake> {
    let Some(scenario) = arguments.scenario.clone() else {
        let sentence = "`klab explain promises` wants a scenario: klab explain promises \
                        scenarios/reference.toml. `klab explain` lists the promises themselves";
        return Err(Mistake::new(sentence));
    };
    let subject =
        Subject { scenario, run: arguments.run.clone(), settings: arguments.settings.clone() };
    for experiment in Experiment::load_all(&subject, None)? {
        let name = match &experiment.run {
            Some(run) => format!("{} --run {}", experiment.path.display(), run.name),
            None => experiment.path.display().to_string(),
        };
        anstream::print!("{}", page(Path::new(&name), &experiment.scenario));
    }
    Ok(Exit::AsExpected)
}

/// The whole page.
pub fn page(path: &Path, scenario: &Scenario) -> String {
    let mut out = String::new();
    write(&mut out, path, scenario).expect("a string takes everything");
    out
}

fn write(out: &mut String, path: &Path, scenario: &Scenario) -> fmt::Result {
    writeln!(out, "{BOLD}What {} promises{BOLD:#}", path.display())?;
    for topic in &scenario.topics {
        self::topic(out, scenario, topic)?;
    }
    quorum(out, scenario)?;
    ensemble(out, scenario)?;
    in_zookeeper_mode(out, scenario)?;
    given_up(out, scenario)?;
    whatever_is_set(out)
}

fn topic(out: &mut String, scenario: &Scenario, topic: &Topic) -> fmt::Result {
    let config = config(scenario, topic);
    let flush = match config.flush_messages {
        1 => "flush.messages=1: each replica flushes a batch before it counts".to_string(),
        _ => "an fsync comes only when a segment is full: a power cut takes what came since".into(),
    };
    writeln!(out, "\n{BOLD}{}{BOLD:#}: {} replicas", topic.name, topic.replication)?;
    writeln!(out, "  min.insync.replicas={}", config.min_insync_replicas)?;
    let unclean = config.unclean_leader_election_enable;
    writeln!(out, "  unclean.leader.election.enable={unclean}")?;
    match scenario.cluster.is_in_zookeeper_mode() {
        true => writeln!(out, "  ZooKeeper mode has no eligible leader replicas")?,
        false => {
            let eligible = eligible_leader_replicas(scenario);
            writeln!(out, "  eligible.leader.replicas.enable={eligible}")?;
        }
    }
    writeln!(out, "  {flush}")?;
    let writers = writers(scenario, topic);
    if writers.is_empty() {
        writeln!(out, "  Nobody writes to it.")?;
    }
    for (producer, nodes) in writers {
        let names: Vec<String> = nodes.iter().map(NodeId::to_string).collect();
        let terms = terms(scenario, topic, &config, producer);
        writeln!(out, "\n  Records of {} ({terms})", names.join(", "))?;
        survival(out, &terms)?;
        klab_check::guarantees(&terms).iter().try_for_each(|one| guarantee(out, one))?;
    }
    Ok(())
}

fn config(scenario: &Scenario, topic: &Topic) -> TopicConfig {
    let broker = scenario.server_config(NodeId::broker(1));
    TopicConfig::on(&broker, topic.config.iter()).expect("parsing has checked it")
}

fn eligible_leader_replicas(scenario: &Scenario) -> bool {
    judging::settings(scenario).eligible_leader_replicas
}

fn terms(
    scenario: &Scenario,
    topic: &Topic,
    config: &TopicConfig,
    producer: ProducerSettings,
) -> Terms {
    Terms {
        replicas: u32::from(topic.replication),
        topic: TopicSettings {
            min_insync_replicas: config.min_insync_replicas,
            unclean_leader_election: config.unclean_leader_election_enable,
            compacted: config.cleanup_policy != CleanupPolicy::Delete,
            flushes_every_batch: config.flush_messages == 1,
        },
        eligible_leader_replicas: eligible_leader_replicas(scenario),
        last_member_trusted_by: judging::settings(scenario).last_member_trusted_by(),
        producer,
    }
}

/// Who writes to a topic, by what decides what they are promised.
fn writers(scenario: &Scenario, topic: &Topic) -> Vec<(ProducerSettings, Vec<NodeId>)> {
    let settings = judging::settings(scenario);
    let mut writers: Vec<(ProducerSettings, Vec<NodeId>)> = Vec::new();
    for (node, producer) in scenario.producer_nodes() {
        if !producer.topics.contains(&topic.name) {
            continue;
        }
        let its = settings.producer(node);
        match writers.iter_mut().find(|(same, _)| *same == its) {
            Some((_, nodes)) => nodes.push(node),
            None => writers.push((its, vec![node])),
        }
    }
    writers
}

fn survival(out: &mut String, terms: &Terms) -> fmt::Result {
    let survives = |survives: Survives| match survives {
        Survives::None => "none: one is too many".to_string(),
        Survives::AtMost(count) => format!("{count} at once: one more is too many"),
        Survives::Any => "any number at once".to_string(),
    };
    let [crashes, power_cuts] =
        [terms.crashes_survived(), terms.power_cuts_survived()].map(survives);
    writeln!(out, "    crashes survived (page caches kept)      {crashes}")?;
    writeln!(out, "    power cuts survived (unflushed is lost)  {power_cuts}")?;
    let down = terms.down_while_writable();
    writeln!(out, "    written while down                       {down} of {}", terms.replicas)
}

fn guarantee(out: &mut String, one: &Guarantee) -> fmt::Result {
    let word = match (one.given, one.unless.is_empty()) {
        (true, true) => "promised",
        (true, false) => "promised, but",
        (false, _) => "not promised",
    };
    writeln!(out, "    {BOLD}{}{BOLD:#}: {word}", one.promise)?;
    one.because.iter().try_for_each(|why| writeln!(out, "      {why}"))?;
    for (setting, what) in &one.unless {
        writeln!(out, "      permitted by {setting}: {what}")?;
    }
    Ok(())
}

fn quorum(out: &mut String, scenario: &Scenario) -> fmt::Result {
    let Controller::Kraft { voters, .. } = scenario.cluster.controller else { return Ok(()) };
    let majority = voters / 2 + 1;
    writeln!(
        out,
        "\n{BOLD}The metadata quorum{BOLD:#}: {voters} voters, {majority} are a majority"
    )?;
    writeln!(
        out,
        "  Metadata is committed when a majority has flushed it: no crash and no power cut takes it."
    )?;
    writeln!(out, "  It goes on while {} of them are down.", voters - majority)?;
    writeln!(
        out,
        "  Permitted by a voter's disk was lost: a replaced disk forgets votes and records."
    )
}

/// Of an ensemble, whether Kafka is on it or not.
fn ensemble(out: &mut String, scenario: &Scenario) -> fmt::Result {
    let servers = judging::settings(scenario).ensemble.len();
    if servers == 0 {
        return Ok(());
    }
    let majority = servers / 2 + 1;
    let deposed = Setting::SyncOfDeposedLeader;
    writeln!(
        out,
        "\n{BOLD}The ZooKeeper ensemble{BOLD:#}: {servers} servers vote, {majority} are a majority"
    )?;
    writeln!(
        out,
        "  A write is committed when a majority has flushed it: no crash and no power cut takes it."
    )?;
    writeln!(out, "  It goes on while {} of them are down.", servers - majority)?;
    writeln!(out, "  A read may be stale; one behind a sync is fresh.")?;
    writeln!(out, "  Permitted by {deposed}: that one does not know of its successors' writes.")
}

/// What some promises mean where a controller keeps its metadata in znodes.
fn in_zookeeper_mode(out: &mut String, scenario: &Scenario) -> fmt::Result {
    if !scenario.cluster.is_in_zookeeper_mode() {
        return Ok(());
    }
    writeln!(out, "\n{BOLD}What ZooKeeper mode makes of some promises{BOLD:#}")?;
    for (promise, what) in [
        (
            Promise::LeaderIsAlive,
            "nobody is fenced; who is elected is registered, as far as the controller knows. Who leads already may be gone",
        ),
        (
            Promise::NoFencedBrokerInIsr,
            "whoever is gone, as far as the controller knows, gets into no ISR, and no election leaves it in one",
        ),
        (
            Promise::IsrIsSubsetOfReplicas,
            "who gets into an ISR is a replica; a reassignment takes a replica from the topic first, and then from the ISR",
        ),
    ] {
        writeln!(out, "  {promise}: {what}")?;
    }
    writeln!(out, "  What is promised of a metadata quorum has no meaning: there is none.")
}

/// What the scenario does that gives up a promise, or comes near it.
fn given_up(out: &mut String, scenario: &Scenario) -> fmt::Result {
    let mut lines = Vec::new();
    for at in &scenario.acts {
        let what = match &at.act {
            Act::Fault(Fault::PowerCut(whom)) => format!("the power of {whom} is cut"),
            Act::Fault(Fault::ReplaceDisk(whom)) => format!("the disk of {whom} is replaced"),
            Act::Fault(Fault::CorruptDisk(_)) => "a stored batch is damaged".to_string(),
            Act::Administer(Administration::Elect(election))
                if election.kind == ElectionType::Unclean =>
            {
                "an operator asks for an unclean election".to_string()
            }
            _ => continue,
        };
        lines.push(format!("at {}: {what}", at.time));
    }
    let cuts = scenario.nemeses.iter().filter(|one| one.families.contains(&Family::PowerCut));
    lines.extend(cuts.map(|one| format!("at random times: the power of {} is cut", one.nodes)));
    let switches = scenario.kafka.switches.iter();
    lines.extend(switches.map(|(name, value)| format!("switched: {name} = {value}")));
    if lines.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{BOLD}What this scenario does to it{BOLD:#}")?;
    lines.iter().try_for_each(|line| writeln!(out, "  {line}"))
}

/// The promises that no setting touches.
fn whatever_is_set(out: &mut String) -> fmt::Result {
    let depends = [
        Promise::NoAckedRecordIsLost,
        Promise::NoInconsistentOffsets,
        Promise::NoDuplicates,
        Promise::PerPartitionOrder,
    ];
    let others = PROMISES.iter().filter(|info| !depends.contains(&info.promise));
    let mut by_concept: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for info in others {
        by_concept.entry(info.concept).or_default().push(info.promise.name());
    }
    writeln!(
        out,
        "\n{BOLD}Promised whatever is set{BOLD:#}, as far as no record is lost by leave"
    )?;
    for (concept, promises) in by_concept {
        writeln!(out, "  {concept:<20} {}", promises.join(", "))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A scenario with these lines for its topic, its producer and what happens.
    fn page_of(cluster: &str, producer: &str, more: &str) -> String {
        let text = format!(
            "title = \"A producer writes\"\nconcept = \"acks\"\nrun-for = \"9s\"\n\n\
             [cluster]\nbrokers = 3\nconfig = {{ {cluster} }}\n\n\
             [[topic]]\nname = \"orders\"\npartitions = 1\nreplication = 3\n\n\
             [[producer]]\ntopic = \"orders\"\nconfig = {{ {producer} }}\n\n{more}\n\
             [[expect]]\nalways = \"no-duplicates\"\n\n[[expect]]\nsometimes = \"BatchSent\"\n"
        );
        let experiment = Experiment::parse("orders.toml", &text, None).expect("it is legal");
        let page = page(Path::new("orders.toml"), &experiment.scenario);
        let page = anstream::adapter::strip_str(&page).to_string();
        // The rest is the table of promises, whatever is set.
        let end = page.find("\nPromised whatever is set").expect("the end of the page");
        page[..end].to_string()
    }

    #[test]
    fn what_kafkas_defaults_promise() {
        insta::assert_snapshot!(page_of("", "", ""));
    }

    #[test]
    fn what_two_in_sync_replicas_and_an_fsync_promise() {
        let cluster = "\"min.insync.replicas\" = 2, \"log.flush.interval.messages\" = 1";
        insta::assert_snapshot!(page_of(cluster, "\"acks\" = \"all\"", ""));
    }

    #[test]
    fn what_one_acknowledgement_and_an_unclean_election_leave() {
        let cluster = "\"unclean.leader.election.enable\" = true";
        let cut = "[[at]]\ntime = \"5s\"\npower-cut = \"b1\"\n";
        insta::assert_snapshot!(page_of(cluster, "\"acks\" = 1", cut));
    }

    #[test]
    fn a_producer_that_waits_for_nothing_is_promised_nothing() {
        let page = page_of("", "\"acks\" = 0", "");
        assert!(page.contains("no-acked-record-is-lost: not promised"), "{page}");
    }
}
