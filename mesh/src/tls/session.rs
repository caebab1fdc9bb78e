//! The TLS state of one connection: opens what comes, and seals what goes when the socket takes it.

use std::io::{self, BufRead, IoSlice, Write};
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{CertificateError, ClientConfig, ClientConnection, Connection, ServerConfig, ServerConnection};
use tokio::net::tcp::OwnedWriteHalf;

/// The most plain text that is sealed before the socket takes it, in bytes.
const SEALED_BYTES: usize = 64 * 1024;

/// One connection's keys, and what is sealed for it and not sent yet.
pub(crate) struct Session {
    tls: Connection,
    /// How much of what waits, from its front on, is sealed and not yet sent in whole.
    sealed: usize,
}

impl Session {
    /// Of a connection that was accepted.
    pub(crate) fn accepted(server: Arc<ServerConfig>) -> io::Result<Self> {
        let tls = ServerConnection::new(server).map_err(io::Error::other)?;
        Ok(Self::new(tls.into()))
    }

    /// Of a connection that was dialled: `host`, a name or an IP address, is whom the certificate must be of.
    pub(crate) fn dialled(client: Arc<ClientConfig>, host: &str) -> io::Result<Self> {
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        let tls = ClientConnection::new(client, name).map_err(io::Error::other)?;
        Ok(Self::new(tls.into()))
    }

    fn new(mut tls: Connection) -> Self {
        tls.set_buffer_limit(Some(SEALED_BYTES));
        Self { tls, sealed: 0 }
    }

    /// Whether nothing can be said yet.
    pub(crate) fn is_handshaking(&self) -> bool {
        self.tls.is_handshaking()
    }

    /// How much of what waits, from its front on, was given away already: it has to be sent, and nothing else before it.
    pub(crate) fn sealed(&self) -> usize {
        self.sealed
    }

    /// Opens what came, and adds it to `plain`. True if the other side says no more.
    ///
    /// # Errors
    /// Where the other side does not keep to TLS, or is not believed. An alert for it is then to be [sent](Self::send).
    pub(crate) fn open(&mut self, mut came: &[u8], plain: &mut Vec<u8>) -> io::Result<bool> {
        while !came.is_empty() {
            self.tls.read_tls(&mut came)?;
            let state = self.tls.process_new_packets().map_err(explained)?;
            self.take_opened(state.plaintext_bytes_to_read(), plain)?;
            if state.peer_has_closed() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn take_opened(&mut self, mut left: usize, plain: &mut Vec<u8>) -> io::Result<()> {
        let mut reader = self.tls.reader();
        while left > 0 {
            let some = reader.fill_buf()?;
            plain.extend_from_slice(some);
            left -= some.len();
            let count = some.len();
            reader.consume(count);
        }
        Ok(())
    }

    /// Seals some of `slices`, which begin with what was not taken the last time, and sends it. How many bytes have left.
    ///
    /// # Errors
    /// `WouldBlock` where the socket does not take all of what is sealed: the same is then to be given again.
    pub(crate) fn write(&mut self, slices: &[IoSlice<'_>], socket: &OwnedWriteHalf) -> io::Result<usize> {
        self.send(socket)?;
        if self.sealed == 0 {
            self.sealed = self.tls.writer().write_vectored(slices)?;
            self.send(socket)?;
        }
        Ok(std::mem::take(&mut self.sealed))
    }

    /// Sends what is sealed, and what the handshake wants to say.
    ///
    /// # Errors
    /// `WouldBlock` where the socket does not take all of it.
    pub(crate) fn send(&mut self, socket: &OwnedWriteHalf) -> io::Result<()> {
        while self.tls.wants_write() {
            if self.tls.write_tls(&mut Sealed(socket))? == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
        }
        Ok(())
    }

    /// Says that nothing more comes, once.
    pub(crate) fn end(&mut self) {
        self.tls.send_close_notify();
    }
}

/// The socket, for what is sealed.
struct Sealed<'a>(&'a OwnedWriteHalf);

impl Write for Sealed<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An error of TLS, with what to do about it where that is known.
fn explained(error: rustls::Error) -> io::Error {
    let advice = match &error {
        // A bad signature: an authority of the same name has another key.
        rustls::Error::InvalidCertificate(
            CertificateError::UnknownIssuer | CertificateError::BadSignature,
        ) => "; it is signed by none of those in TlsCaFile",
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => "; it has to be valid for the host by which it is dialled",
        rustls::Error::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        ) => "; it has to be renewed, unless a clock is wrong",
        _ => "",
    };
    io::Error::new(io::ErrorKind::InvalidData, format!("TLS: {error}{advice}"))
}
