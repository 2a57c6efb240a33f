//! The paragraph: what a reader should take home, in sentences that are made of the numbers.

use super::axis::Compared;
use super::reaction::{Failure, How, Reaction, Sign};
use super::{Side, duration, moment};
use crate::measure::Counted;
use crate::report::text::{grouped, reasons};
use klab_check::Outcome as Verdict;
use klab_scenario::{Controller, Scenario};
use klab_wire::config::ConfigTable;
use klab_wire::{NodeId, NodeKind, Span};

/// More failures than these are left to the table.
const FAILURES: usize = 2;

/// What is the same in all runs, and what is not.
pub(super) fn setup(compared: &Compared, sides: &[Side]) -> String {
    let seed = compared.runs[0].1.seed;
    let count = number(sides.len());
    match compared.keys.as_slice() {
        [] => format!(
            "{count} runs of one scenario under seed {seed}: the same weather, the settings of each run."
        ),
        keys => {
            let keys: Vec<String> = keys.iter().map(|key| format!("`{key}`")).collect();
            format!(
                "{count} runs of one scenario under seed {seed}: the same load, the same faults, the same weather. They \
                 differ in {} alone.",
                keys.join(" and ")
            )
        }
    }
}

/// What the clients' calls are of.
pub(super) fn unit(sides: &[Side]) -> &'static str {
    let counted = sides.first().map(|side| Counted::in_a_run_of(&side.experiment.scenario));
    counted.unwrap_or_default().plural()
}

/// The paragraph.
pub(super) fn paragraph(compared: &Compared, sides: &[Side]) -> String {
    if are_the_same(sides) {
        return format!(
            "The runs are the same to the byte (fingerprint {}): {} makes no difference in this scenario.",
            sides[0].outcome.fingerprint(),
            compared.keys.join(" and ")
        );
    }
    let told = sides.iter().map(of_side);
    let compared = [sooner(sides), clients(sides), control(sides)];
    told.chain(compared.into_iter().flatten()).collect::<Vec<_>>().join("\n\n")
}

fn are_the_same(sides: &[Side]) -> bool {
    sides.iter().all(|side| side.outcome.fingerprint == sides[0].outcome.fingerprint)
}

/// What happened in one run.
fn of_side(side: &Side) -> String {
    let failures = side.account.reactions.0.iter().take(FAILURES);
    let failures: Vec<String> = failures.map(|one| of_failure(side, one)).collect();
    let text = match failures.is_empty() {
        true => "nothing fails".to_string(),
        false => failures.join(" "),
    };
    format!("**With {}** {text}{}{}", side.label, broken(side), unexpected(side))
}

fn of_failure(side: &Side, reaction: &Reaction) -> String {
    let mut text = format!("{} at {}.", reaction.title(), moment(reaction.at));
    text += &match &reaction.noticed {
        Some(sign) => format!(
            " That is noticed after {}: {}.",
            duration(reaction.after(sign.at)),
            cause(side, reaction, sign)
        ),
        None => " Nobody notices.".to_string(),
    };
    if let (Some(over), Some(sign)) = (reaction.over, reaction.noticed)
        && over < sign.at
    {
        text += &format!(" It had been back for {} by then.", duration(sign.at.since(over)));
    }
    text += &controller(reaction);
    text += &leaders(reaction);
    if let (Some(over), Some(back)) = (reaction.over, reaction.back_in_sync)
        && over < back
    {
        let then = duration(back.since(over));
        text += &format!(" {then} after its return it is in every ISR again.");
    }
    text
}

