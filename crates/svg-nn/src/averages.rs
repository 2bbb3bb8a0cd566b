//! Averaged weights that are no whole network by themselves.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::StoredTensor;
use crate::networks::Candidate;
use crate::wrappers::{Standing, averaged_of, is_state};

/// Names under which averages lie, and where the names begin that they belong to.
struct Group {
    /// `state_dict.model_ema.`
    prefix: String,
    /// `state_dict.model.`: what stands before the name of a tensor whose average is in the group.
    from: String,
}

/// Adds the networks that averages make together with what they lack.
///
/// - LitEma (`model_ema.blocks0attnqkvweight`) holds parameters without the dots of their names.
/// - Some trainings keep averages of the parameters alone and no buffers, or of parts alone (`ema_decoder.`).
///
/// As the code that writes them does, the rest is taken from the network of the last step.
pub(crate) fn add(found: &mut Vec<Candidate>, tensors: &[StoredTensor], names: &[String]) {
    let index: HashMap<&str, usize> = names.iter().map(String::as_str).zip(0..).collect();
    let mut by_base: BTreeMap<(usize, String), Vec<Group>> = BTreeMap::new();
    for prefix in groups(names, found) {
        let of = |(i, base): (usize, &Candidate)| {
            let starts = starts(&prefix, base).into_iter();
            let starts = starts.filter(|from| is_average(names, tensors, &prefix, from));
            let counted = starts.map(|from| (count(&index, &prefix, &from, base), i, from));
            counted.max_by_key(|(count, ..)| *count)
        };
        let bases = found.iter().enumerate().filter(|(_, base)| is_base(base));
        let best = bases.filter_map(of).max_by_key(|(count, ..)| *count);
        if let Some((1.., base, from)) = best {
            // Averages of several parts are one network.
            let is_part = from.len() > found[base].root.len();
            let whose = if is_part {
                String::new()
            } else {
                prefix.clone()
            };
            by_base
                .entry((base, whose))
                .or_default()
                .push(Group { prefix, from });
        }
    }
    let mut made = Vec::new();
    for ((base, _), groups) in &by_base {
        let all = by_base.values().flatten();
        let averages: Vec<_> = all.map(|group| group.prefix.as_str()).collect();
        let base = &mut found[*base];
        // What is averaged belongs to no network around it.
        base.tensors
            .retain(|_, i| !averages.iter().any(|prefix| names[*i].starts_with(*prefix)));
        made.push(joined(base, groups, &index));
    }
    complete(found, tensors);
    found.extend(made);
}

fn is_base(base: &Candidate) -> bool {
    matches!(base.standing, Standing::Plain | Standing::Trained)
}

/// Prefixes that say that they hold averages, and hold no whole network.
fn groups(names: &[String], found: &[Candidate]) -> BTreeSet<String> {
    let averaged = |prefix: &&str| {
        let path = prefix.trim_end_matches('.');
        let last = path.rsplit('.').next().unwrap_or(path);
        Standing::of_part(last) == Standing::Averaged
            && Standing::of(path) == Standing::Averaged
            && !found.iter().any(|one| one.root.starts_with(*prefix))
    };
    let prefixes = names.iter().flat_map(|name| prefixes(name));
    let prefixes = prefixes.collect::<BTreeSet<_>>().into_iter();
    prefixes.filter(averaged).map(str::to_string).collect()
}

/// `a.b.c`: `a.` and `a.b.`
pub(crate) fn prefixes(name: &str) -> impl Iterator<Item = &str> {
    name.match_indices('.').map(|(dot, _)| &name[..=dot])
}

/// Where the names may begin that a group has averages of: anywhere before the network, or at what the group is
/// named after.
fn starts(group: &str, base: &Candidate) -> Vec<String> {
    let above = prefixes(&base.root).map(str::to_string);
    let mut starts: Vec<_> = [String::new()].into_iter().chain(above).collect();
    let path = group.trim_end_matches('.');
    let (parent, last) = match path.rsplit_once('.') {
        Some((parent, last)) => (format!("{parent}."), last),
        None => (String::new(), path),
    };
    starts.extend(averaged_of(last).map(|of| format!("{parent}{of}.")));
    starts
}

