//! Tests in which everything that can die does: processes of relays and consumers by SIGKILL and SIGSTOP,
//! the Postgres server, the queue service. All of it is in `tests/`.
