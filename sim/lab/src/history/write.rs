//! Writing the history of a run: as JSON lines, or as EDN for Jepsen's checker.
//!
//! In EDN a process has one operation at a time, as Jepsen's have: the operations of a client follow each other in
//! the order in which they were called, each beginning when it ends. Counted ranges are written record by record, and
//! a send that did not end well names only its topic, because its partition was never told.

use crate::judging;
use klab_check::is_fault;
use klab_machine::Fact;
use klab_machine::fact::{ClientFact, LogFact, WorldFact};
use klab_machine::operation::{Call, Operation, OperationId, Outcome, PolledRecords};
use klab_machine::trace::{Entry, What};
use klab_scenario::Scenario;
use klab_wire::{Acks, ErrorCode, NodeId, Offset, TopicPartition};
use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::io::{self, Write};

pub use super::cursor::Notation;

/// Writes a run's history.
#[derive(Debug)]
pub struct Writer<W> {
    out: W,
    notation: Notation,
    index: u64,
    /// The calls that have not ended.
    pending: BTreeMap<(NodeId, OperationId), Pending>,
    /// The operations of each client that wait for an earlier one to end (EDN), by their calls' order.
    queues: BTreeMap<NodeId, VecDeque<(OperationId, Option<String>)>>,
    /// How far each partition's log was deleted from its front.
    starts: BTreeMap<TopicPartition, Offset>,
    /// The number that a client has in EDN.
    processes: BTreeMap<NodeId, usize>,
}

/// A send or a poll that has not ended.
#[derive(Clone, Debug)]
struct Pending {
    step: u64,
    /// The topic, the first value, and how many; none for a poll.
    send: Option<(String, u64, u32)>,
    waited: bool,
}