/// Whether everything in the group is the average of a tensor of the same shape whose name begins with `from`.
fn is_average(names: &[String], tensors: &[StoredTensor], group: &str, from: &str) -> bool {
    let all = || names.iter().zip(tensors);
    let others = all().filter(|(name, _)| !name.starts_with(group));
    let others = others.filter_map(|(name, tensor)| {
        let rest = name.strip_prefix(from)?;
        Some((rest.replace('.', ""), &tensor.shape))
    });
    let others: HashMap<_, _> = others.collect();
    let mut inside = all().filter_map(|(name, tensor)| Some((name.strip_prefix(group)?, tensor)));
    inside.all(|(rest, tensor)| {
        let counter = is_state(rest.split('.').next().unwrap_or(rest));
        counter || others.get(&rest.replace('.', "")) == Some(&&tensor.shape)
    })
}

/// How many tensors of the network have an average in the group.
fn count(index: &HashMap<&str, usize>, group: &str, from: &str, base: &Candidate) -> usize {
    let names = base.tensors.keys();
    let full = names.map(|name| format!("{}{name}", base.root));
    full.filter(|name| twin(index, group, from, name).is_some())
        .count()
}

/// The average in the group of the tensor of that whole name.
fn twin(index: &HashMap<&str, usize>, group: &str, from: &str, name: &str) -> Option<usize> {
    let rest = name.strip_prefix(from)?;
    let find = |rest: &str| index.get(format!("{group}{rest}").as_str()).copied();
    // LitEma takes the dots out, since names of buffers have none.
    find(rest).or_else(|| find(&rest.replace('.', "")))
}

fn joined(base: &Candidate, groups: &[Group], index: &HashMap<&str, usize>) -> Candidate {
    let mut made = base.clone();
    for (name, place) in &mut made.tensors {
        let full = format!("{}{name}", base.root);
        let mut twins = groups
            .iter()
            .filter_map(|group| twin(index, &group.prefix, &group.from, &full));
        match twins.next() {
            Some(average) => *place = average,
            None => {
                made.borrowed.insert(name.clone());
            }
        }
    }
    let keys = groups
        .iter()
        .map(|group| group.prefix.trim_end_matches('.'));
    made.key = keys.collect::<Vec<_>>().join("+");
    made.root = format!("{}.", made.key);
    made.standing = Standing::Averaged;
    made.lender = base.key.clone();
    made.is_joined = true;
    made
}

/// Gives averaged networks the buffers that they lack: tensors beside parameters that they have, from the only
/// network that they can be the average of.
fn complete(found: &mut [Candidate], tensors: &[StoredTensor]) {
    let bases = found.iter().filter(|one| is_base(one)).cloned();
    let bases: Vec<Candidate> = bases.collect();
    let averaged = found.iter_mut();
    for one in averaged.filter(|one| one.standing == Standing::Averaged) {
        let lenders = bases.iter().filter_map(|base| {
            let lacks = buffers(one, base, tensors)?;
            Some((base.key.clone(), lacks))
        });
        let mut lenders: Vec<_> = lenders.collect();
        if let (Some((key, lacks)), true) = (lenders.pop(), lenders.is_empty()) {
            one.lender = key;
            one.borrowed.extend(lacks.keys().cloned());
            one.tensors.extend(lacks);
        }
    }
}

/// What `one` lacks of `base`, if it is that one without some buffers.
fn buffers(
    one: &Candidate,
    base: &Candidate,
    tensors: &[StoredTensor],
) -> Option<BTreeMap<String, usize>> {
    let equal = |(name, i): (&String, &usize)| {
        let other = base.tensors.get(name);
        other.is_some_and(|other| tensors[*other].shape == tensors[*i].shape)
    };
    let lacks = base.tensors.iter();
    let lacks = lacks.filter(|(name, _)| !one.tensors.contains_key(*name));
    let lacks: BTreeMap<_, _> = lacks.map(|(name, i)| (name.clone(), *i)).collect();
    let beside = |name: &String| match name.rsplit_once('.') {
        // Where nothing stands before names, anything may stand beside the network.
        None => !base.root.is_empty(),
        Some((module, _)) => {
            let module = format!("{module}.");
            one.tensors.keys().any(|known| known.starts_with(&module))
        }
    };
    let fits = one.tensors.iter().all(equal) && lacks.keys().all(beside);
    (fits && !lacks.is_empty()).then_some(lacks)
}
