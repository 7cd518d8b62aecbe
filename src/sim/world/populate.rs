//! Makes the generated accounts and tasks of a scenario; every choice is a hash of seed, population and number, so that adding one population changes no other.

use super::super::draw;
use super::super::scenario::{OPERATORS, Pick, PopTask, PopulationSpec, ScenarioError, UserSpec};
use super::{Owner, Status, Task, World};

const FIRST: [&str; 24] = [
    "Anna", "Ben", "Clara", "David", "Elif", "Frank", "Greta", "Hugo", "Ines", "Jonas", "Kemal",
    "Lena", "Milan", "Nora", "Oskar", "Petra", "Quirin", "Rosa", "Simon", "Tara", "Ulf", "Vera",
    "Wanda", "Yusuf",
];
const LAST: [&str; 20] = [
    "Arndt", "Brandt", "Conrad", "Dietz", "Engel", "Fuchs", "Graf", "Haas", "Iwanow", "Jung",
    "Keller", "Lorenz", "Maier", "Neumann", "Otto", "Peters", "Roth", "Seidel", "Thoma", "Winter",
];

/// A task before it has a key.
pub struct Draft {
    /// Stands for the key in draws.
    pub number: u64,
    /// Its reason is given, even if it is empty.
    pub silent: bool,
    /// The task.
    pub task: Task,
}

struct Place {
    population: u64,
    number: u64,
    account: usize,
    target: usize,
    age: i64,
    owner: Owner,
}

impl World {
    pub(super) fn populate(
        &mut self,
        population: usize,
        spec: &PopulationSpec,
        drafts: &mut Vec<Draft>,
    ) -> Result<(), ScenarioError> {
        let targets = self.targets_like(&spec.target)?;
        let mut owners = Vec::new();
        for owner in &spec.owner {
            owners.push(self.owner(owner)?);
        }
        if owners.is_empty() {
            owners.push(self.owner(&format!("role:{OPERATORS}"))?);
        }
        if let Some(manager) = &spec.manager {
            self.user_index(manager)?;
        }
        let population = u64::try_from(population).unwrap_or(0);
        for number in 0..spec.accounts {
            let place_number = u64::from(number);
            let user = self.generated_user(spec, spec.first.saturating_add(number))?;
            let at = |len: usize| usize::try_from(number).unwrap_or(0) % len.max(1);
            let target = targets[at(targets.len())];
            let account = self.account(target, user);
            let jitter = draw::hash(self.seed, &[10, population, place_number]);
            let spread = u64::try_from(spec.spread.0.max(1)).unwrap_or(1);
            let age = spec.age.0 + i64::try_from(jitter % spread).unwrap_or(0);
            let place = Place {
                population,
                number: place_number,
                account,
                target,
                age,
                owner: owners[at(owners.len())],
            };
            self.tasks_of(&place, spec, drafts)?;
        }
        Ok(())
    }

    fn targets_like(&self, name: &str) -> Result<Vec<usize>, ScenarioError> {
        let copies: Vec<usize> = self
            .targets
            .iter()
            .enumerate()
            .filter(|(_, target)| {
                target
                    .spec
                    .name
                    .strip_prefix(name)
                    .is_some_and(|rest| target.spec.copies > 0 && rest.starts_with('-'))
            })
            .map(|(index, _)| index)
            .collect();
        if copies.is_empty() {
            return self.target_index(name).map(|index| vec![index]);
        }
        Ok(copies)
    }

    fn generated_user(
        &mut self,
        spec: &PopulationSpec,
        number: u32,
    ) -> Result<usize, ScenarioError> {
        let login = format!("{}{number:04}", spec.prefix);
        if let Ok(user) = self.user_index(&login) {
            return Ok(user);
        }
        let choice = draw::hash(self.seed, &[11, draw::text(&login)]);
        self.add_user(&UserSpec {
            login,
            first: FIRST[draw::index(choice, FIRST.len())].to_owned(),
            last: LAST[draw::index(choice >> 20, LAST.len())].to_owned(),
            status: spec.status.clone(),
            manager: spec.manager.clone(),
            ..UserSpec::default()
        })
    }

    fn tasks_of(
        &mut self,
        place: &Place,
        spec: &PopulationSpec,
        drafts: &mut Vec<Draft>,
    ) -> Result<(), ScenarioError> {
        let chance = |of: u64| {
            draw::share(draw::hash(
                self.seed,
                &[12, place.population, place.number, of],
            ))
        };
        let chosen: Vec<(u64, &PopTask)> = match spec.pick {
            Pick::All => (0u64..)
                .zip(&spec.task)
                .filter(|(of, task)| task.share >= 1.0 || chance(*of) < task.share)
                .collect(),
            Pick::One => {
                let total: f64 = spec.task.iter().map(|task| task.share).sum();
                let mut left = chance(0) * total;
                (0u64..)
                    .zip(&spec.task)
                    .find(|(_, task)| {
                        left -= task.share;
                        left < 0.0
                    })
                    .into_iter()
                    .collect()
            }
        };
        let mut step: i64 = 0;
        for (of, task) in chosen {
            let owner = match &task.owner {
                Some(owner) => self.owner(owner)?,
                None => place.owner,
            };
            let definition = self.definition(place.target, &task.task, task.kind, task.manual);
            for copy in 0..u64::from(task.repeat.max(1)) {
                let age = task.age.map_or(place.age, |age| age.0);
                let mut made = self.blank(
                    place.account,
                    definition,
                    owner,
                    self.start - age + step * 1_000,
                );
                step += 1;
                made.status = task.status.unwrap_or(if task.failure.is_some() {
                    Status::R
                } else {
                    Status::P
                });
                if made.status == Status::R {
                    made.data = Box::from("ERROR");
                }
                made.failure = task.failure;
                made.heals_after = task.heals_after;
                self.item_of(&mut made, copy, place.number);
                drafts.push(Draft {
                    number: draw::hash(0, &[place.population, place.number, of, copy]),
                    silent: false,
                    task: made,
                });
            }
        }
        for (of, done) in (100u64..).zip(&spec.done) {
            let definition = self.definition(place.target, &done.task, None, false);
            let mut made = self.blank(
                place.account,
                definition,
                place.owner,
                self.start - done.age.0,
            );
            made.status = Status::C;
            made.data = Box::from("SUCCESS");
            drafts.push(Draft {
                number: draw::hash(0, &[place.population, place.number, of]),
                silent: true,
                task: made,
            });
        }
        Ok(())
    }

    /// Child row or value of a generated task.
    fn item_of(&self, task: &mut Task, copy: u64, number: u64) {
        use super::Kind;
        match self.definitions[task.definition].kind {
            Kind::Grant | Kind::Revoke => {
                task.child = Some(
                    format!(
                        "CN=G-{:02},OU=Groups,DC=corp,DC=example",
                        (number + copy) % 90 + copy
                    )
                    .into(),
                );
            }
            Kind::Change => task.value = Some(format!("value {}", copy + 1).into()),
            _ => {}
        }
    }
}
