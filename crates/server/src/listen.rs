//! Listening: one thread and one single-threaded runtime per core, all
//! accepting from the same sockets, so that a request stays on the core that
//! read it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;
use tower_service::Service as _;

/// How long a client may take to send a request's head.
const HEAD_PATIENCE: Duration = Duration::from_secs(15);
/// How long connections may take to finish once the server stops.
const DRAIN: Duration = Duration::from_secs(10);
/// How long to wait when the system has no more file descriptors to give.
const BACKOFF: Duration = Duration::from_millis(50);

/// A socket to accept from.
#[derive(Debug)]
pub enum Listener {
    /// TCP.
    Tcp(std::net::TcpListener),
    /// A Unix socket.
    Unix(std::os::unix::net::UnixListener),
}

/// The address a request came from; `None` over a Unix socket.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) Option<std::net::IpAddr>);

impl Listener {
    fn try_clone(&self) -> io::Result<Self> {
        match self {
            Self::Tcp(listener) => listener.try_clone().map(Self::Tcp),
            Self::Unix(listener) => listener.try_clone().map(Self::Unix),
        }
    }
}

/// Serves `app` until `stop` turns true and connections are drained. The first
/// worker runs `chore` beside it.
pub(crate) fn run<C>(
    app: &Router,
    listeners: &[Listener],
    workers: usize,
    stop: &watch::Receiver<bool>,
    chore: C,
) -> io::Result<()>
where
    C: Future<Output = ()> + Send + 'static,
{
    let mut chore = Some(chore);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..workers.max(1))
            .map(|number| {
                let mine = listeners.iter().map(Listener::try_clone).collect::<io::Result<Vec<_>>>()?;
                let (app, stop, chore) = (app.clone(), stop.clone(), chore.take());
                std::thread::Builder::new()
                    .name(format!("http-{number}"))
                    .spawn_scoped(scope, move || work(&app, mine, &stop, chore))
            })
            .collect::<io::Result<_>>()?;
        for thread in threads {
            thread.join().map_err(|_| io::Error::other("a worker thread panicked"))??;
        }
        Ok(())
    })
}

fn work(
    app: &Router,
    listeners: Vec<Listener>,
    stop: &watch::Receiver<bool>,
    chore: Option<impl Future<Output = ()> + Send + 'static>,
) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let chore = chore.map(tokio::spawn);
        let connections = Arc::new(GracefulShutdown::new());
        let mut accepting = tokio::task::JoinSet::new();
        for listener in listeners {
            accepting.spawn(accept(listener, app.clone(), Arc::clone(&connections), stop.clone()));
        }
        while let Some(done) = accepting.join_next().await {
            done.map_err(io::Error::other)??;
        }
        if let Some(chore) = chore {
            chore.await.map_err(io::Error::other)?;
        }
        let Some(connections) = Arc::into_inner(connections) else { return Ok(()) };
        if tokio::time::timeout(DRAIN, connections.shutdown()).await.is_err() {
            tracing::warn!("some connections did not finish in time and were cut");
        }
        Ok(())
    })
}

async fn accept(
    listener: Listener,
    app: Router,
    connections: Arc<GracefulShutdown>,
    mut stop: watch::Receiver<bool>,
) -> io::Result<()> {
    match listener {
        Listener::Tcp(listener) => {
            listener.set_nonblocking(true)?;
            let listener = TcpListener::from_std(listener)?;
            while let Some(accepted) = until(&mut stop, listener.accept()).await {
                match accepted {
                    Ok((stream, address)) => {
                        // Answers are small and must not wait for more.
                        if let Err(why) = stream.set_nodelay(true) {
                            tracing::debug!(%why, "the connection ended before it began");
                            continue;
                        }
                        serve(stream, Peer(Some(address.ip())), app.clone(), &connections);
                    }
                    Err(why) => rest(&why).await,
                }
            }
        }
        Listener::Unix(listener) => {
            listener.set_nonblocking(true)?;
            let listener = UnixListener::from_std(listener)?;
            while let Some(accepted) = until(&mut stop, listener.accept()).await {
                match accepted {
                    Ok((stream, _)) => serve(stream, Peer(None), app.clone(), &connections),
                    Err(why) => rest(&why).await,
                }
            }
        }
    }
    Ok(())
}

/// What `work` yields, or `None` once the server stops.
async fn until<T>(stop: &mut watch::Receiver<bool>, work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        _ = stop.wait_for(|stopped| *stopped) => None,
        done = work => Some(done),
    }
}

async fn rest(why: &io::Error) {
    tracing::warn!(%why, "a connection could not be accepted");
    tokio::time::sleep(BACKOFF).await;
}

fn serve<S>(stream: S, peer: Peer, app: Router, connections: &GracefulShutdown)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let mut request: Request = request.map(axum::body::Body::new);
        request.extensions_mut().insert(peer);
        app.clone().call(request)
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_PATIENCE)
        .serve_connection(TokioIo::new(stream), service);
    let connection = connections.watch(connection);
    tokio::spawn(async move {
        if let Err(why) = connection.await {
            tracing::debug!(%why, "a connection ended early");
        }
    });
}
