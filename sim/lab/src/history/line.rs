//! One line of a history: an event of an operation, in Jepsen's terms.

use super::cursor::{Complaint, Cursor};
use super::names::Names;
use klab_check::{Event, Micro, Moment, Type};
use klab_machine::operation::{OperationId, PolledRecords, RecordRange};
use klab_wire::{NodeId, Offset, Time, TopicPartition};

/// The functions of a client's operations.
const FUNCTIONS: &[&str] = &[
    "send",
    "poll",
    "txn",
    "assign",
    "subscribe",
    "seek",
    "crash",
    "close",
    "delete-records",
    "debug-topic-partitions",
];

/// The fields of a line, as far as a judge wants them.
#[derive(Clone, Debug, Default)]
struct Fields<'a> {
    kind: Option<Type>,
    function: Option<std::borrow::Cow<'a, str>>,
    process: Option<std::borrow::Cow<'a, str>>,
    time: u64,
    id: Option<u64>,
    waited: bool,
    seek_to_beginning: bool,
    /// What the operation consists of, if its function was told before its value.
    micros: Option<Vec<Micro>>,
    value: Option<Cursor<'a>>,
    rebalance: Option<Cursor<'a>>,
}

/// Reads a line. What has nothing to do with a client or a fault is none.
///
/// # Errors
///
/// Something in it is wrong.
pub fn read(mut line: Cursor, number: u64, names: &mut Names) -> Result<Option<Event>, Complaint> {
    let begin = line;
    let mut fields = fields(&mut line, names)?;
    let missing = |what: &str| -> Result<Option<Event>, Complaint> {
        begin.complain(format!("the line says no {what}"))
    };
    let (Some(process), Some(function)) = (&fields.process, &fields.function) else {
        return missing(if fields.process.is_none() { "\"process\"" } else { "\"f\"" });
    };
    if process == "nemesis" {
        return fault(&fields, function, number, names).map(Some);
    }
    let Some(kind) = fields.kind else {
        return missing("\"type\": invoke, ok, fail or info");
    };
    let Some(node) = names.process(process) else {
        return begin
            .complain("this history has more processes than the 64,000 that can be told apart");
    };
    let mut event = empty(&fields, kind, number, node);
    event.micros = match &**function {
        "send" | "poll" | "txn" => match fields.micros.take() {
            Some(micros) => micros,
            None => micros_of(fields.value, names)?,
        },
        "assign" | "subscribe" => vec![Micro::Assign {
            partitions: keys(fields.value, names)?,
            seek_to_beginning: fields.seek_to_beginning,
        }],
        "seek" => vec![Micro::Seek(keys(fields.value, names)?)],
        "crash" | "close" => vec![Micro::Crash],
        "delete-records" => deletions(fields.value, names)?,
        "debug-topic-partitions" => return Ok(None),
        other => return begin.complain(unknown(other)),
    };
    if let Some(rebalance) = fields.rebalance {
        event.rebalanced = rebalanced(rebalance, names)?;
    }
    Ok(Some(event))
}

fn empty(fields: &Fields, kind: Type, number: u64, node: NodeId) -> Event {
    Event {
        at: Moment { step: number, time: Time(fields.time), node },
        id: fields.id.map(OperationId),
        kind,
        waited: fields.waited,
        micros: Vec::new(),
        rebalanced: Vec::new(),
    }
}

fn unknown(function: &str) -> String {
    let nearest = FUNCTIONS.iter().max_by(|a, b| {
        let likeness = |known: &str| strsim::jaro_winkler(function, known);
        likeness(a).total_cmp(&likeness(b))
    });
    let nearest = nearest.expect("there are functions");
    format!("nobody knows the function `{function}`; did you mean `{nearest}`?")
}

fn fields<'a>(line: &mut Cursor<'a>, names: &mut Names) -> Result<Fields<'a>, Complaint> {
    let mut fields = Fields::default();
    let mut map = line.open(b'{')?;
    while line.more(&mut map)? {
        match &*line.key()? {
            "type" => fields.kind = Some(kind(line)?),
            "f" => fields.function = Some(line.word()?),
            "process" => fields.process = Some(line.word()?),
            "time" => fields.time = time(line)?,
            "id" => fields.id = Some(line.number()?),
            "waited" => fields.waited = line.word()? == "true",
            "seek-to-beginning?" => fields.seek_to_beginning = line.word()? == "true",
            "value" if fields.is_of_sends_or_polls() => fields.micros = Some(micros(line, names)?),
            "value" => fields.value = Some(line.skip()?),
            "rebalance-log" => fields.rebalance = Some(line.skip()?),
            _ => {
                line.skip()?;
            }
        }
    }
    line.end()?;
    Ok(fields)
}