/// Who noticed, how, and which setting says when.
fn cause(side: &Side, reaction: &Reaction, sign: &Sign) -> String {
    let scenario = &side.experiment.scenario;
    let by = sign.by;
    let config = |name: &str| set_to(scenario, sign.by, name);
    match sign.how {
        How::Fenced if is_zookeeper(scenario) => {
            format!("{by} finds that the broker's znode is gone")
        }
        How::Fenced => format!(
            "{by} fences the broker, of which it has had no heartbeat for {}",
            config("broker.session.timeout.ms")
        ),
        How::SessionExpired => format!(
            "{by}, which leads the ensemble, ends its session, of which nobody has heard for {}",
            session(scenario, reaction)
        ),
        How::QuorumVotes => format!(
            "{by} asks for votes; a voter does when the leader has not answered it for {}",
            config("controller.quorum.fetch.timeout.ms")
        ),
        How::EnsembleVotes => match reaction.failure {
            Failure::Crashed => {
                format!("{by} has lost its connection to the leader, and looks for another")
            }
            _ => format!(
                "{by} has not heard of the leader for syncLimit ticks, and looks for another"
            ),
        },
        How::LeftIsr | How::IsrShrinkRequested => format!(
            "{by} finds that it has fetched nothing, or too little, for {}",
            config("replica.lag.time.max.ms")
        ),
        How::SaidSo => "it said that it would go (a controlled shutdown)".to_string(),
    }
}

fn controller(reaction: &Reaction) -> String {
    match (&reaction.controller, reaction.struck_controller()) {
        (Some((time, node)), _) if reaction.nodes.contains(node) => {
            let after = duration(reaction.after(*time));
            format!(
                " It was the controller, and is it again after {after}; until then there is none."
            )
        }
        (Some((time, node)), _) => {
            format!(
                " It was the controller; {node} takes over after {}.",
                duration(reaction.after(*time))
            )
        }
        (None, true) => " It was the controller, and nobody takes over.".to_string(),
        (None, false) => String::new(),
    }
}

fn leaders(reaction: &Reaction) -> String {
    let led = reaction.led().count();
    let last = reaction.leaders.values().max();
    let partitions = |count: usize| match count {
        1 => "one partition".to_string(),
        count => format!("{count} partitions"),
    };
    match (led, last) {
        (0, _) => String::new(),
        (led, None) => format!(" It led {}, and nobody leads there instead.", partitions(led)),
        (led, Some(last)) => {
            let after = duration(reaction.after(*last));
            let missing = led.saturating_sub(reaction.leaders.len());
            let rest = match missing {
                0 => String::new(),
                missing => format!(", but for {}", partitions(missing)),
            };
            format!(
                " It led {}, where others lead {after} after the failure{rest}.",
                partitions(led)
            )
        }
    }
}

fn broken(side: &Side) -> String {
    let verdicts = side.outcome.verdict.promises.iter();
    let broken = verdicts.filter(|one| one.violations + one.permitted > 0);
    let told = broken.map(|one| {
        let records = match one.records {
            0 => String::new(),
            records => format!(" ({} records)", grouped(records)),
        };
        let by: Vec<String> = one.permitted_by.iter().map(ToString::to_string).collect();
        let leave =
            if by.is_empty() { String::new() } else { format!(", as {} permits", by.join(", ")) };
        format!(" The promise `{}` is broken{records}{leave}.", one.promise)
    });
    told.collect()
}

/// Why a run is not as its scenario expects. Broken promises have been told.
fn unexpected(side: &Side) -> String {
    match side.outcome.verdict.outcome {
        Verdict::AsExpected => String::new(),
        _ => format!(" It is not as the scenario expects: {}.", reasons(&side.outcome)),
    }
}

/// Which run was sooner, by the first failure.
fn sooner(sides: &[Side]) -> Option<String> {
    let first = |side: &Side| side.account.reactions.0.first().cloned();
    let noticed = spread(sides, |side| {
        let one = first(side)?;
        Some(one.after(one.noticed?.at))
    });
    let led = spread(sides, |side| {
        let one = first(side)?;
        Some(one.after(*one.leaders.values().max()?))
    });
    let told = [
        noticed.map(|spread| spread.told("the failure is noticed")),
        led.map(|spread| spread.told("its partitions are led again")),
    ];
    let told: Vec<String> = told.into_iter().flatten().collect();
    (!told.is_empty()).then(|| format!("Held against each other, {}.", told.join(", and ")))
}