impl<W: Write> Writer<W> {
    /// Begins a history; `source` says where it comes from.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub fn begin(
        mut out: W,
        notation: Notation,
        scenario: &Scenario,
        source: &str,
    ) -> io::Result<Self> {
        if notation == Notation::Json {
            writeln!(out, "{}", header(scenario, source))?;
        }
        Ok(Writer {
            out,
            notation,
            index: 0,
            pending: BTreeMap::new(),
            queues: BTreeMap::new(),
            starts: BTreeMap::new(),
            processes: BTreeMap::new(),
        })
    }

    /// Takes note of an entry of the trace.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub fn watch(&mut self, entry: &Entry) -> io::Result<()> {
        match &entry.what {
            What::Operation(Operation::Began { id, call }) => self.began(entry, *id, call),
            What::Operation(Operation::Ended { id, outcome }) => self.ended(entry, *id, outcome),
            What::Fact(Fact::Client(fact)) => self.client(entry, fact),
            What::Fact(Fact::World(fact)) => self.world(entry, fact),
            What::Fact(Fact::Log(LogFact::LogStartAdvanced { partition, to, .. })) => {
                self.deleted(entry, partition, *to)
            }
            What::Fact(_) | What::Fate(_) => Ok(()),
        }
    }

    /// Writes what has not ended, and everything through to the file.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub fn finish(mut self) -> io::Result<W> {
        if self.notation == Notation::Edn {
            let nodes: Vec<NodeId> = self.queues.keys().copied().collect();
            nodes.into_iter().try_for_each(|node| self.give_up(node, 0))?;
        }
        self.out.flush()?;
        Ok(self.out)
    }

    fn began(&mut self, entry: &Entry, id: OperationId, call: &Call) -> io::Result<()> {
        let send = match call {
            Call::Send { topic, first_value, count, .. } => {
                Some((topic.to_string(), *first_value, *count))
            }
            Call::Poll => None,
            Call::Seek { partition } => return self.seek(entry, partition),
            Call::Administer { .. } | Call::ZooKeeper(_) => return Ok(()),
        };
        let pending = Pending { step: entry.step, send, waited: false };
        let (f, value) = pending.invoked(self.notation);
        self.pending.insert((entry.node, id), pending);
        match self.notation {
            Notation::Json => {
                self.event("invoke", entry.node, f, entry.time.0, Some(id), &value, "")
            }
            Notation::Edn => {
                self.queues.entry(entry.node).or_default().push_back((id, None));
                Ok(())
            }
        }
    }

    fn ended(&mut self, entry: &Entry, id: OperationId, outcome: &Outcome) -> io::Result<()> {
        let Some(pending) = self.pending.remove(&(entry.node, id)) else { return Ok(()) };
        let (kind, value, error) = pending.ended(outcome, self.notation);
        let more = more(error, pending.waited, self.notation);
        let (f, invoked) = pending.invoked(self.notation);
        if self.notation == Notation::Json {
            return self.event(kind, entry.node, f, entry.time.0, Some(id), &value, &more);
        }
        let mut both = self.edn("invoke", entry.node, f, entry.time.0, &invoked, "");
        both.push_str(&self.edn(kind, entry.node, f, entry.time.0, &value, &more));
        let queue = self.queues.entry(entry.node).or_default();
        if let Some(place) = queue.iter_mut().find(|(other, _)| *other == id) {
            place.1 = Some(both);
        }
        self.write_ended(entry.node)
    }

    /// EDN: the operations before which none is pending any more.
    fn write_ended(&mut self, node: NodeId) -> io::Result<()> {
        let queue = self.queues.entry(node).or_default();
        while let Some((_, Some(both))) = queue.front() {
            write_numbered(&mut self.out, &mut self.index, both)?;
            queue.pop_front();
        }
        Ok(())
    }

    /// EDN: what a client had called never ends.
    fn give_up(&mut self, node: NodeId, time: u64) -> io::Result<()> {
        for (id, both) in std::mem::take(self.queues.entry(node).or_default()) {
            let both = both.or_else(|| {
                let pending = self.pending.remove(&(node, id))?;
                let (f, value) = pending.invoked(Notation::Edn);
                let invoke = self.edn("invoke", node, f, time, &value, "");
                Some(invoke + &self.edn("info", node, f, time, &value, ""))
            });
            if let Some(both) = both {
                write_numbered(&mut self.out, &mut self.index, &both)?;
            }
        }
        Ok(())
    }

    fn client(&mut self, entry: &Entry, fact: &ClientFact) -> io::Result<()> {
        match fact {
            ClientFact::SendBlocked { .. } => {
                let its = self.pending.range_mut((entry.node, OperationId(0))..);
                let its = its.take_while(|((node, _), _)| *node == entry.node);
                its.filter(|(_, pending)| pending.step == entry.step)
                    .for_each(|(_, pending)| pending.waited = pending.send.is_some());
                Ok(())
            }
            ClientFact::PositionReset { partition, .. }
            | ClientFact::PositionOutOfRange { partition, .. }
            | ClientFact::LogTruncationDetected { partition, .. } => self.seek(entry, partition),
            _ => Ok(()),
        }
    }

    /// Jepsen knows no seek: a consumer that drops its partitions may go on anywhere.
    fn seek(&mut self, entry: &Entry, partition: &TopicPartition) -> io::Result<()> {
        match self.notation {
            Notation::Json => {
                let value = format!("[\"{partition}\"]");
                self.event("ok", entry.node, "seek", entry.time.0, None, &value, "")
            }
            Notation::Edn => self.event("ok", entry.node, "assign", entry.time.0, None, "[]", ""),
        }
    }

    fn deleted(&mut self, entry: &Entry, partition: &TopicPartition, to: Offset) -> io::Result<()> {
        let start = self.starts.entry(partition.clone()).or_default();
        if to <= *start || self.notation == Notation::Edn {
            return Ok(());
        }
        *start = to;
        let value = format!("{{\"{partition}\": {to}}}");
        self.event("ok", entry.node, "delete-records", entry.time.0, None, &value, "")
    }

    fn world(&mut self, entry: &Entry, fact: &WorldFact) -> io::Result<()> {
        let is_client = matches!(entry.node.to_string().as_bytes()[0], b'p' | b'c');
        if is_client && matches!(fact, WorldFact::ProcessStarted { life } if *life > 1) {
            if self.notation == Notation::Edn {
                self.give_up(entry.node, entry.time.0)?;
            }
            self.pending.retain(|(node, _), _| *node != entry.node);
            return self.event("info", entry.node, "crash", entry.time.0, None, "[]", "");
        }
        if !is_fault(fact) {
            return Ok(());
        }
        let text = fact.to_string();
        let (name, what) = text.split_once(' ').unwrap_or((&text, ""));
        let what = serde_json::to_string(what.trim()).expect("a text becomes JSON");
        let value = format!("[\"{}\", {what}]", entry.node);
        self.nemesis(name, entry.time.0, &value)
    }

    fn nemesis(&mut self, name: &str, time: u64, value: &str) -> io::Result<()> {
        let index = self.index;
        self.index += 1;
        match self.notation {
            Notation::Json => writeln!(
                self.out,
                "{{\"index\": {index}, \"type\": \"info\", \"process\": \"nemesis\", \"f\": \"{name}\", \
                 \"time\": {time}, \"value\": {value}}}"
            ),
            Notation::Edn => writeln!(
                self.out,
                "{{:index {index}, :type :info, :process :nemesis, :f :{name}, :time {time}, :value {value}}}"
            ),
        }
    }

    /// A line of a client.
    #[expect(clippy::too_many_arguments, reason = "a line has so many fields")]
    fn event(
        &mut self,
        kind: &str,
        node: NodeId,
        f: &str,
        time: u64,
        id: Option<OperationId>,
        value: &str,
        more: &str,
    ) -> io::Result<()> {
        if self.notation == Notation::Edn {
            let line = self.edn(kind, node, f, time, value, more);
            return write_numbered(&mut self.out, &mut self.index, &line);
        }
        let index = self.index;
        self.index += 1;
        let id = id.map_or(String::new(), |id| format!(" \"id\": {},", id.0));
        writeln!(
            self.out,
            "{{\"index\": {index}, \"type\": \"{kind}\", \"process\": \"{node}\", \"f\": \"{f}\", \
             \"time\": {time},{id} \"value\": {value}{more}}}"
        )
    }

    fn edn(
        &mut self,
        kind: &str,
        node: NodeId,
        f: &str,
        time: u64,
        value: &str,
        more: &str,
    ) -> String {
        let next = self.processes.len();
        let process = self.processes.entry(node).or_insert(next);
        format!(
            "{{:index #, :type :{kind}, :process {process}, :f :{f}, :time {time}, :value {value}{more}}}\n"
        )
    }
}

