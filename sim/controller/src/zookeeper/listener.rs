//! What an event carried before 1.0: the children of a znode as they were when its watch fired (`ZkClient`'s
//! `IZkChildListener`). By the event's turn they may be others (KAFKA-5502, KAFKA-5879).

use super::KafkaController;
use super::event::Event;
use super::step::Step;
use super::task::{Task, children};
use klab_wire::znodes::path;
use klab_wire::zookeeper::{Op, Path};

/// What a listener has still to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ListenerStep {
    /// Read the children, which sets the watch again.
    Read(Path),
    /// They were read: the event thread shall deal with these.
    Heard(Path),
}

impl From<ListenerStep> for Step {
    fn from(step: ListenerStep) -> Self {
        Step::Listener(step)
    }
}

impl KafkaController {
    pub(super) fn listener(&mut self, step: ListenerStep, task: &mut Task) {
        match step {
            ListenerStep::Read(path) => {
                task.ask([Op::GetChildren { path: path.clone(), watch: true }]);
                task.then([ListenerStep::Heard(path).into()]);
            }
            ListenerStep::Heard(of) => {
                let names = children(task.answer());
                let event = match of == path::broker_ids() {
                    true => Event::BrokersSeen(
                        names.iter().filter_map(|name| path::broker_of(name)).collect(),
                    ),
                    false => Event::IsrNotesSeen(names.iter().map(|name| of.child(name)).collect()),
                };
                self.put(event);
            }
        }
    }
}