/// The quickest and the slowest run.
struct Spread<'s> {
    quick: (&'s str, Span),
    slow: (&'s str, Span),
}

fn spread(sides: &[Side], of: impl Fn(&Side) -> Option<Span>) -> Option<Spread<'_>> {
    let all = sides.iter().map(|side| Some((side.label.as_str(), of(side)?)));
    let all: Vec<(&str, Span)> = all.collect::<Option<_>>()?;
    let quick = *all.iter().min_by_key(|(_, span)| *span)?;
    let slow = *all.iter().max_by_key(|(_, span)| *span)?;
    Some(Spread { quick, slow })
}

impl Spread<'_> {
    fn told(&self, what: &str) -> String {
        const SAME: Span = Span::from_millis(1);
        let Spread { quick, slow } = self;
        match Span(slow.1.0 - quick.1.0) {
            apart if apart < SAME => format!("{what} equally soon"),
            apart => {
                format!("{what} {} sooner with {} than with {}", duration(apart), quick.0, slow.0)
            }
        }
    }
}

/// What it was to the clients.
fn clients(sides: &[Side]) -> Option<String> {
    let told: Vec<String> = sides.iter().filter_map(client_words).collect();
    (!told.is_empty()).then(|| format!("To the clients: {}.", told.join("; ")))
}

fn client_words(side: &Side) -> Option<String> {
    let sends = &side.outcome.summary.sends;
    let all = sends.acked + sends.unconfirmed + sends.failed + sends.unknown + sends.pending;
    if all == 0 {
        return None;
    }
    let lost: Vec<String> = [("failed", sends.failed), ("are unknown", sends.unknown)]
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(what, count)| format!(", {} {what}", grouped(*count)))
        .collect();
    let of = if sends.acked == all {
        "all ".to_string()
    } else {
        format!("{} of ", grouped(sends.acked))
    };
    let span = |micros: u64| duration(Span::from_micros(micros));
    Some(format!(
        "with {} {of}{} records are acknowledged{}, half of them within {}, the last after {}",
        side.label,
        grouped(all),
        lost.join(""),
        span(sends.p50_micros),
        span(sends.max_micros)
    ))
}

/// How much was said to run the cluster.
fn control(sides: &[Side]) -> Option<String> {
    let told = sides.iter().map(|side| {
        let messages = &side.account.messages;
        let most = messages.0.iter().max_by_key(|(_, count)| count.messages);
        let most = most.map_or(String::new(), |(name, count)| {
            format!(", most of them {name} ({})", grouped(count.messages))
        });
        format!("{} with {}{most}", grouped(messages.total().messages), side.label)
    });
    let told: Vec<String> = told.collect();
    let is_any = sides.iter().any(|side| side.account.messages.total().messages > 0);
    is_any.then(|| format!("Control messages: {}.", told.join("; ")))
}

/// A config of a server with its value, as it is for the one who goes by it.
fn set_to(scenario: &Scenario, node: NodeId, name: &str) -> String {
    let value = scenario.server_config(node).value(name);
    match value.and_then(|millis| millis.parse::<u64>().ok()) {
        Some(millis) => format!("`{name}` ({})", short(Span::from_millis(millis))),
        None => format!("`{name}`"),
    }
}

/// The setting that says how long a session lasts without a word.
fn session(scenario: &Scenario, reaction: &Reaction) -> String {
    let node = reaction.nodes.first().copied().unwrap_or(NodeId::broker(1));
    let clients = scenario.zookeeper_client_nodes().collect::<Vec<_>>();
    match (node.kind, clients.iter().find(|(id, _)| *id == node)) {
        (NodeKind::ZooKeeperClient, Some((_, client))) => {
            format!("`session-timeout` ({})", short(client.session_timeout))
        }
        _ => set_to(scenario, node, "zookeeper.session.timeout.ms"),
    }
}

fn is_zookeeper(scenario: &Scenario) -> bool {
    matches!(scenario.cluster.controller, Controller::ZooKeeper { .. })
}

/// `9 s`, `500 ms`.
fn short(span: Span) -> String {
    match span.as_millis() {
        millis if millis >= 1_000 && millis.is_multiple_of(1_000) => {
            format!("{} s", millis / 1_000)
        }
        _ => duration(span),
    }
}

fn number(count: usize) -> String {
    match count {
        2 => "Two".to_string(),
        3 => "Three".to_string(),
        4 => "Four".to_string(),
        count => count.to_string(),
    }
}
