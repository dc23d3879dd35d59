//! A receiver of webhooks that fails as often as it is told to, and keeps what it takes.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

/// A receiver of webhooks: it fails so often, and then takes everything.
#[derive(Clone, Default)]
pub struct Receiver {
    /// Signatures and bodies, as they came.
    pub taken: Arc<Mutex<Vec<(String, String)>>>,
    /// Bodies of what it did not take.
    pub refused: Arc<Mutex<Vec<Value>>>,
    /// How often it fails.
    pub refuses: Arc<AtomicUsize>,
}

impl Receiver {
    /// Starts one; where it is reached.
    pub async fn listen(refuses: usize) -> anyhow::Result<(Self, String)> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/hook", listener.local_addr()?);
        let receiver = Self { refuses: Arc::new(refuses.into()), ..Self::default() };
        let serving = receiver.clone();
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let receiver = serving.clone();
                tokio::spawn(async move {
                    let mut bytes = Vec::new();
                    loop {
                        let Some((head, body)) = request(&mut socket, &mut bytes).await else { return };
                        let signature = head.lines().find_map(|l| l.strip_prefix("caveat-signature: "));
                        let answer = receiver.take(signature.unwrap_or_default(), &body);
                        if socket.write_all(answer.as_bytes()).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Ok((receiver, url))
    }

    fn take(&self, signature: &str, body: &str) -> &'static str {
        let mut refused = locked(&self.refused);
        if refused.len() < self.refuses.load(SeqCst) {
            refused.push(serde_json::from_str(body).unwrap_or_default());
            return "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n";
        }
        locked(&self.taken).push((signature.to_owned(), body.to_owned()));
        "HTTP/1.1 204 No Content\r\n\r\n"
    }

    /// What it has taken.
    pub fn bodies(&self) -> Vec<Value> {
        locked(&self.taken).iter().map(|(_, body)| serde_json::from_str(body).unwrap_or_default()).collect()
    }
}

/// The next request on a connection: its head and its body.
async fn request(socket: &mut tokio::net::TcpStream, bytes: &mut Vec<u8>) -> Option<(String, String)> {
    loop {
        if let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let length =
                head.lines().find_map(|l| l.strip_prefix("content-length: ")?.parse::<usize>().ok())?;
            if bytes.len() >= end + 4 + length {
                let body = String::from_utf8_lossy(&bytes[end + 4..end + 4 + length]).into_owned();
                bytes.drain(..end + 4 + length);
                return Some((head, body));
            }
        }
        let mut part = [0; 4_096];
        let read = socket.read(&mut part).await.ok().filter(|n| *n > 0)?;
        bytes.extend(&part[..read]);
    }
}

fn locked<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}
