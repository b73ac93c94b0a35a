//! What Rego files name, checked as a whole: every function and every package there is,
//! nothing that reads itself, and no file that nobody reads.

use std::collections::{BTreeMap, BTreeSet};

use super::syntax::{Module, Node, Path};
use crate::fault::{Fault, did_you_mean};

/// The longest chain of rules that read each other. The interpreter recurses along it.
const MAX_CHAIN: usize = 32;

/// The functions there are. Not among those the interpreter has: what could make much
/// out of little (`numbers.range`, `bits.lsh`), and what tells about the machine.
const FUNCTIONS: [&str; 88] = [
    "abs",
    "array.concat",
    "array.reverse",
    "array.slice",
    "base64.decode",
    "base64.encode",
    "base64.is_valid",
    "base64url.decode",
    "base64url.encode",
    "base64url.encode_no_pad",
    "bits.and",
    "bits.negate",
    "bits.or",
    "bits.rsh",
    "bits.xor",
    "ceil",
    "concat",
    "contains",
    "count",
    "endswith",
    "floor",
    "format_int",
    "glob.match",
    "glob.quote_meta",
    "hex.decode",
    "hex.encode",
    "indexof",
    "indexof_n",
    "intersection",
    "is_array",
    "is_boolean",
    "is_null",
    "is_number",
    "is_object",
    "is_set",
    "is_string",
    "json.filter",
    "json.is_valid",
    "json.marshal",
    "json.marshal_with_options",
    "json.remove",
    "json.unmarshal",
    "lower",
    "max",
    "min",
    "object.filter",
    "object.get",
    "object.keys",
    "object.remove",
    "object.subset",
    "object.union",
    "object.union_n",
    "product",
    "regex.find_n",
    "regex.globs_match",
    "regex.is_valid",
    "regex.match",
    "regex.replace",
    "regex.split",
    "regex.template_match",
    "replace",
    "round",
    "sort",
    "split",
    "sprintf",
    "startswith",
    "strings.any_prefix_match",
    "strings.any_suffix_match",
    "strings.count",
    "strings.replace_n",
    "strings.reverse",
    "substring",
    "sum",
    "to_number",
    "trim",
    "trim_left",
    "trim_prefix",
    "trim_right",
    "trim_space",
    "trim_suffix",
    "type_name",
    "union",
    "units.parse",
    "units.parse_bytes",
    "upper",
    "urlquery.decode",
    "urlquery.encode",
    "walk",
];

/// What would make a decision depend on something else than the call and the policies.
const IMPURE: [&str; 8] = ["http.", "io.jwt.", "net.lookup_ip_addr", "opa.", "rand.", "rego.", "time.", "uuid."];

/// Everything that is wrong with `modules` together.
pub(crate) fn check(modules: &[Module<'_>]) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut read: BTreeSet<&[String]> = BTreeSet::new();
    for module in modules {
        for import in module.imports.values() {
            faults.extend(reference(modules, module, import, &mut read).err());
        }
        for node in &module.rules {
            faults.extend(node.calls.iter().filter_map(|call| function(modules, module, call, &mut read)));
            for name in &node.names {
                faults.extend(reference(modules, module, &full(module, name), &mut read).err());
            }
        }
    }
    for module in modules.iter().filter(|module| !module.decides() && !read.contains(&*module.package)) {
        let name = module.package.join(".");
        let help = format!("name it `package {}`, or read `data.{name}` in a file that is", super::syntax::PACKAGE);
        faults.push(module.fault(0, format!("no policy reads the package `{name}`")).with_help(Some(help)));
    }
    if faults.is_empty() {
        faults.extend(chains(modules));
    }
    faults
}

/// `path` with what its first part stands for.
pub(crate) fn full(module: &Module<'_>, path: &Path) -> Path {
    let Some((first, rest)) = path.parts.split_first() else { return path.clone() };
    match module.imports.get(first) {
        Some(import) => Path { parts: [&*import.parts, rest].concat(), ..path.clone() },
        None => path.clone(),
    }
}

/// Whether what `path` says of `data` is there. Adds the packages it names to `read`.
fn reference<'m>(
    modules: &'m [Module<'_>],
    module: &Module<'_>,
    path: &Path,
    read: &mut BTreeSet<&'m [String]>,
) -> Result<(), Fault> {
    let Some(("data", rest)) = path.parts.split_first().map(|(first, rest)| (first.as_str(), rest)) else {
        return Ok(());
    };
    let written = || format!("data.{}", rest.join("."));
    let packages: Vec<&[String]> =
        modules.iter().map(|other| &*other.package).filter(|package| rest.starts_with(package)).collect();
    if packages.is_empty() {
        let help =
            "there is no `data` beside the packages of the folder; a path into it must be written out".to_owned();
        let fault = module.fault(path.begin, format!("`{}` is in no package of these policies", written()));
        return Err(fault.with_help(Some(help)));
    }
    for package in packages {
        let own = package == module.package;
        if !own && package == [super::syntax::PACKAGE] {
            let message = format!("`{}`: each file of the package is judged by itself", written());
            return Err(module.fault(path.begin, message));
        }
        if let Some(name) = rest.get(package.len())
            && !rules(modules, package).any(|(_, node)| node.name == *name)
        {
            let names: Vec<&str> = rules(modules, package).map(|(_, node)| node.name.as_str()).collect();
            let fault = module.fault(path.begin, format!("the package `{}` has no rule `{name}`", package.join(".")));
            return Err(fault.with_help(did_you_mean(name, &names)));
        }
        if !own {
            read.insert(package);
        }
    }
    Ok(())
}

