//! A server on this machine that says what a test wants, byte by byte.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::Value;

/// One request, as it came.
#[derive(Debug, Clone)]
pub struct Request {
    pub line: String,
    headers: Vec<(String, String)>,
    pub body: String,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// What each API calls the system text; empty where there is none.
    pub fn system(&self) -> String {
        let body = self.json();
        let text = body["system"].as_str().or(body["messages"][0]["content"].as_str());
        text.filter(|_| body.get("nonce").is_none()).unwrap_or_default().to_owned()
    }

    /// What each API has as the user's message.
    pub fn user(&self) -> String {
        let messages = self.json()["messages"].as_array().cloned().unwrap_or_default();
        messages.last().unwrap()["content"].as_str().unwrap().to_owned()
    }

    /// The nonce, where a reviewer finds it.
    pub fn nonce(&self) -> String {
        let body = self.json();
        match body["nonce"].as_str() {
            Some(nonce) => nonce.to_owned(),
            None => self.system().rsplit("The nonce is: ").next().unwrap().to_owned(),
        }
    }
}

/// A server that is asked and answers as its script says.
pub struct Stub {
    pub url: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Stub {
    /// Answers every request with what `script` writes; then the connection ends.
    pub fn new(script: impl Fn(&Request, &mut TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (seen, script) = (Arc::clone(&requests), Arc::new(script));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (mut stream, seen, script) = (stream.unwrap(), Arc::clone(&seen), Arc::clone(&script));
                std::thread::spawn(move || {
                    if let Some(request) = receive(&stream) {
                        seen.lock().unwrap().push(request.clone());
                        script(&request, &mut stream);
                    }
                });
            }
        });
        Self { url, requests }
    }

    /// Answers every request with a 200 and the JSON that `answer` makes.
    pub fn answering(answer: impl Fn(&Request) -> Value + Send + Sync + 'static) -> Self {
        Self::new(move |request, stream| send(stream, "200 OK", "", &answer(request).to_string()))
    }

    /// Answers every request with this status, these header lines and this body.
    pub fn refusing(status: &'static str, headers: &'static str, body: &'static str) -> Self {
        Self::new(move |_, stream| send(stream, status, headers, body))
    }

    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

/// Writes a whole response. A client that is gone is no fault.
pub fn send(stream: &mut TcpStream, status: &str, headers: &str, body: &str) {
    let length = body.len();
    let _ = write!(stream, "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n{headers}\r\n{body}");
}

fn receive(stream: &TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        if line == "\r\n" {
            break;
        }
        lines.push(line.trim_end().to_owned());
    }
    let headers: Vec<(String, String)> =
        lines.iter().skip(1).filter_map(|l| l.split_once(": ")).map(|(k, v)| (k.into(), v.into())).collect();
    let mut request = Request { line: lines.first()?.clone(), headers, body: String::new() };
    let length = request.header("content-length").map_or(0, |text| text.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    request.body = String::from_utf8(body).unwrap();
    Some(request)
}
