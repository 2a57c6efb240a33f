//! What an administrator's request asks for: in words, of whom, and what an answer means for it
//! (`KafkaAdminClient`).

use klab_wire::{
    DeleteRecordsRequest, ErrorCode, ListOffsetsRequest, Request, Response, TopicPartition,
};

/// What an answer means for a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// All of it is done.
    Done,
    /// This is still to be done, and may be tried again.
    Retry(Request, ErrorCode),
    /// At least a part of it was refused for good.
    Failed(ErrorCode),
}

/// The requests that a call is sent as. What only leaders can do goes partition by partition.
pub(crate) fn parts(request: Request) -> Vec<Request> {
    match request {
        Request::DeleteRecords(request) => {
            let DeleteRecordsRequest { partitions, timeout } = *request;
            let one = |partition| DeleteRecordsRequest { partitions: vec![partition], timeout };
            partitions.into_iter().map(|partition| one(partition).into()).collect()
        }
        Request::ListOffsets(request) => {
            let ListOffsetsRequest { replica, isolation, partitions } = *request;
            let one =
                |partition| ListOffsetsRequest { replica, isolation, partitions: vec![partition] };
            partitions.into_iter().map(|partition| one(partition).into()).collect()
        }
        request => vec![request],
    }
}

/// The partition whose leader has to be asked; none if any broker will do, because brokers forward what is
/// the controller's (KIP-590).
pub(crate) fn led_by(request: &Request) -> Option<&TopicPartition> {
    match request {
        Request::DeleteRecords(request) => Some(&request.partitions.first()?.0),
        Request::ListOffsets(request) => Some(&request.partitions.first()?.partition),
        _ => None,
    }
}

/// What an answer means.
pub(crate) fn verdict(asked: &Request, response: &Response) -> Verdict {
    let (error, items) = errors(response);
    match error {
        ErrorCode::None => verdict_on_items(asked, &items),
        error if error.is_retriable() => Verdict::Retry(asked.clone(), error),
        error => Verdict::Failed(error),
    }
}

fn verdict_on_items(asked: &Request, items: &[ErrorCode]) -> Verdict {
    let is_final = |error: &&ErrorCode| !error.is_ok() && !can_be_retried(asked, **error);
    if let Some(error) = items.iter().find(is_final) {
        return Verdict::Failed(*error);
    }
    let Some(error) = items.iter().find(|error| !error.is_ok()) else { return Verdict::Done };
    let keep: Vec<bool> = items.iter().map(|error| !error.is_ok()).collect();
    Verdict::Retry(narrowed(asked, &keep), *error)
}

/// The answers of an election are final, retriable or not: the tool reports them. And what the controller
/// does not know does not exist, while a broker's metadata may only be late.
fn can_be_retried(asked: &Request, error: ErrorCode) -> bool {
    let is_final = match asked {
        Request::ElectLeaders(_) => true,
        Request::DeleteTopics(_)
        | Request::CreatePartitions(_)
        | Request::IncrementalAlterConfigs(_)
        | Request::AlterPartitionReassignments(_) => error == ErrorCode::UnknownTopicOrPartition,
        _ => false,
    };
    error.is_retriable() && !is_final
}

/// The error of the whole answer, and those of its items in the order of the request.
fn errors(response: &Response) -> (ErrorCode, Vec<ErrorCode>) {
    match response {
        Response::CreateTopics(r) => items(&r.topics, |topic| topic.error),
        Response::DeleteTopics(r) => items(&r.topics, |topic| topic.error),
        Response::CreatePartitions(r) => items(&r.topics, |topic| topic.error),
        Response::DeleteRecords(r) => items(&r.partitions, |partition| partition.error),
        Response::ListOffsets(r) => items(&r.partitions, |partition| partition.error),
        Response::OffsetForLeaderEpoch(r) => items(&r.partitions, |partition| partition.error),
        Response::Metadata(r) => items(&r.topics, |topic| topic.error),
        Response::DescribeConfigs(r) => items(&r.resources, |resource| resource.error),
        Response::IncrementalAlterConfigs(r) => items(&r.resources, |resource| resource.error),
        Response::ElectLeaders(r) => {
            // A leader that need not be elected again is as good as elected (`LeaderElectionCommand`).
            let wanted = |error| match error {
                ErrorCode::ElectionNotNeeded => ErrorCode::None,
                error => error,
            };
            (r.error, r.partitions.iter().map(|partition| wanted(partition.error)).collect())
        }
        Response::AlterPartitionReassignments(r) => {
            (r.error, r.partitions.iter().map(|partition| partition.error).collect())
        }
        Response::ListPartitionReassignments(r) => (r.error, Vec::new()),
        Response::DescribeQuorum(r) => (r.error, Vec::new()),
        Response::DescribeCluster(r) => (r.error, Vec::new()),
        Response::UpdateFeatures(r) => (r.error, Vec::new()),
        Response::UnregisterBroker(r) => (r.error, Vec::new()),
        // Nothing an administrator asks for.
        _ => (ErrorCode::UnsupportedVersion, Vec::new()),
    }
}

fn items<T>(answers: &[T], error: impl Fn(&T) -> ErrorCode) -> (ErrorCode, Vec<ErrorCode>) {
    (ErrorCode::None, answers.iter().map(error).collect())
}

