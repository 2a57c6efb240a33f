//! Dynamic configs by resource (`ConfigurationsImage`).

use crate::Delta;
use klab_wire::ConfigResource;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What was set on topics and brokers; what was not set is not here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigsImage {
    resources: BTreeMap<ConfigResource, BTreeMap<Arc<str>, Arc<str>>>,
}

impl ConfigsImage {
    /// The values set on a resource, in the order of their names.
    pub fn of<'a>(
        &'a self,
        resource: &ConfigResource,
    ) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        let set = self.resources.get(resource);
        set.into_iter().flatten().map(|(name, value)| (&**name, &**value))
    }

    /// One value, if it was set on the resource.
    pub fn value(&self, resource: &ConfigResource, name: &str) -> Option<&Arc<str>> {
        self.resources.get(resource)?.get(name)
    }

    /// Every resource on which something is set, with its values.
    pub fn resources(
        &self,
    ) -> impl Iterator<Item = (&ConfigResource, &BTreeMap<Arc<str>, Arc<str>>)> + '_ {
        self.resources.iter()
    }

    /// What is set on a resource is exactly this: what its znode says (ZooKeeper mode).
    pub fn replace(&mut self, resource: &ConfigResource, values: BTreeMap<Arc<str>, Arc<str>>) {
        match values.is_empty() {
            true => self.remove(resource),
            false => drop(self.resources.insert(resource.clone(), values)),
        }
    }

    pub(crate) fn set(
        &mut self,
        resource: &ConfigResource,
        name: &Arc<str>,
        value: Option<&Arc<str>>,
        delta: &mut Delta,
    ) {
        match value {
            Some(value) => {
                let values = self.resources.entry(resource.clone()).or_default();
                values.insert(name.clone(), value.clone());
            }
            None => self.unset(resource, name),
        }
        delta.configs.insert(resource.clone());
    }

    fn unset(&mut self, resource: &ConfigResource, name: &str) {
        if let Some(values) = self.resources.get_mut(resource) {
            values.remove(name);
            if values.is_empty() {
                self.resources.remove(resource);
            }
        }
    }

    pub(crate) fn remove(&mut self, resource: &ConfigResource) {
        self.resources.remove(resource);
    }
}
