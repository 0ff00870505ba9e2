//! Counts how often a client waits for its database.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Speaker {
    Client,
    Server,
}

#[derive(Debug)]
struct Conversation {
    last: Speaker,
    round_trips: u64,
}

/// Stands between a client and a server on this machine and passes everything on. A round trip begins
/// when the client speaks after the server has. Exact for a client with one connection.
#[derive(Debug)]
pub struct RoundTrips {
    address: SocketAddr,
    conversation: Arc<Mutex<Conversation>>,
}

impl RoundTrips {
    /// Listens on a free port, and passes on to `server`.
    pub async fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port is free");
        let address = listener.local_addr().expect("it listens");
        let conversation = Arc::new(Mutex::new(Conversation {
            last: Speaker::Server,
            round_trips: 0,
        }));
        let heard = conversation.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(server)
                    .await
                    .expect("the server answers");
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                tokio::spawn(pass_on(
                    Speaker::Client,
                    from_client,
                    to_server,
                    heard.clone(),
                ));
                tokio::spawn(pass_on(
                    Speaker::Server,
                    from_server,
                    to_client,
                    heard.clone(),
                ));
            }
        });
        Self {
            address,
            conversation,
        }
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Round trips so far.
    pub fn count(&self) -> u64 {
        let conversation = self.conversation.lock();
        conversation
            .unwrap_or_else(PoisonError::into_inner)
            .round_trips
    }
}

async fn pass_on(
    speaker: Speaker,
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    conversation: Arc<Mutex<Conversation>>,
) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        {
            let mut conversation = conversation.lock().unwrap_or_else(PoisonError::into_inner);
            if speaker == Speaker::Client && conversation.last == Speaker::Server {
                conversation.round_trips = conversation.round_trips.saturating_add(1);
            }
            conversation.last = speaker;
        }
        let Some(bytes) = buffer.get(..length) else {
            return;
        };
        if to.write_all(bytes).await.is_err() {
            return;
        }
    }
}
