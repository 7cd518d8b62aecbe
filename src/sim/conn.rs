//! Connections that can be cut in the middle of an answer, and a listener that takes loopback only; it must never look at what is sent.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::task::{Context, Poll};

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

/// How many more bytes may go out on a connection; negative = any number.
#[derive(Debug, Clone)]
pub struct Cut(Arc<AtomicI64>);

impl Cut {
    fn new() -> Self {
        Self(Arc::new(AtomicI64::new(-1)))
    }

    /// Resets the connection after so many more bytes.
    pub fn after(&self, bytes: i64) {
        self.0.store(bytes.max(0), Ordering::SeqCst);
    }
}

/// The listener.
pub struct CutListener(pub TcpListener);

/// One connection.
pub struct CutStream {
    stream: TcpStream,
    cut: Cut,
}

impl Listener for CutListener {
    type Io = CutStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            match self.0.accept().await {
                Ok((stream, peer)) => {
                    // Latency only; an error means that the peer has gone already.
                    let _ = stream.set_nodelay(true);
                    return (
                        CutStream {
                            stream,
                            cut: Cut::new(),
                        },
                        peer,
                    );
                }
                // Out of files or a peer that left: there is nothing to do but to go on a little later.
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(20)).await,
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.0.local_addr()
    }
}

impl Connected<IncomingStream<'_, CutListener>> for Cut {
    fn connect_info(stream: IncomingStream<'_, CutListener>) -> Self {
        stream.io().cut.clone()
    }
}

impl AsyncRead for CutStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for CutStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let left = self.cut.0.load(Ordering::SeqCst);
        let Ok(room) = usize::try_from(left) else {
            return Pin::new(&mut self.stream).poll_write(cx, buf);
        };
        if room == 0 {
            // With no linger, closing sends a reset instead of an orderly end.
            let _ = self.stream.set_zero_linger();
            return Poll::Ready(Err(io::Error::from(io::ErrorKind::ConnectionReset)));
        }
        let some = &buf[..room.min(buf.len())];
        let written = Pin::new(&mut self.stream).poll_write(cx, some);
        if let Poll::Ready(Ok(count)) = &written {
            let count = i64::try_from(*count).unwrap_or(i64::MAX);
            self.cut.0.store((left - count).max(0), Ordering::SeqCst);
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
