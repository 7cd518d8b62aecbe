//! The one integration binary: whole-process and cross-room behaviour, judged from outside.

mod policy;
