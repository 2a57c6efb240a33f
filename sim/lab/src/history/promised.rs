//! What a history's settings promise: its first line says so, and `--set` over it.

use super::cursor::{Complaint, Cursor};
use super::names::Names;
use klab_check::{ProducerSettings, RecordedSettings, Settings};
use klab_wire::{Acks, NodeId};
use std::collections::BTreeMap;

/// The key that makes a line the header.
pub const HEADER: &str = "klab-history";

/// Every key of a header or of `--set`, with what it means.
const KEYS: &[&str] = &[
    "acks",
    "enable.idempotence",
    "max.in.flight.requests.per.connection",
    "retries",
    "unclean.leader.election.enable",
    "consumers",
    "consumers-start",
    "final-polls",
    "values",
    "producers",
    "source",
];

/// What is promised, as far as it was said.
#[derive(Clone, Debug, Default)]
pub struct Promised {
    all: Producer,
    producers: BTreeMap<NodeId, Producer>,
    unclean_leader_election: bool,
    recorded: RecordedSettings,
    values_per_partition: bool,
}

/// A producer's settings, as far as they were said.
#[derive(Clone, Copy, Debug, Default)]
struct Producer {
    acks: Option<Acks>,
    idempotence: Option<bool>,
    max_in_flight: Option<u32>,
    retries: Option<u32>,
}

impl Promised {
    /// Reads a header line.
    ///
    /// # Errors
    ///
    /// Something in it is wrong.
    pub fn header(&mut self, mut line: Cursor, names: &mut Names) -> Result<(), Complaint> {
        let mut map = line.open(b'{')?;
        while line.more(&mut map)? {
            let before = line;
            let key = line.key()?;
            match &*key {
                HEADER => {
                    let version = line.number()?;
                    if version != 1 {
                        return before.complain(format!("version {version} is not known, only 1"));
                    }
                }
                "producers" => self.producers(&mut line, names)?,
                key => {
                    let value = line.word()?;
                    self.set(key, &value).or_else(|what| before.complain(what))?;
                }
            }
        }
        line.end()
    }

    fn producers(&mut self, line: &mut Cursor, names: &mut Names) -> Result<(), Complaint> {
        let mut map = line.open(b'{')?;
        while line.more(&mut map)? {
            let before = *line;
            let name = line.key()?;
            let Some(node) = names.process(&name) else {
                return before.complain("there are too many processes");
            };
            let mut settings = line.open(b'{')?;
            while line.more(&mut settings)? {
                let before = *line;
                let key = line.key()?;
                let value = line.word()?;
                let producer = self.producers.entry(node).or_default();
                producer.set(&key, &value).or_else(|what| before.complain(what))?;
            }
        }
        Ok(())
    }

    /// Takes one setting.
    ///
    /// # Errors
    ///
    /// The key is not known, or the value none of its.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        let recorded = &mut self.recorded;
        match key {
            "unclean.leader.election.enable" => {
                self.unclean_leader_election = truth(key, value)?;
            }
            "consumers" => {
                recorded.subscribe = one_of(key, value, ["assign", "subscribe"])? == "subscribe";
            }
            "consumers-start" => {
                recorded.from_beginning =
                    one_of(key, value, ["beginning", "anywhere"])? == "beginning";
            }
            "final-polls" => recorded.final_polls = truth(key, value)?,
            "values" => {
                self.values_per_partition =
                    one_of(key, value, ["per-topic", "per-partition"])? == "per-partition";
            }
            "source" => {}
            _ => self.all.set(key, value)?,
        }
        Ok(())
    }

    /// Whether values are unique within a partition only.
    pub const fn values_per_partition(&self) -> bool {
        self.values_per_partition
    }

    /// What a judge wants to know.
    pub fn settings(&self) -> (Settings, RecordedSettings) {
        let mut settings = Settings { other_producers: self.all.resolved(), ..Settings::default() };
        settings.defaults.unclean_leader_election = self.unclean_leader_election;
        let producers = self.producers.iter();
        let resolved = producers.map(|(node, its)| (*node, its.or(&self.all).resolved()));
        settings.producers = resolved.collect();
        (settings, self.recorded)
    }
}

