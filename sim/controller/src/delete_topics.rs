//! Topics are deleted (`ReplicationControlManager.deleteTopics`, `ControllerApis.deleteTopics`).

use crate::active::Active;
use crate::assignment::{Refusal, told};
use crate::decision::Decision;
use klab_wire::{
    DeleteTopicsRequest, DeleteTopicsResponse, ErrorCode, MetadataRecord, Response, TopicId,
    TopicName, TopicResult,
};

impl Active {
    pub(crate) fn delete_topics(
        &mut self,
        request: &DeleteTopicsRequest,
    ) -> Result<Decision, ErrorCode> {
        if !self.settings.config.delete_topic_enable {
            return Err(ErrorCode::TopicDeletionDisabled);
        }
        let found: Vec<_> =
            request.topics.iter().map(|name| self.topic_to_delete(name, request)).collect();
        let record = |id: &TopicId| MetadataRecord::RemoveTopic { id: *id };
        let records = found.iter().flatten().map(record).collect();
        let answer = |(name, found): (&TopicName, &Result<_, _>)| {
            let (error, message) = told(found);
            TopicResult { name: name.clone(), error, message }
        };
        let topics = request.topics.iter().zip(&found).map(answer).collect();
        Ok(Decision::atomic(
            records,
            Response::DeleteTopics(Box::new(DeleteTopicsResponse { topics })),
        ))
    }

    fn topic_to_delete(
        &self,
        name: &TopicName,
        request: &DeleteTopicsRequest,
    ) -> Result<TopicId, Refusal> {
        if request.topics.iter().filter(|other| *other == name).count() > 1 {
            return Err(Refusal::new(ErrorCode::InvalidRequest, "Duplicate topic name."));
        }
        let id = self.image().topics.id_of(name);
        id.ok_or(Refusal::from(ErrorCode::UnknownTopicOrPartition))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desk::Desk;
    use klab_wire::Span;

    fn delete(desk: &mut Desk, topics: &[&str]) -> Vec<ErrorCode> {
        let topics = topics.iter().map(|name| TopicName::from(*name)).collect();
        match desk.ask(DeleteTopicsRequest { topics, timeout: Span::from_secs(1) }) {
            Response::DeleteTopics(answer) => answer.topics.iter().map(|t| t.error).collect(),
            other => panic!("no answer to a deletion: {other:?}"),
        }
    }

    #[test]
    fn a_topic_is_deleted_with_its_configs_and_its_name_is_free_again() {
        let mut desk = Desk::new().with_brokers([1]);
        desk.create_with("or.ders", &[&[1], &[1]], &[("retention.ms", "5")]);
        assert_eq!(
            delete(&mut desk, &["or.ders", "other"]),
            [ErrorCode::None, ErrorCode::UnknownTopicOrPartition]
        );
        assert_eq!(desk.controller.image().topics.topics().count(), 0);
        assert_eq!(desk.controller.image().configs.resources().count(), 0);
        desk.create("or_ders", &[&[1]]);
    }

    #[test]
    fn a_topic_named_twice_is_a_mistake() {
        let mut desk = Desk::new().with_brokers([1]);
        desk.create("orders", &[&[1]]);
        assert_eq!(delete(&mut desk, &["orders", "orders"]), [ErrorCode::InvalidRequest; 2]);
    }

    #[test]
    fn deletion_can_be_switched_off() {
        let mut desk = Desk::with([("delete.topic.enable", "false")]).with_brokers([1]);
        desk.create("orders", &[&[1]]);
        assert_eq!(delete(&mut desk, &["orders"]), [ErrorCode::TopicDeletionDisabled]);
    }
}