impl Fields<'_> {
    fn is_of_sends_or_polls(&self) -> bool {
        let is_client = self.process.as_ref().is_some_and(|process| process != "nemesis");
        is_client && matches!(self.function.as_deref(), Some("send" | "poll" | "txn"))
    }
}

fn kind(line: &mut Cursor) -> Result<Type, Complaint> {
    let before = *line;
    match &*line.word()? {
        "invoke" => Ok(Type::Invoke),
        "ok" => Ok(Type::Ok),
        "fail" => Ok(Type::Fail),
        "info" => Ok(Type::Info),
        other => before.complain(format!("a type is invoke, ok, fail or info, not `{other}`")),
    }
}

/// Nanoseconds since the start. A clock that was set back may have gone below it.
fn time(line: &mut Cursor) -> Result<u64, Complaint> {
    match line.peek() {
        Some(b'-') => line.skip().map(|_| 0),
        _ => line.number(),
    }
}

/// What a nemesis does: everything that is no client's operation.
fn fault(
    fields: &Fields,
    function: &str,
    number: u64,
    names: &mut Names,
) -> Result<Event, Complaint> {
    let (mut node, mut what) = (None, function.to_string());
    if let Some(mut value) = fields.value {
        if let Some(mut list) = Some(value).filter(|v| v.clone().peek() == Some(b'[')) {
            let mut open = list.open(b'[')?;
            let mut words = Vec::new();
            while list.more(&mut open)? && matches!(list.peek(), Some(b'"' | b':' | b'a'..=b'z')) {
                words.push(list.word()?.into_owned());
            }
            node = words.first().and_then(|word| word.parse::<NodeId>().ok());
            let words = &words[usize::from(node.is_some())..];
            words.iter().for_each(|word| what = format!("{what} {word}"));
        } else if let Ok(word) = value.word() {
            what = format!("{what} {word}");
        }
    }
    let node = node.or_else(|| names.process("nemesis")).unwrap_or(NodeId::consumer(1));
    let mut event = empty(fields, Type::Info, number, node);
    event.micros = vec![Micro::Fault(what)];
    Ok(event)
}

fn micros_of(value: Option<Cursor>, names: &mut Names) -> Result<Vec<Micro>, Complaint> {
    value.map_or(Ok(Vec::new()), |mut value| micros(&mut value, names))
}

/// `[["send", "orders", 105], ["poll", {"orders-0": [[5, 105]]}]]`
fn micros(value: &mut Cursor, names: &mut Names) -> Result<Vec<Micro>, Complaint> {
    let mut micros = Vec::new();
    if value.nothing() {
        return Ok(micros);
    }
    let mut list = value.open(b'[')?;
    while value.more(&mut list)? {
        let mut micro = value.open(b'[')?;
        value.more(&mut micro)?;
        let before = *value;
        match &*value.word()? {
            "send" => micros.push(send(value, &mut micro, names)?),
            "poll" => {
                let polled = match value.more(&mut micro)? {
                    true => polled(value, names)?,
                    false => {
                        micros.push(Micro::Poll(Vec::new()));
                        continue;
                    }
                };
                micros.push(Micro::Poll(polled));
            }
            other => {
                return before
                    .complain(format!("an operation is made of send and poll, not `{other}`"));
            }
        }
        if value.more(&mut micro)? {
            return value.complain("a ] is missing here");
        }
    }
    Ok(micros)
}

/// `"orders", 105` before it ended, `"orders-0", [5, 105]` afterwards; of a counted range also how many.
fn send(
    value: &mut Cursor,
    micro: &mut super::cursor::Open,
    names: &mut Names,
) -> Result<Micro, Complaint> {
    need(value, micro)?;
    let partition = names.partition(&value.word()?);
    need(value, micro)?;
    let (mut offset, mut count) = (None, 1);
    let first_value = match value.peek() {
        Some(b'[') => {
            let mut pair = value.open(b'[')?;
            need(value, &mut pair)?;
            offset = if value.nothing() { None } else { Some(Offset(value.number()?)) };
            need(value, &mut pair)?;
            let first = value.number()?;
            if value.more(&mut pair)? {
                count = self::count(value)?;
                close(value, &mut pair)?;
            }
            first
        }
        _ => {
            let first = value.number()?;
            // A counted range: ["send", "orders", 105, 10].
            if value.clone().peek() == Some(b',') || value.clone().number().is_ok() {
                value.more(micro)?;
                count = self::count(value)?;
            }
            first
        }
    };
    Ok(Micro::Send { partition, first_value, count, offset })
}