impl Producer {
    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        match key {
            "acks" => {
                self.acks = Some(match one_of(key, value, ["all", "-1", "1", "0"])? {
                    "1" => Acks::Leader,
                    "0" => Acks::None,
                    _ => Acks::All,
                });
            }
            "enable.idempotence" => self.idempotence = Some(truth(key, value)?),
            "max.in.flight.requests.per.connection" => {
                self.max_in_flight = Some(number(key, value)?);
            }
            "retries" => self.retries = Some(number(key, value)?),
            _ => return Err(unknown(key)),
        }
        Ok(())
    }

    fn or(&self, all: &Producer) -> Producer {
        Producer {
            acks: self.acks.or(all.acks),
            idempotence: self.idempotence.or(all.idempotence),
            max_in_flight: self.max_in_flight.or(all.max_in_flight),
            retries: self.retries.or(all.retries),
        }
    }

    /// With Kafka's defaults. Idempotence is on only where its conditions hold (`ProducerConfig`).
    fn resolved(&self) -> ProducerSettings {
        let defaults = ProducerSettings::default();
        let acks = self.acks.unwrap_or(defaults.acks);
        let max_in_flight = self.max_in_flight.unwrap_or(defaults.max_in_flight);
        let retries = self.retries.unwrap_or(defaults.retries);
        let possible = acks == Acks::All && max_in_flight <= 5 && retries > 0;
        let idempotence = self.idempotence.unwrap_or(possible);
        ProducerSettings { acks, idempotence, max_in_flight, retries }
    }
}

fn one_of<'a, const N: usize>(
    key: &str,
    value: &'a str,
    words: [&str; N],
) -> Result<&'a str, String> {
    match words.contains(&value) {
        true => Ok(value),
        false => Err(format!("{key} is {}, not `{value}`", words.join(" or "))),
    }
}

fn truth(key: &str, value: &str) -> Result<bool, String> {
    one_of(key, value, ["true", "false"]).map(|word| word == "true")
}

fn number(key: &str, value: &str) -> Result<u32, String> {
    value.parse().map_err(|_| format!("{key} is a number, not `{value}`"))
}

fn unknown(key: &str) -> String {
    let likeness = |known: &&&str| strsim::jaro_winkler(key, known);
    let nearest = KEYS.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    format!(
        "nobody knows the setting `{key}`; did you mean `{}`?",
        nearest.expect("there are keys")
    )
}

#[cfg(test)]
mod tests {
    use super::super::cursor::Notation;
    use super::*;

    fn header(text: &str) -> Result<Promised, Complaint> {
        let mut promised = Promised::default();
        promised.header(Cursor::new(text, Notation::Json), &mut Names::default())?;
        Ok(promised)
    }

    #[test]
    fn a_header_says_what_is_promised_to_whom() {
        let text = r#"{"klab-history": 1, "acks": "all", "final-polls": true,
                       "producers": {"p2": {"acks": 1}}, "consumers": "subscribe"}"#;
        let (settings, recorded) = header(text).expect("a header").settings();
        let [p1, p2] = [1, 2].map(|n| settings.producer(NodeId::producer(n)));
        assert_eq!((p1.acks, p1.idempotence), (Acks::All, true));
        assert_eq!((p2.acks, p2.idempotence), (Acks::Leader, false));
        assert!(recorded.final_polls && recorded.subscribe && recorded.from_beginning);
    }

    #[test]
    fn mistakes_in_a_header_are_told() {
        for (text, what) in [
            (r#"{"klab-history": 2}"#, "version 2"),
            (r#"{"klab-history": 1, "ack": "all"}"#, "did you mean `acks`?"),
            (r#"{"klab-history": 1, "acks": "2"}"#, "acks is all or -1 or 1 or 0, not `2`"),
        ] {
            let complaint = header(text).expect_err(text);
            assert!(complaint.what.contains(what), "{text}: {}", complaint.what);
        }
    }
}
