//! The addresses a server listens on: reading them, and taking them.

use std::fmt;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use countersign_server::Listener;

/// A base URL with this port makes published Python and TypeScript clients
/// send checks and telemetry to other ports than their own.
const SPLIT_PORT: u16 = 8081;

/// An address to listen on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// TCP; port 0 takes a free one.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

/// The text is not an address to listen on.
#[derive(Debug, Clone, thiserror::Error)]
#[error("`{0}` is not an address to listen on: expected IP:PORT such as `127.0.0.1:8080`, or `unix:PATH`")]
pub struct InvalidAddress(String);

impl FromStr for Address {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let invalid = || InvalidAddress(text.to_owned());
        if let Some(path) = text.strip_prefix("unix:") {
            return if path.is_empty() { Err(invalid()) } else { Ok(Self::Unix(path.into())) };
        }
        if let Some(port) = text.strip_prefix("localhost:") {
            let port = port.parse().map_err(|_| invalid())?;
            return Ok(Self::Tcp((Ipv4Addr::LOCALHOST, port).into()));
        }
        text.parse().map(Self::Tcp).map_err(|_| invalid())
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl Address {
    /// Whether only this machine can reach it.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().to_canonical().is_loopback(),
            Self::Unix(_) => true,
        }
    }

    /// Whether published clients take its port for something else.
    pub fn is_split_port(&self) -> bool {
        matches!(self, Self::Tcp(address) if address.port() == SPLIT_PORT)
    }
}

/// Why an address could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another program listens there.
    #[error("port {} of {} is taken by another program", .address.port(), .address.ip())]
    Taken {
        /// The address.
        address: SocketAddr,
        /// The same with the next port that is free, if one is.
        free: Option<SocketAddr>,
    },
    /// A server listens on the socket.
    #[error("another server listens on `unix:{}`; stop it, or choose another path", .0.display())]
    Alive(PathBuf),
    /// The path is something else than a socket.
    #[error("`{}` exists and is not a socket; choose another path", .0.display())]
    NotASocket(PathBuf),
    /// The system said no.
    #[error("cannot listen on `{address}`: {why}")]
    System {
        /// The address.
        address: Address,
        /// What it said.
        why: std::io::Error,
    },
}

/// Addresses that were taken. Dropping it removes the Unix sockets.
#[derive(Debug, Default)]
pub struct Bound {
    /// The sockets, for the server to accept from.
    pub listeners: Vec<Listener>,
    /// What clients call the addresses: URLs, and `unix:PATH`.
    pub urls: Vec<String>,
    sockets: Vec<PathBuf>,
}

impl Drop for Bound {
    fn drop(&mut self) {
        for path in &self.sockets {
            // What is gone already is removed.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Takes every address, or none.
pub fn bind(addresses: &[Address]) -> Result<Bound, BindError> {
    let mut bound = Bound::default();
    for address in addresses {
        match address {
            Address::Tcp(tcp) => {
                let system = |why| BindError::System { address: address.clone(), why };
                let listener = TcpListener::bind(tcp).map_err(|why| match why.kind() {
                    ErrorKind::AddrInUse => BindError::Taken { address: *tcp, free: next_free(*tcp) },
                    _ => system(why),
                })?;
                bound.urls.push(format!("http://{}", listener.local_addr().map_err(system)?));
                bound.listeners.push(Listener::Tcp(listener));
            }
            Address::Unix(path) => {
                remove_stale(path)?;
                let system = |why| BindError::System { address: address.clone(), why };
                bound.listeners.push(Listener::Unix(UnixListener::bind(path).map_err(system)?));
                bound.sockets.push(path.clone());
                bound.urls.push(address.to_string());
            }
        }
    }
    Ok(bound)
}

/// Removes the socket of a server that did not stop cleanly.
fn remove_stale(path: &Path) -> Result<(), BindError> {
    let Ok(found) = path.symlink_metadata() else { return Ok(()) };
    if !found.file_type().is_socket() {
        return Err(BindError::NotASocket(path.to_owned()));
    }
    match UnixStream::connect(path) {
        Err(why) if why.kind() == ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path).map_err(|why| BindError::System { address: Address::Unix(path.to_owned()), why })
        }
        _ => Err(BindError::Alive(path.to_owned())),
    }
}

/// The next port after `taken` that is free now.
fn next_free(taken: SocketAddr) -> Option<SocketAddr> {
    (taken.port().checked_add(1)?..=u16::MAX)
        .filter(|port| *port != SPLIT_PORT)
        .map(|port| SocketAddr::new(taken.ip(), port))
        .find(|address| TcpListener::bind(address).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_and_unix_sockets_are_local() {
        for local in ["127.0.0.1:1", "127.8.0.1:1", "[::1]:1", "[::ffff:127.0.0.1]:1", "localhost:1", "unix:x"] {
            assert!(local.parse::<Address>().unwrap().is_local(), "{local}");
        }
        for open in ["0.0.0.0:1", "[::]:1", "10.0.0.1:1", "[::ffff:10.0.0.1]:1"] {
            assert!(!open.parse::<Address>().unwrap().is_local(), "{open}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for wrong in ["", "8080", "127.0.0.1", "example.com:80", "unix:", "127.0.0.1:70000", "localhost:x"] {
            assert!(wrong.parse::<Address>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_next_free_port_is_never_the_one_that_clients_take_for_another() {
        let free = next_free((Ipv4Addr::LOCALHOST, SPLIT_PORT - 1).into()).unwrap();
        assert!(free.port() > SPLIT_PORT);
    }

    #[test]
    fn a_stale_socket_is_replaced_and_a_live_one_or_another_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let address = [Address::Unix(path.clone())];
        drop(UnixListener::bind(&path).unwrap());
        let live = bind(&address).unwrap();
        assert!(matches!(bind(&address), Err(BindError::Alive(_))));
        drop(live);
        assert!(!path.exists());
        std::fs::write(&path, "x").unwrap();
        assert!(matches!(bind(&address), Err(BindError::NotASocket(_))));
        assert_eq!(std::fs::read(&path).unwrap(), b"x");
    }
}
