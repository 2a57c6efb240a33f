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
        Ok(Decision::atomic(records, Response::DeleteTopics(DeleteTopicsResponse { topics })))
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
