//! The nearest right name to a wrong one.

/// Below this likeness a suggestion would mislead more than it helps.
const LIKE: f64 = 0.75;

/// What a name in the same section is ahead of one elsewhere.
const NEIGHBOUR: f64 = 0.05;

/// The one of `right` that is most like `wrong`, both dotted paths. The last
/// parts are compared, so that a key in the wrong section is found in its own.
pub fn nearest<'a>(wrong: &str, right: &'a [String]) -> Option<&'a str> {
    let (wrong_section, wrong_key) = split(wrong);
    let score = |name: &String| {
        let (section, key) = split(name);
        let bonus = if section == wrong_section { NEIGHBOUR } else { 0.0 };
        strsim::jaro_winkler(wrong_key, key) + bonus
    };
    let scored = right.iter().map(|name| (score(name), name));
    let (best, name) = scored.max_by(|(a, _), (b, _)| a.total_cmp(b))?;
    (best >= LIKE).then_some(name)
}

/// A section, empty where there is none, and the name in it.
fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('.').unwrap_or(("", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_a_wrong_section_and_a_name_of_another_product_find_the_right_one() {
        let right = ["log", "log.level", "server", "server.listen", "server.workers", "storage.data_dir"];
        let right = right.map(str::to_owned);
        for (wrong, meant) in [
            ("log.levle", Some("log.level")),
            ("server.listn", Some("server.listen")),
            ("sever", Some("server")),
            ("data_dir", Some("storage.data_dir")),
            ("server.datadir", Some("storage.data_dir")),
            ("server.worker_threads", Some("server.workers")),
            ("log.zzz", None),
        ] {
            assert_eq!(nearest(wrong, &right), meant, "{wrong}");
        }
    }
}
