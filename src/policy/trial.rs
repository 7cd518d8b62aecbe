//! Runs policies against written cases; it sends nothing and reads nothing itself.
