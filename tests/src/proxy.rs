//! A line between a host and a server that can be cut, or fall silent.

use anyhow::Context;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
    task::AbortHandle,
};

use crate::host::free_port;

/// How a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    /// It carries what comes.
    Open,
    /// It breaks what it carried, and takes nothing new.
    Cut,
    /// It takes what comes, and nothing of it arrives.
    Silent,
}

/// A port that leads to another. Gone when dropped.
pub struct Proxy {
    /// On loopback.
    pub port: u16,
    line: watch::Sender<Line>,
    task: AbortHandle,
}

impl Proxy {
    /// To `port` on loopback.
    pub async fn to(port: u16) -> anyhow::Result<Self> {
        let here = free_port()?;
        let listener = TcpListener::bind(("127.0.0.1", here)).await.context("a proxy's port")?;
        let (line, state) = watch::channel(Line::Open);
        let accept = async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, port, state.clone()));
            }
        };
        let task = tokio::spawn(accept).abort_handle();
        Ok(Self { port: here, line, task })
    }

    /// From now on.
    pub fn be(&self, line: Line) {
        self.line.send_replace(line);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
        self.line.send_replace(Line::Cut);
    }
}

/// What a connection carried before the line fell silent is lost with it, as with a router that forgot it.
async fn carry(mut client: TcpStream, port: u16, mut line: watch::Receiver<Line>) {
    let now = *line.borrow_and_update();
    match now {
        Line::Cut => return,
        Line::Silent => {}
        Line::Open => {
            let Ok(mut server) = TcpStream::connect(("127.0.0.1", port)).await else { return };
            tokio::select! {
                _ = copy_bidirectional(&mut client, &mut server) => return,
                _ = line.wait_for(|line| *line != Line::Open) => {}
            }
            if *line.borrow() == Line::Cut {
                return;
            }
        }
    }
    let _ = line.wait_for(|line| *line != Line::Silent).await;
}
