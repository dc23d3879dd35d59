//! What the WebSocket protocols share: the next message of a socket, and what broke it.

use axum::body::Bytes;
use axum::extract::ws::{Message as Frame, Utf8Bytes, WebSocket};
use tokio_tungstenite::tungstenite;

use crate::error::CaptureError;

/// A message with content.
pub(crate) enum Content {
    Text(Utf8Bytes),
    Binary(Bytes),
}

/// The next message; none when the other side is gone.
pub(crate) async fn next(socket: &mut WebSocket) -> Result<Option<Content>, CaptureError> {
    loop {
        match socket.recv().await {
            Some(Ok(Frame::Text(text))) => return Ok(Some(Content::Text(text))),
            Some(Ok(Frame::Binary(bytes))) => return Ok(Some(Content::Binary(bytes))),
            Some(Ok(Frame::Ping(_) | Frame::Pong(_))) => {}
            None | Some(Ok(Frame::Close(_))) => return Ok(None),
            Some(Err(error)) => return broken(error),
        }
    }
}

fn broken<T>(error: axum::Error) -> Result<Option<T>, CaptureError> {
    use tungstenite::error::{CapacityError, Error, ProtocolError};
    match error.into_inner().downcast_ref() {
        Some(&Error::Capacity(CapacityError::MessageTooLong { max_size, .. })) => {
            Err(CaptureError::TooLarge { what: "message", limit_bytes: max_size })
        }
        Some(Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)) => Ok(None),
        Some(Error::Protocol(_) | Error::Utf8(_)) => Err(CaptureError::NotWebSocket),
        _ => Ok(None),
    }
}
