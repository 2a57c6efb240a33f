//! klab-client
