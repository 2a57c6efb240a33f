//! klab-metadata
