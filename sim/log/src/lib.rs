//! klab-log
