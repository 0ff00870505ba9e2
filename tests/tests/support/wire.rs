//! HTTP/1.1 as bytes on a socket: what a test sends is what the other side gets. Usual clients
//! resolve dot segments, fold repeated headers and refuse what an attacker would send.

use serde_json::Value;
use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// Longer than anything the edge may take: it gives its origin 10 seconds.
const SOCKET_TIMEOUT: Duration = Duration::from_secs(60);
const CHUNK_BYTES: usize = 4096;

#[derive(Clone)]
enum Payload {
    None,
    Sized(Vec<u8>),
    /// A length, and then nothing.
    Declared(usize),
    Chunked {
        bytes: Vec<u8>,
        /// Without the last, empty chunk the body goes on.
        ends: bool,
    },
}

/// A request.
#[derive(Clone)]
pub(crate) struct Call {
    method: String,
    target: String,
    host: String,
    head: Vec<u8>,
    payload: Payload,
}

impl Call {
    pub(crate) fn new(method: &str, host: &str, target: &str) -> Self {
        Self {
            method: method.to_owned(),
            target: target.to_owned(),
            host: host.to_owned(),
            head: Vec::new(),
            payload: Payload::None,
        }
    }

    pub(crate) fn key(self, api_key: &str) -> Self {
        self.header("Authorization", &format!("Bearer {api_key}"))
    }

    pub(crate) fn header(self, name: &str, value: &str) -> Self {
        self.line(format!("{name}: {value}").as_bytes())
    }

    /// Bytes that stand where a header line would.
    pub(crate) fn line(mut self, bytes: &[u8]) -> Self {
        self.head.extend(bytes);
        self.head.extend(b"\r\n");
        self
    }

    pub(crate) fn body(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.payload = Payload::Sized(bytes.into());
        self
    }

    pub(crate) fn declare(mut self, length: usize) -> Self {
        self.payload = Payload::Declared(length);
        self
    }

    pub(crate) fn chunked(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        self.payload = Payload::Chunked { bytes, ends: true };
        self
    }

    pub(crate) fn chunked_without_end(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        self.payload = Payload::Chunked { bytes, ends: false };
        self
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut head = format!(
            "{} {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n",
            self.method, self.target, self.host
        );
        match &self.payload {
            Payload::None => {}
            Payload::Sized(bytes) => write!(head, "Content-Length: {}\r\n", bytes.len()).unwrap(),
            Payload::Declared(length) => write!(head, "Content-Length: {length}\r\n").unwrap(),
            Payload::Chunked { .. } => head.push_str("Transfer-Encoding: chunked\r\n"),
        }
        let mut message = head.into_bytes();
        message.extend(&self.head);
        message.extend(b"\r\n");
        match &self.payload {
            Payload::None | Payload::Declared(_) => {}
            Payload::Sized(bytes) => message.extend(bytes),
            Payload::Chunked { bytes, ends } => {
                for chunk in bytes.chunks(CHUNK_BYTES) {
                    message.extend(format!("{:x}\r\n", chunk.len()).as_bytes());
                    message.extend(chunk);
                    message.extend(b"\r\n");
                }
                if *ends {
                    message.extend(b"0\r\n\r\n");
                }
            }
        }
        message
    }

    /// Sends it to a port of this machine, and reads until the other side closes.
    pub(crate) fn send(&self, port: u16) -> Answer {
        self.begin(port).end()
    }

    /// Sends it, and does not wait for the answer.
    pub(crate) fn begin(&self, port: u16) -> UnderWay {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(SOCKET_TIMEOUT)).unwrap();
        stream.set_write_timeout(Some(SOCKET_TIMEOUT)).unwrap();
        stream.write_all(&self.to_bytes()).unwrap();
        UnderWay {
            stream,
            is_to_head: self.method == "HEAD",
            message: Vec::new(),
        }
    }
}

/// A request that is sent.
pub(crate) struct UnderWay {
    stream: TcpStream,
    is_to_head: bool,
    /// What has come of the answer.
    message: Vec<u8>,
}

impl UnderWay {
    /// Reads until these bytes have come.
    #[allow(dead_code, reason = "each test program uses a part of this")]
    pub(crate) fn read_until(&mut self, bytes: &[u8]) {
        let mut next = [0; CHUNK_BYTES];
        while !self.message.windows(bytes.len()).any(|own| own == bytes) {
            let length = self.stream.read(&mut next).unwrap();
            assert_ne!(length, 0, "the answer has ended without them");
            self.message.extend(&next[..length]);
        }
    }

    /// Reads the answer to its end.
    pub(crate) fn end(mut self) -> Answer {
        self.stream.read_to_end(&mut self.message).unwrap();
        Answer::parse(&self.message, self.is_to_head)
    }
}

/// A response.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    fn parse(message: &[u8], to_head: bool) -> Self {
        let shown = || String::from_utf8_lossy(message).into_owned();
        let end = message.windows(4).position(|four| four == b"\r\n\r\n");
        let end = end.unwrap_or_else(|| panic!("not a whole response: {:?}", shown()));
        let head = std::str::from_utf8(&message[..end]).unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap();
        let headers = lines
            .map(|line| {
                let (name, value) = line.split_once(':').unwrap();
                (name.to_ascii_lowercase(), value.trim().to_owned())
            })
            .collect();
        let mut answer = Self {
            status: status.parse().unwrap(),
            headers,
            body: message[end + 4..].to_vec(),
        };
        if answer.header("transfer-encoding") == Some("chunked") {
            answer.body = joined(&answer.body);
        } else if let Some(length) = answer.header("content-length")
            && !to_head
            && answer.status != 304
        {
            assert_eq!(length, answer.body.len().to_string(), "{:?}", shown());
        }
        answer
    }

    /// The value of a header that occurs once.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let values = self.headers_named(name);
        assert!(values.len() < 2, "{name} occurs twice: {self:?}");
        values.first().copied()
    }

    pub(crate) fn headers_named(&self, name: &str) -> Vec<&str> {
        let named = self.headers.iter().filter(|(own, _)| own == name);
        named.map(|(_, value)| value.as_str()).collect()
    }

    pub(crate) fn header_names(&self) -> Vec<&str> {
        self.headers.iter().map(|(name, _)| name.as_str()).collect()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {:?}", String::from_utf8_lossy(&self.body)))
    }
}

/// The bytes of a chunked body; fails where its end is missing.
fn joined(mut message: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let end = message.windows(2).position(|two| two == b"\r\n").unwrap();
        let length = std::str::from_utf8(&message[..end]).unwrap();
        let length = usize::from_str_radix(length, 16).unwrap();
        let chunk = &message[end + 2..];
        if length == 0 {
            assert_eq!(chunk, b"\r\n");
            return body;
        }
        body.extend(&chunk[..length]);
        message = &chunk[length + 2..];
    }
}