/// Writes lines of EDN, which get their index only now.
fn write_numbered(out: &mut impl Write, index: &mut u64, lines: &str) -> io::Result<()> {
    for line in lines.lines() {
        writeln!(out, "{}", line.replacen('#', &index.to_string(), 1))?;
        *index += 1;
    }
    Ok(())
}

fn more(error: Option<ErrorCode>, waited: bool, notation: Notation) -> String {
    let mut more = String::new();
    let error = error.map(ErrorCode::name);
    let waited = if waited { "true" } else { "" };
    for (name, value) in [("error", error.unwrap_or_default()), ("waited", waited)] {
        let quote = if name == "error" { "\"" } else { "" };
        if !value.is_empty() {
            let written = match notation {
                Notation::Json => write!(more, ", \"{name}\": {quote}{value}{quote}"),
                Notation::Edn => write!(more, ", :{name} {quote}{value}{quote}"),
            };
            written.expect("a string takes everything");
        }
    }
    more
}

impl Pending {
    /// The function and its value at the beginning.
    fn invoked(&self, notation: Notation) -> (&'static str, String) {
        match (&self.send, notation) {
            (None, Notation::Json) => ("poll", "[[\"poll\"]]".into()),
            (None, Notation::Edn) => ("poll", "[[:poll]]".into()),
            (Some((topic, value, 1)), Notation::Json) => {
                ("send", format!("[[\"send\", \"{topic}\", {value}]]"))
            }
            (Some((topic, value, count)), Notation::Json) => {
                ("send", format!("[[\"send\", \"{topic}\", {value}, {count}]]"))
            }
            (Some((topic, value, count)), Notation::Edn) => {
                let values = *value..*value + u64::from(*count);
                let sends = values.map(|value| format!("[:send \"{topic}\" {value}]"));
                ("send", format!("[{}]", sends.collect::<Vec<_>>().join(" ")))
            }
        }
    }

