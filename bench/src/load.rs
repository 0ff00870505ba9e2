//! The load generator: requests that were written in advance, one connection a task, and nothing on
//! the way that is not needed, since it shares the machine with what it measures.

use crate::rounds::Round;
use anyhow::{Context as _, Result, bail};
use core::time::Duration;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Instant;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::LocalSet;

const ANSWER_BYTES_MAX: usize = 1024 * 1024;
/// No request of a benchmark takes longer, or the round is void.
const ROUND_GRACE: Duration = Duration::from_secs(30);

/// Sends `requests` over `connections`, each connection one after the other, until `limit` has passed
/// or all are sent.
///
/// # Errors
/// When a connection breaks or an answer is no HTTP/1.1 with a length.
pub(crate) async fn drive(
    address: SocketAddr,
    connections: usize,
    limit: Duration,
    requests: Vec<Vec<u8>>,
) -> Result<Round> {
    let requests = Rc::new(requests);
    let next = Rc::new(Cell::new(0_usize));
    let round = Rc::new(RefCell::new(Round::new()?));
    let mut open = Vec::with_capacity(connections);
    for _ in 0..connections {
        open.push(Connection::open(address).await?);
    }
    let tasks = LocalSet::new();
    let began = Instant::now();
    let mut handles = Vec::with_capacity(connections);
    for mut connection in open {
        let (requests, next, round) = (requests.clone(), next.clone(), round.clone());
        handles.push(tasks.spawn_local(async move {
            while began.elapsed() < limit {
                let index = next.replace(next.get() + 1);
                let Some(request) = requests.get(index) else {
                    break;
                };
                let sent = Instant::now();
                let status = connection.ask(request).await?;
                round.borrow_mut().note(status, sent.elapsed());
            }
            anyhow::Ok(())
        }));
    }
    tokio::time::timeout(limit + ROUND_GRACE, tasks)
        .await
        .context("a request got no answer")?;
    let elapsed = began.elapsed();
    for handle in handles {
        handle.await??;
    }
    let mut round = round.take_round();
    round.elapsed = elapsed;
    Ok(round)
}

/// Takes the collected round out of its cell.
trait TakeRound {
    fn take_round(&self) -> Round;
}

impl TakeRound for Rc<RefCell<Round>> {
    fn take_round(&self) -> Round {
        self.borrow().clone()
    }
}

/// A connection that is kept alive.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    body_at: usize,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            buffer: Vec::with_capacity(8 * 1024),
            body_at: 0,
        })
    }

    /// Sends a request and reads its answer; returns the status.
    pub(crate) async fn ask(&mut self, request: &[u8]) -> Result<u16> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        let mut head = None;
        loop {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                bail!("the server has closed the connection");
            }
            if head.is_none() {
                head = Head::read(&self.buffer)?;
            }
            if let Some(head) = head
                && self.buffer.len() >= head.length + head.body_length
            {
                self.body_at = head.length;
                return Ok(head.status);
            }
            if self.buffer.len() > ANSWER_BYTES_MAX {
                bail!("the answer is too long");
            }
        }
    }

    /// The body of the last answer.
    pub(crate) fn body(&self) -> &[u8] {
        self.buffer.get(self.body_at..).unwrap_or_default()
    }
}

#[derive(Debug, Clone, Copy)]
struct Head {
    status: u16,
    length: usize,
    body_length: usize,
}

impl Head {
    /// The head of an answer, if all of it is there.
    fn read(bytes: &[u8]) -> Result<Option<Self>> {
        let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
            return Ok(None);
        };
        let text = core::str::from_utf8(bytes.get(..end).unwrap_or_default())?;
        let mut lines = text.split("\r\n");
        let status = lines
            .next()
            .and_then(|line| line.split(' ').nth(1)?.parse().ok())
            .context("an answer begins with its status")?;
        let body_length = lines
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
            .and_then(|(_, value)| value.trim().parse().ok())
            .context("an answer tells its length")?;
        Ok(Some(Self {
            status,
            length: end + 4,
            body_length,
        }))
    }
}

/// Fails unless every answer has this status.
pub(crate) fn require_only(round: &Round, status: u16) -> Result<()> {
    let answers: &BTreeMap<u16, u64> = &round.answers;
    if answers.keys().all(|own| *own == status) {
        return Ok(());
    }
    bail!("not every answer is {status}: {answers:?}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_head_is_read_when_it_is_whole() {
        let answer = b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}";
        for end in 0..answer.len() - 2 {
            assert!(Head::read(&answer[..end]).unwrap().is_none(), "{end}");
        }
        let head = Head::read(answer).unwrap().unwrap();
        assert_eq!((head.status, head.body_length), (201, 2));
        assert_eq!(&answer[head.length..], b"{}");
        assert!(Head::read(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }
}
