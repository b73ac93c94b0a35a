use std::net::TcpListener;
use std::path::Path;

use crate::harness::{Dev, Ran, run};

fn verdict(ran: &Ran, what: &str) -> String {
    let found = ran.json();
    let look = found["checks"].as_array().unwrap().iter().find(|look| look["what"] == what);
    look.unwrap_or_else(|| panic!("nobody looked at the {what}: {found}"))["verdict"].as_str().unwrap().to_owned()
}

fn path(dir: &Path) -> &str {
    dir.to_str().unwrap()
}

#[test]
fn a_healthy_server_and_its_folder_pass() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let dev = Dev::start(&data);
    // A configuration names the server, unless the command line does.
    let config = folder.path().join("c.toml");
    let listens = dev.says("url").trim_start_matches("http://");
    std::fs::write(&config, format!("[server]\nlisten = ['{listens}']\n[storage]\ndata_dir = '{}'\n", path(&data)))
        .unwrap();
    let said = run(["doctor", "--config", path(&config)]).exits(0).out;
    assert!(said.contains(dev.says("url")), "{said}");
    let looked = dev.admin(&["-o", "json", "doctor", "--data", path(&data)]).exits(0);
    for what in ["server", "key", "clock", "data directory", "seal key", "disk"] {
        assert_eq!(verdict(&looked, what), "ok", "{looked:?}");
    }
}

#[test]
fn what_is_wrong_fails_and_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    std::fs::write(folder.path().join("seal.key"), [0; 31]).unwrap();
    let config = folder.path().join("c.toml");
    std::fs::write(&config, "[sever]\n").unwrap();
    let url = format!("http://{free}");
    let looked = run(["--url", &url, "-o", "json", "doctor", "--data", path(folder.path()), "--config", path(&config)]);
    let looked = looked.exits(2);
    for what in ["server", "seal key", "configuration"] {
        assert_eq!(verdict(&looked, what), "fail", "{looked:?}");
    }
    assert_eq!(verdict(&looked, "disk"), "ok");
    let said = run(["--url", &url, "doctor"]).exits(2).out;
    assert!(said.contains("countersign dev"), "{said}");
}
