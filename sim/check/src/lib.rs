//! klab-check