fn need(value: &mut Cursor, open: &mut super::cursor::Open) -> Result<(), Complaint> {
    match value.more(open)? {
        true => Ok(()),
        false => value.complain("something is missing before this ]"),
    }
}

fn close(value: &mut Cursor, open: &mut super::cursor::Open) -> Result<(), Complaint> {
    match value.more(open)? {
        true => value.complain("a ] is missing here"),
        false => Ok(()),
    }
}

fn count(value: &mut Cursor) -> Result<u32, Complaint> {
    let before = *value;
    match value.number()?.try_into() {
        Ok(count) if count > 0 => Ok(count),
        _ => before.complain("this is how many records there are: 1 to 4,294,967,295"),
    }
}

/// `{"orders-0": [[5, 105], [6, 106, 10]]}`
fn polled(value: &mut Cursor, names: &mut Names) -> Result<Vec<PolledRecords>, Complaint> {
    let mut polled = Vec::new();
    if value.nothing() {
        return Ok(polled);
    }
    let mut map = value.open(b'{')?;
    while value.more(&mut map)? {
        let partition = names.partition(&value.key()?);
        let ranges = ranges(value)?;
        if !ranges.is_empty() {
            polled.push(PolledRecords { partition, ranges: ranges.into() });
        }
    }
    Ok(polled)
}

/// Pairs of offset and value, and how many if they are more; neighbours are one range.
fn ranges(value: &mut Cursor) -> Result<Vec<RecordRange>, Complaint> {
    let mut ranges: Vec<RecordRange> = Vec::new();
    let mut list = value.open(b'[')?;
    while value.more(&mut list)? {
        let mut pair = value.open(b'[')?;
        need(value, &mut pair)?;
        let offset = if value.nothing() { None } else { Some(Offset(value.number()?)) };
        need(value, &mut pair)?;
        let first_value = value.number()?;
        let mut count = 1;
        if value.more(&mut pair)? {
            count = self::count(value)?;
            close(value, &mut pair)?;
        }
        let Some(offset) = offset else { continue };
        match ranges.last_mut().filter(|last| goes_on(last, offset, first_value, count)) {
            Some(last) => last.count += count,
            None => ranges.push(RecordRange { offset, first_value, count }),
        }
    }
    Ok(ranges)
}

fn goes_on(last: &RecordRange, offset: Offset, value: u64, count: u32) -> bool {
    let its = u64::from(last.count);
    last.offset.0 + its == offset.0
        && last.first_value + its == value
        && last.count.checked_add(count).is_some()
}

/// `["orders-0", "orders-1"]`
fn keys(value: Option<Cursor>, names: &mut Names) -> Result<Vec<TopicPartition>, Complaint> {
    let mut keys = Vec::new();
    let Some(mut value) = value else { return Ok(keys) };
    if value.nothing() {
        return Ok(keys);
    }
    let mut list = value.open(if value.clone().peek() == Some(b'{') { b'{' } else { b'[' })?;
    while value.more(&mut list)? {
        keys.push(names.partition(&value.word()?));
    }
    Ok(keys)
}

/// `{"orders-0": 5}`: what is below is deleted.
fn deletions(value: Option<Cursor>, names: &mut Names) -> Result<Vec<Micro>, Complaint> {
    let mut deletions = Vec::new();
    let Some(mut value) = value else { return Ok(deletions) };
    let mut map = value.open(b'{')?;
    while value.more(&mut map)? {
        let partition = names.partition(&value.key()?);
        deletions.push(Micro::Delete { partition, below: Offset(value.number()?) });
    }
    Ok(deletions)
}

/// `[{"keys": ["orders-0"]}]`
fn rebalanced(mut value: Cursor, names: &mut Names) -> Result<Vec<TopicPartition>, Complaint> {
    let mut partitions = Vec::new();
    if value.nothing() {
        return Ok(partitions);
    }
    let mut list = value.open(b'[')?;
    while value.more(&mut list)? {
        let mut map = value.open(b'{')?;
        while value.more(&mut map)? {
            match &*value.key()? {
                "keys" => partitions.extend(keys(Some(value.skip()?), names)?),
                _ => {
                    value.skip()?;
                }
            }
        }
    }
    Ok(partitions)
}