/// The request with only the marked items.
fn narrowed(asked: &Request, keep: &[bool]) -> Request {
    let mut narrowed = asked.clone();
    match &mut narrowed {
        Request::CreateTopics(r) => retain(&mut r.topics, keep),
        Request::DeleteTopics(r) => retain(&mut r.topics, keep),
        Request::CreatePartitions(r) => retain(&mut r.topics, keep),
        Request::IncrementalAlterConfigs(r) => retain(&mut r.resources, keep),
        Request::AlterPartitionReassignments(r) => retain(&mut r.partitions, keep),
        _ => {}
    }
    narrowed
}

fn retain<T>(items: &mut Vec<T>, keep: &[bool]) {
    let mut keep = keep.iter();
    items.retain(|_| keep.next().copied().unwrap_or(true));
}

/// The request in words.
pub(crate) fn describe(request: &Request) -> String {
    match request {
        Request::CreateTopics(r) => list(&r.topics, |topic| topic.name.to_string()),
        Request::DeleteTopics(r) => list(&r.topics, ToString::to_string),
        Request::CreatePartitions(r) => {
            list(&r.topics, |topic| format!("{} to {} partitions", topic.name, topic.count))
        }
        Request::DeleteRecords(r) => list(&r.partitions, |(partition, offset)| match offset {
            Some(offset) => format!("{partition} before {offset}"),
            None => format!("{partition} before the high watermark"),
        }),
        Request::ListOffsets(r) => {
            list(&r.partitions, |asked| format!("{} {:?}", asked.partition, asked.spec))
        }
        Request::IncrementalAlterConfigs(r) => {
            list(&r.resources, |(resource, changes)| format!("{resource:?} {changes:?}"))
        }
        Request::DescribeConfigs(r) => list(&r.resources, |resource| format!("{resource:?}")),
        Request::ElectLeaders(r) => match &r.partitions {
            Some(partitions) => {
                format!("{:?} {}", r.election, list(partitions, ToString::to_string))
            }
            None => format!("{:?} everywhere", r.election),
        },
        Request::AlterPartitionReassignments(r) => {
            list(&r.partitions, |(partition, target)| match target {
                Some(target) => format!("{partition} to {target:?}"),
                None => format!("{partition} stays"),
            })
        }
        Request::UpdateFeatures(r) => {
            list(&r.updates, |(feature, level)| format!("{feature} {level}"))
        }
        Request::UnregisterBroker(r) => r.broker.to_string(),
        _ => String::new(),
    }
}

fn list<T>(items: &[T], word: impl Fn(&T) -> String) -> String {
    items.iter().map(word).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use klab_wire::{
        DeleteTopicsRequest, DeleteTopicsResponse, ElectLeadersRequest, ElectLeadersResponse,
        ElectionType, Offset, PartitionResult, Span, TopicResult,
    };

    fn delete(names: &[&str]) -> Request {
        let topics = names.iter().map(|name| (*name).into()).collect();
        DeleteTopicsRequest { topics, timeout: Span::ZERO }.into()
    }

    fn deleted(errors: &[ErrorCode]) -> Response {
        let topic =
            |error: &ErrorCode| TopicResult { name: "t".into(), error: *error, message: None };
        Response::DeleteTopics(Box::new(DeleteTopicsResponse {
            topics: errors.iter().map(topic).collect(),
        }))
    }

    #[test]
    fn only_what_failed_for_now_is_tried_again() {
        use ErrorCode::{
            None, NotController, PolicyViolation, RequestTimedOut, UnknownTopicOrPartition,
        };
        let asked = delete(&["a", "b", "c"]);
        let retry = Verdict::Retry(delete(&["b", "c"]), NotController);
        let cases = [
            ([None, None, None], Verdict::Done),
            ([None, NotController, RequestTimedOut], retry),
            ([None, NotController, PolicyViolation], Verdict::Failed(PolicyViolation)),
            ([None, None, UnknownTopicOrPartition], Verdict::Failed(UnknownTopicOrPartition)),
        ];
        for (errors, meaning) in cases {
            assert_eq!(verdict(&asked, &deleted(&errors)), meaning);
        }
    }

    #[test]
    fn kip_460_an_election_that_is_not_needed_is_a_success_and_no_other_answer_is_retried() {
        let asked = Request::from(ElectLeadersRequest {
            election: ElectionType::Preferred,
            partitions: None,
            timeout: Span::ZERO,
        });
        let answer = |error| {
            let partition = TopicPartition::new("t", 0);
            let partitions = vec![PartitionResult { partition, error, message: None }];
            Response::ElectLeaders(Box::new(ElectLeadersResponse {
                error: ErrorCode::None,
                partitions,
            }))
        };
        assert_eq!(verdict(&asked, &answer(ErrorCode::ElectionNotNeeded)), Verdict::Done);
        let unavailable = ErrorCode::PreferredLeaderNotAvailable;
        assert_eq!(verdict(&asked, &answer(unavailable)), Verdict::Failed(unavailable));
    }

    #[test]
    fn records_are_deleted_by_each_partitions_leader() {
        let partitions = vec![
            (TopicPartition::new("t", 0), Some(Offset(5))),
            (TopicPartition::new("t", 1), None),
        ];
        let whole = Request::from(DeleteRecordsRequest { partitions, timeout: Span::ZERO });
        assert_eq!(describe(&whole), "t-0 before 5, t-1 before the high watermark");
        let led: Vec<_> = parts(whole).iter().filter_map(led_by).cloned().collect();
        assert_eq!(led, [TopicPartition::new("t", 0), TopicPartition::new("t", 1)]);
    }
}
