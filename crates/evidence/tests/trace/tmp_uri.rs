#[test]
fn tmp() {
    let v: Vec<(String, bool)> = serde_json::from_slice(&std::fs::read("/tmp/uris.json").unwrap()).unwrap();
    let mut n = 0;
    for (s, ok) in &v {
        let ours = countersign_evidence::trace::record::Uri::parse(s).is_ok();
        if ours != *ok { n += 1; if n < 40 { eprintln!("{s:?} python {ok} ours {ours}"); } }
    }
    eprintln!("{n} differ of {}", v.len());
}