#[cfg(test)]
mod tests {
    use super::super::cursor::Notation;
    use super::*;

    fn event(text: &str, notation: Notation) -> Result<Option<Event>, Complaint> {
        read(Cursor::new(text, notation), 7, &mut Names::default())
    }

    fn told(text: &str, notation: Notation) -> String {
        let event = event(text, notation).expect(text).expect("an event");
        format!("{:?} {:?} {:?}", event.kind, event.at.time, event.micros)
    }

    #[test]
    fn jepsens_edn_and_json_are_read_alike() {
        let both = [
            (
                r#"{"type":"invoke","f":"send","process":"c9","time":12,"value":[["send","x-1",5]]}"#,
                r#"{:type :invoke, :f :send, :process "c9", :time 12, :value [[:send "x-1" 5]]}"#,
            ),
            (
                r#"{"type":"ok","f":"send","process":0,"time":-1,"value":[["send","x",[3,5]]]}"#,
                r#"{:type :ok, :f :send, :process 0, :time -1, :value [[:send "x" [3 5]]]}"#,
            ),
            (
                r#"{"type":"info","f":"txn","process":0,"value":[["send","7",[null,5]],["poll"]]}"#,
                r#"{:type :info, :f :txn, :process 0, :value [[:send 7 [nil 5]] [:poll]]}"#,
            ),
            (
                r#"{"type":"ok","f":"poll","process":0,"value":[["poll",{"7":[[1,5],[2,6],[9,7]]}]]}"#,
                r#"#jepsen.history.Op{:type :ok, :f :poll, :process 0, :value [[:poll {7 [[1 5] [2 6] [9 7]]}]]}"#,
            ),
            (
                r#"{"type":"ok","f":"assign","process":0,"value":["7","8"],"seek-to-beginning?":true}"#,
                r#"{:type :ok, :f :assign, :process 0, :value [7 8], :seek-to-beginning? true}"#,
            ),
        ];
        for (json, edn) in both {
            assert_eq!(told(json, Notation::Json), told(edn, Notation::Edn));
        }
    }

    #[test]
    fn counted_ranges_are_read_before_and_after_the_end() {
        let invoked = r#"{"type":"invoke","f":"send","process":"p1","value":[["send","x",5,10]]}"#;
        let ended = r#"{"type":"ok","f":"send","process":"p1","value":[["send","x-0",[3,5,10]]]}"#;
        for (text, offset) in [(invoked, "None"), (ended, "Some(3)")] {
            let wanted = format!("first_value: 5, count: 10, offset: {offset}");
            assert!(told(text, Notation::Json).contains(&wanted), "{text}");
        }
        let polled =
            r#"{"type":"ok","f":"poll","process":"c1","value":[["poll",{"x-0":[[1,5],[2,6,3]]}]]}"#;
        assert!(told(polled, Notation::Json).contains("offset: 1, first_value: 5, count: 4"));
    }

    #[test]
    fn mistakes_are_told() {
        let wrong = [
            (r#"{"type":"ok","f":"send","value":[]}"#, "the line says no \"process\""),
            (r#"{"type":"done","f":"send","process":0}"#, "not `done`"),
            (r#"{"type":"ok","f":"sent","process":0}"#, "did you mean `send`?"),
            (
                r#"{"type":"ok","f":"send","process":0,"value":[["send","x"]]}"#,
                "something is missing",
            ),
            (r#"{"type":"ok","f":"send","process":0,"value":[["append","x",1]]}"#, "not `append`"),
            (
                r#"{"type":"ok","f":"send","process":0,"value":[["send","x","a"]]}"#,
                "a whole number",
            ),
        ];
        for (text, what) in wrong {
            let complaint = event(text, Notation::Json).expect_err(text);
            assert!(complaint.what.contains(what), "{text}: {}", complaint.what);
        }
    }

    #[test]
    fn a_nemesis_is_a_fault_at_its_node() {
        let text = r#"{"type":"info","f":"ProcessCrashed","process":"nemesis","value":["b2","page cache kept"]}"#;
        let event = event(text, Notation::Json).expect("good").expect("an event");
        assert_eq!(event.at.node, NodeId::broker(2));
        assert!(
            matches!(&event.micros[..], [Micro::Fault(what)] if what == "ProcessCrashed page cache kept")
        );
    }
}
