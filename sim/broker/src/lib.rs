//! klab-broker