    /// The type of the end, the value, and the error.
    fn ended(
        &self,
        outcome: &Outcome,
        notation: Notation,
    ) -> (&'static str, String, Option<ErrorCode>) {
        let unchanged = || self.invoked(notation).1;
        match (outcome, &self.send) {
            (Outcome::Sent { partition, offset }, Some(send)) => {
                ("ok", sent(partition, *offset, send, notation), None)
            }
            (Outcome::Polled(polled), _) => ("ok", self::polled(polled, notation), None),
            (Outcome::Failed(error), _) => ("fail", unchanged(), Some(*error)),
            (Outcome::Unknown(error), _) => ("info", unchanged(), Some(*error)),
            (Outcome::Sent { .. } | Outcome::Done | Outcome::ZooKeeper(_), _) => {
                ("ok", unchanged(), None)
            }
        }
    }
}

fn sent(
    partition: &TopicPartition,
    offset: Option<Offset>,
    (_, value, count): &(String, u64, u32),
    notation: Notation,
) -> String {
    match (notation, offset) {
        (Notation::Json, None) => format!("[[\"send\", \"{partition}\", [null, {value}]]]"),
        (Notation::Json, Some(offset)) if *count == 1 => {
            format!("[[\"send\", \"{partition}\", [{offset}, {value}]]]")
        }
        (Notation::Json, Some(offset)) => {
            format!("[[\"send\", \"{partition}\", [{offset}, {value}, {count}]]]")
        }
        (Notation::Edn, offset) => {
            let sends = (0..u64::from(*count)).map(|ahead| {
                let offset =
                    offset.map_or("nil".to_string(), |first| first.plus(ahead).to_string());
                format!("[:send \"{partition}\" [{offset} {}]]", value + ahead)
            });
            format!("[{}]", sends.collect::<Vec<_>>().join(" "))
        }
    }
}

fn polled(polled: &[PolledRecords], notation: Notation) -> String {
    let mut text = String::new();
    for records in polled {
        let between = if text.is_empty() { "" } else { ", " };
        let colon = if notation == Notation::Json { ":" } else { "" };
        write!(text, "{between}\"{}\"{colon} [", records.partition).expect("a string");
        let mut separator = "";
        for range in &records.ranges {
            let (offset, value, count) = (range.offset, range.first_value, range.count);
            match (notation, count) {
                (Notation::Json, 1) => write!(text, "{separator}[{offset}, {value}]"),
                (Notation::Json, _) => write!(text, "{separator}[{offset}, {value}, {count}]"),
                (Notation::Edn, _) => (0..u64::from(count)).try_for_each(|ahead| {
                    write!(text, "[{} {}]", offset.plus(ahead), value + ahead)
                }),
            }
            .expect("a string takes everything");
            separator = if notation == Notation::Json { ", " } else { "" };
        }
        text.push(']');
    }
    match notation {
        Notation::Json => format!("[[\"poll\", {{{text}}}]]"),
        Notation::Edn => format!("[[:poll {{{text}}}]]"),
    }
}

/// What the scenario's settings promise.
fn header(scenario: &Scenario, source: &str) -> String {
    let settings = judging::settings(scenario);
    let producers: Vec<String> = settings
        .producers
        .iter()
        .map(|(node, its)| {
            let acks = match its.acks {
                Acks::All => "all",
                Acks::Leader => "1",
                Acks::None => "0",
            };
            format!(
                "\"{node}\": {{\"acks\": \"{acks}\", \"enable.idempotence\": {}, \
                 \"max.in.flight.requests.per.connection\": {}, \"retries\": {}}}",
                its.idempotence, its.max_in_flight, its.retries
            )
        })
        .collect();
    let start = match judging::consumers_start_at_the_beginning(scenario) {
        true => "beginning",
        false => "anywhere",
    };
    format!(
        "{{\"klab-history\": 1, \"source\": {}, \"unclean.leader.election.enable\": {}, \
         \"consumers-start\": \"{start}\", \"producers\": {{{}}}}}",
        serde_json::to_string(source).expect("a text becomes JSON"),
        settings.defaults.unclean_leader_election,
        producers.join(", "),
    )
}
