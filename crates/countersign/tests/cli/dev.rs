use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::harness::{Dev, countersign, ran, run, send};

#[test]
fn started_again_a_folder_has_the_same_keys_and_everything_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let first = Dev::start(folder.path());
    let check = first.check("web_search").exits(0).json()["check_id"].clone();
    let ready = first.ready().clone();
    let (code, rest) = first.stop("-INT");
    assert_eq!((code, rest), (Some(0), Vec::new()));

    let second = Dev::start(folder.path());
    for name in ["admin_key", "agent_key", "agent_id"] {
        assert_eq!(second.ready()[name], ready[name], "{name}");
    }
    let found = second.admin(&["-o", "json", "decision", "get", check.as_str().unwrap()]).exits(0).json();
    assert_eq!(found["tool"], "web_search");
    assert_eq!(second.stop("-TERM").0, Some(0));
}

#[test]
fn its_one_line_has_the_url_and_the_keys_and_the_keys_are_kept_private() {
    let folder = tempfile::tempdir().unwrap();
    let dev = Dev::start(folder.path());
    let names: BTreeSet<&str> = dev.ready().as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, BTreeSet::from(["admin_key", "agent_id", "agent_key", "url"]));
    let kept = folder.path().join("dev-keys.json");
    assert_eq!(kept.metadata().unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn an_address_that_others_can_reach_refused() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    for open in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
        run(["dev", "--listen", open, "--data", data.to_str().unwrap()]).refused(&[open, "countersign serve"]);
    }
    assert!(!data.exists());
}

#[test]
fn a_taken_port_is_said_with_a_free_one_and_the_command_to_use_it() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let data = folder.path().to_str().unwrap();
    let refused = run(["dev", "--json", "--listen", &address.to_string(), "--data", data])
        .refused(&[&format!("port {} of 127.0.0.1 is taken", address.port())]);
    let command = refused.err.split('`').nth(1).unwrap();
    let (_, free) = command.split_once(" dev --listen 127.0.0.1:").unwrap();
    let (free, rest) = free.split_once(' ').unwrap();
    assert_eq!(rest, format!("--data {data} --json"));
    assert!(refused.err.contains(&format!("port {free} is free")), "{refused:?}");
    let free: u16 = free.parse().unwrap();
    assert!(free > address.port() && free != 8081);
}

#[test]
fn a_folder_in_use_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let _running = Dev::start(folder.path());
    let data = folder.path().to_str().unwrap();
    run(["dev", "--listen", "127.0.0.1:0", "--data", data]).refused(&[data, "in use by another"]);
}

#[test]
fn a_unix_socket_is_served_beside_tcp_and_removed_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("s");
    let address = format!("unix:{}", socket.display());
    let dev = Dev::listening(&folder.path().join("data"), &[&address, "127.0.0.1:0"]);
    assert_eq!(dev.says("url"), address);
    let mut stream = UnixStream::connect(&socket).unwrap();
    stream.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(dev.stop("-INT").0, Some(0));
    assert!(!socket.exists());
}

#[test]
fn a_folder_of_an_organisation_that_dev_did_not_make_refused() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(Dev::start(folder.path()).stop("-INT").0, Some(0));
    std::fs::remove_file(folder.path().join("dev-keys.json")).unwrap();
    let data = folder.path().to_str().unwrap();
    run(["dev", "--listen", "127.0.0.1:0", "--data", data]).refused(&["did not make", "countersign serve"]);
}

#[test]
fn a_start_that_was_cut_short_is_finished_by_the_next_one() {
    let folder = tempfile::tempdir().unwrap();
    let kept = folder.path().join("dev-keys.json");
    assert_eq!(Dev::start(folder.path()).stop("-INT").0, Some(0));
    let mut keys: Value = serde_json::from_slice(&std::fs::read(&kept).unwrap()).unwrap();
    keys.as_object_mut().unwrap().remove("agent_key");
    std::fs::write(&kept, keys.to_string()).unwrap();
    let dev = Dev::start(folder.path());
    assert_eq!((&dev.ready()["admin_key"], &dev.ready()["agent_id"]), (&keys["admin_key"], &keys["agent_id"]));
    dev.check("web_search").exits(0);
}

#[test]
fn the_commands_of_its_banner_work_as_they_stand() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = countersign();
    command.args(["dev", "--listen", "127.0.0.1:0", "--data"]).arg(folder.path());
    let mut dev = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let lines = BufReader::new(dev.stdout.take().unwrap()).lines().map(Result::unwrap);
    let banner: Vec<String> = lines.take_while(|line| !line.contains("Ctrl-C")).collect();
    let commands: Vec<&String> = banner.iter().filter(|line| line.starts_with("COUNTERSIGN_URL=")).collect();
    let [allowed, denied, held, approve] = commands[..] else { panic!("{banner:?}") };
    let shell = |line: &str| ran(Command::new("sh").args(["-c", line]));

    shell(allowed).exits(0);
    let denied = shell(denied).exits(2);
    assert!(denied.out.contains("capability not registered"), "{denied:?}");
    let said = shell(held).exits(4).out;
    let approval = said.split_whitespace().find(|word| word.starts_with("appr_")).unwrap();
    shell(&approve.replace("APPROVAL_ID", approval)).exits(0);
    shell(held).exits(0);

    send("-INT", dev.id());
    assert_eq!(dev.wait().unwrap().code(), Some(0));
}

#[test]
fn a_database_that_is_not_ours_stops_the_start_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(Dev::start(folder.path()).stop("-INT").0, Some(0));
    std::fs::write(folder.path().join("countersign.db"), "not a database at all".repeat(1000)).unwrap();
    let data = folder.path().to_str().unwrap();
    run(["dev", "--listen", "127.0.0.1:0", "--data", data])
        .refused(&["not what Countersign wrote", &format!("countersign evidence verify {data}")]);
}

#[test]
fn the_demo_tool_server_is_registered_with_rules_for_its_tools() {
    let folder = tempfile::tempdir().unwrap();
    let dev = Dev::start(folder.path());
    let url = format!("{}/mcp/servers", dev.says("url"));
    let mut answer = ureq::get(url).header("X-API-Key", dev.says("admin_key")).call().unwrap();
    let servers: Value = answer.body_mut().read_json().unwrap();
    let server = &servers["servers"][0];
    assert_eq!(server["name"], "demo-tools");
    let rule = |tool: &str| server["tools"].as_array().unwrap().iter().find(|t| t["name"] == tool).unwrap();
    assert_eq!(rule("web_search")["effect_override"], "read");
    assert_eq!(rule("delete_file")["require_approval"], true);
}