fn rules<'m>(modules: &'m [Module<'_>], package: &'m [String]) -> impl Iterator<Item = (usize, &'m Node)> {
    let of = modules.iter().enumerate().filter(move |(_, module)| module.package == package);
    of.flat_map(|(at, module)| module.rules.iter().map(move |node| (at, node)))
}

/// What is wrong with calling `call`.
fn function<'m>(
    modules: &'m [Module<'_>],
    module: &Module<'_>,
    call: &Path,
    read: &mut BTreeSet<&'m [String]>,
) -> Option<Fault> {
    let path = full(module, call);
    let written = path.parts.join(".");
    if path.parts.first().is_some_and(|first| first == "data") {
        return reference(modules, module, &path, read).err();
    }
    let is_ours = module.rules.iter().any(|node| node.name == written);
    if is_ours || FUNCTIONS.binary_search(&&*written).is_ok() {
        return None;
    }
    let (message, help) = if IMPURE.iter().any(|group| written.starts_with(group)) {
        let help = "a decision depends on the call and the policies alone; the time is in `input.time`";
        (format!("`{written}` is no function of policies"), Some(help.to_owned()))
    } else {
        (format!("`{written}` is no function that policies have"), did_you_mean(&written, &FUNCTIONS))
    };
    Some(module.fault(call.begin, message).with_help(help))
}

/// The first rule that reads itself, or the first of a chain that is too long.
fn chains(modules: &[Module<'_>]) -> Option<Fault> {
    let key = |module: &Module<'_>, name: &str| [module.package.join("."), name.to_owned()];
    let mut reads: BTreeMap<[String; 2], BTreeSet<[String; 2]>> = BTreeMap::new();
    for module in modules {
        for node in &module.rules {
            let found = reads.entry(key(module, &node.name)).or_default();
            for path in node.names.iter().chain(&node.calls).map(|path| full(module, path)) {
                found.extend(targets(modules, module, &path).map(|(other, name)| key(other, name)));
            }
        }
    }
    let mut depths = BTreeMap::new();
    for module in modules {
        for node in &module.rules {
            let mut open = Vec::new();
            let message = match depth(&reads, &key(module, &node.name), &mut open, &mut depths) {
                None => format!("`{}` reads itself", node.name),
                Some(depth) if depth > MAX_CHAIN => {
                    format!("`{}` is a chain of {depth} rules that read each other: at most {MAX_CHAIN}", node.name)
                }
                Some(_) => continue,
            };
            return Some(module.fault(node.begin, message));
        }
    }
    None
}

/// The rules that `path` names.
fn targets<'m>(
    modules: &'m [Module<'_>],
    module: &'m Module<'_>,
    path: &Path,
) -> impl Iterator<Item = (&'m Module<'m>, &'m str)> {
    let parts = path.parts.clone();
    modules.iter().flat_map(move |other| {
        let own = other.package == module.package && other.source.file == module.source.file;
        let below = match parts.split_first() {
            Some((first, rest)) if first == "data" && rest.starts_with(&other.package) => {
                Some(rest.get(other.package.len()).cloned())
            }
            Some((first, _)) if own || other.package == module.package => Some(Some(first.clone())),
            _ => None,
        };
        let named = other.rules.iter().filter(move |node| match &below {
            None => false,
            Some(None) => true,
            Some(Some(name)) => node.name == *name,
        });
        named.map(move |node| (other, node.name.as_str()))
    })
}

/// How long the chain is that begins with `rule`; `None` where it reads itself.
fn depth(
    reads: &BTreeMap<[String; 2], BTreeSet<[String; 2]>>,
    rule: &[String; 2],
    open: &mut Vec<[String; 2]>,
    known: &mut BTreeMap<[String; 2], usize>,
) -> Option<usize> {
    if let Some(depth) = known.get(rule) {
        return Some(*depth);
    }
    if open.contains(rule) {
        return None;
    }
    // What is deeper than this is refused: there is no need to follow it.
    if open.len() > MAX_CHAIN {
        return Some(MAX_CHAIN + 1);
    }
    open.push(rule.clone());
    let mut deepest = 0;
    for next in reads.get(rule).into_iter().flatten() {
        deepest = deepest.max(depth(reads, next, open, known)?);
    }
    open.pop();
    known.insert(rule.clone(), deepest + 1);
    Some(deepest + 1)
}
