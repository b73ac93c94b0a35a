//! What changed from one set's texts to another's.

use std::collections::BTreeMap;

use crate::fault::Fault;
use crate::texts::{Files, Texts};

/// What the later texts have otherwise than the earlier ones. Policies are in the order of their ids.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Difference {
    /// Policies that only the later texts have: id and text.
    pub added: Vec<(String, String)>,
    /// Policies that only the earlier texts have: id and text.
    pub removed: Vec<(String, String)>,
    /// Policies whose texts differ: id, the earlier text, the later one.
    pub changed: Vec<(String, String, String)>,
    /// The files about tools that were added, removed or changed.
    pub tools: Vec<String>,
}

impl Difference {
    /// What changed from `before` to `after`. The error is what is wrong with either.
    pub fn between(before: &Texts, after: &Texts) -> Result<Self, Vec<Fault>> {
        let (earlier, later) = (by_id(before)?, by_id(after)?);
        let mut found = Self { tools: differing(&before.tools, &after.tools), ..Self::default() };
        for (id, text) in &later {
            match earlier.get(id) {
                None => found.added.push((id.clone(), text.clone())),
                Some(was) if was != text => found.changed.push((id.clone(), was.clone(), text.clone())),
                Some(_) => {}
            }
        }
        found.removed = earlier.into_iter().filter(|(id, _)| !later.contains_key(id)).collect();
        Ok(found)
    }
}

fn by_id(texts: &Texts) -> Result<BTreeMap<String, String>, Vec<Fault>> {
    let set = texts.load()?;
    Ok(set.policies().iter().map(|policy| (policy.id.clone(), policy.text.clone())).collect())
}

/// The names of the files that are not the same in both.
fn differing(before: &Files, after: &Files) -> Vec<String> {
    let mut names: Vec<&String> = before.keys().chain(after.keys()).collect();
    names.sort_unstable();
    names.dedup();
    names.into_iter().filter(|name| before.get(*name) != after.get(*name)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(policies: &str, tools: &[(&str, &str)]) -> Texts {
        let tools = tools.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        Texts { policies: Files::from([("a.cedar".to_owned(), policies.to_owned())]), tools, ..Texts::default() }
    }

    #[test]
    fn policies_are_told_apart_by_id_and_files_about_tools_by_name() {
        let none = "{\"tools\": []}";
        let rest = "(principal, action, resource);";
        let before = format!("@id(\"a\") permit {rest} @id(\"b\") permit {rest} @id(\"c\") permit {rest}");
        let after = format!("// moved\n@id(\"c\") permit {rest} @id(\"b\") forbid {rest} @id(\"d\") permit {rest}");
        let before = texts(&before, &[("mail.json", none), ("pay.json", none)]);
        let after = texts(&after, &[("pay.json", none), ("web.json", none)]);
        let found = Difference::between(&before, &after).unwrap();
        let text = |id: &str, word: &str| format!("@id(\"{id}\") {word} {rest}");
        assert_eq!(found.added, [("d".to_owned(), text("d", "permit"))]);
        assert_eq!(found.removed, [("a".to_owned(), text("a", "permit"))]);
        assert_eq!(found.changed, [("b".to_owned(), text("b", "permit"), text("b", "forbid"))]);
        assert_eq!(found.tools, ["mail.json", "web.json"]);
        assert_eq!(Difference::between(&before, &before).unwrap(), Difference::default());
        assert!(Difference::between(&before, &texts("permit;", &[])).is_err());
    }
}
